from __future__ import annotations

import multiprocessing
from pathlib import Path

import pytest

from core.review.notes import FILE, MOST_TEXT, NotesError, append_note, make_note, read_notes


def add(home: Path, text: str, **more: str) -> None:
    append_note(home, make_note("small", "abc", "to be fixed", text, who="Ada", **more))  # type: ignore[arg-type]


def _add_many(home: Path, name: str) -> None:
    for number in range(10):
        add(home, f"{name} {number}")


def test_notes_come_back_in_order_and_by_subject(tmp_path: Path) -> None:
    add(tmp_path, "first")
    add(tmp_path, "second", subject="slice", about="timeframe 1w")
    assert [note.text for note in read_notes(tmp_path)] == ["first", "second"]
    assert [note.text for note in read_notes(tmp_path, "small", "slice", "timeframe 1w")] == ["second"]
    assert read_notes(tmp_path, "other") == []
    assert read_notes(tmp_path / "nowhere") == []
    assert read_notes(tmp_path)[0].when.endswith("+00:00")


def test_two_processes_lose_no_note(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_add_many, args=(tmp_path, name)) for name in "ab"]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sorted(note.text for note in read_notes(tmp_path)) == sorted(
        f"{w} {n}" for w in "ab" for n in range(10)
    )


def test_a_line_cut_off_by_a_kill_is_written_over(tmp_path: Path) -> None:
    add(tmp_path, "whole")
    path = tmp_path / FILE
    path.write_bytes(path.read_bytes() + b'{"text": "cut o')
    assert [note.text for note in read_notes(tmp_path)] == ["whole"]
    add(tmp_path, "after")
    assert [note.text for note in read_notes(tmp_path)] == ["whole", "after"]


@pytest.mark.parametrize("change", ["drop", "alter"])
def test_a_line_changed_afterwards_is_found(tmp_path: Path, change: str) -> None:
    for text in ("one", "two", "three"):
        add(tmp_path, text)
    path = tmp_path / FILE
    lines = path.read_bytes().splitlines(keepends=True)
    lines[1:2] = [] if change == "drop" else [lines[1].replace(b"two", b"2")]
    path.write_bytes(b"".join(lines))
    with pytest.raises(NotesError, match="as it was written"):
        read_notes(tmp_path)


def test_text_is_bounded_and_free_of_control_characters() -> None:
    note = make_note("small", "abc", "accepted", " <b>fine</b>\x1b[31m\u202e\nnext \0", who="Ada\r\n")
    assert note.text == "<b>fine</b>[31m\nnext"
    assert note.who == "Ada"
    for text in ("", " \n", "x" * (MOST_TEXT + 1)):
        with pytest.raises(NotesError, match="characters"):
            make_note("small", "abc", "accepted", text)
    with pytest.raises(NotesError, match="verdict"):
        make_note("small", "abc", "fine", "text")
    with pytest.raises(NotesError, match="subject"):
        make_note("small", "abc", "accepted", "text", subject="page")
    with pytest.raises(NotesError, match="slice it is about"):
        make_note("small", "abc", "accepted", "text", subject="slice")
