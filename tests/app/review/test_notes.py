from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core.review.notes import append_note, make_note, name_slice, read_notes
from core.review.rows import RowFilter


def panel() -> None:
    from types import SimpleNamespace
    from typing import Any

    from app.review.notes import draw_notes

    bundle: Any = SimpleNamespace(name="small", version="abc")
    draw_notes(bundle, "slice", "direction, instrument BBB")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LOOKBACK_HOME", str(tmp_path))
    return tmp_path


def test_a_note_added_on_a_page_is_kept_and_shown_as_text(home: Path) -> None:
    app = AppTest.from_function(panel, default_timeout=20).run()
    assert not app.exception
    app.text_input[0].set_value("Ada")
    app.selectbox[0].set_value("rejected")
    app.text_area[0].set_value("**not** <b>good</b>")
    app.button[0].click().run()
    assert not app.exception
    (note,) = read_notes(home, "small", "slice", "direction, instrument BBB")
    assert (note.who, note.verdict, note.text) == ("Ada", "rejected", "**not** <b>good</b>")
    shown = [text.value for text in app.text]
    assert len(shown) == 1
    assert shown[0].startswith("REJECTED, Ada, ")
    assert shown[0].endswith("**not** <b>good</b>")


def test_an_empty_note_is_refused_in_a_sentence_and_others_stay(home: Path) -> None:
    append_note(
        home,
        make_note(
            "small",
            "older",
            "accepted",
            "fine",
            subject="slice",
            about="direction, instrument BBB",
            who="Bob",
        ),
    )
    app = AppTest.from_function(panel, default_timeout=20).run()
    assert "of version older" in app.text[0].value
    app.button[0].click().run()
    assert not app.exception
    assert len(read_notes(home)) == 1


def test_a_slice_is_named_by_its_filters() -> None:
    assert name_slice(RowFilter("direction", instrument="BBB", fold=1)) == "direction, instrument BBB, fold 1"
