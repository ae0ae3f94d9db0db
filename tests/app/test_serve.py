"""What the server imports before its first visitor."""

from __future__ import annotations

from pathlib import Path

from app.serve import SLOWEST, list_modules

ROOT = Path(__file__).resolve().parents[2]


def test_every_module_of_every_room_is_imported_ahead_and_the_entries_are_not() -> None:
    files = (ROOT / "app").rglob("*.py")
    names = {".".join(path.relative_to(ROOT).with_suffix("").parts) for path in files}
    modules = {name for name in names if not name.endswith("__init__")} - {"app.main", "app.serve"}
    assert set(list_modules()) - {"plotly.graph_objects"} == modules


def test_the_slowest_come_first_and_nothing_twice() -> None:
    found = list_modules()
    assert tuple(found[: len(SLOWEST)]) == SLOWEST
    assert len(set(found)) == len(found)
