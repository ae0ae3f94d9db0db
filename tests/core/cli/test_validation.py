"""The pack and the notes on the command line."""

import json

from markupsafe import escape

from core.validation.pack import HTML, JSON
from tests.core.command_line import refuse, run


def test_a_pack_is_written_whole_and_says_what_is_not_met(home, tmp_path, capsys):
    out = tmp_path / "pack"
    found = run(capsys, "validate", "--model", "small", "--out", str(out), "--windows", "2")
    pack = json.loads((out / JSON).read_text())
    assert found["counts"] == pack["counts"]
    assert found["model"] == pack["model"]
    page = (out / HTML).read_text()
    assert pack["model"]["version"] in page
    assert all(escape(section["title"]) in page for section in pack["sections"])


def test_what_cannot_be_validated_is_refused_in_a_sentence(home, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert "folder" in refuse(capsys, "validate", "--model", "small", "--out", str(tmp_path / "file" / "x"))
    assert "window" in refuse(
        capsys, "validate", "--model", "small", "--out", str(tmp_path / "y"), "--windows", "0"
    )
    assert "'nobody'" in refuse(capsys, "validate", "--model", "nobody", "--out", str(tmp_path / "y"))


def test_notes_are_added_and_listed(home, capsys):
    note = ["note", "--model", "small", "--by", "Ada"]
    added = run(capsys, *note, "--verdict", "to be fixed", "--text", "weekly bars are off")
    assert [one["verdict"] for one in added["notes"]] == ["to be fixed"]
    about = ["--subject", "prediction", "--about", "AAA 1d 2009-06-05 direction"]
    run(capsys, *note, *about, "--verdict", "rejected", "--text", "no")
    assert [one["text"] for one in run(capsys, "note", "--model", "small")["notes"]] == [
        "weekly bars are off",
        "no",
    ]
    assert "verdict" in refuse(capsys, *note, "--text", "x")
    assert "verdict" in refuse(capsys, *note, "--text", "x", "--verdict", "fine")
