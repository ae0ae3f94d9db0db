"""One row a head, sorted by a click on a column; a click on a row opens that head's map."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import streamlit as st
from streamlit.components.v2 import component

_FOLDER = Path(__file__).parent
_mount = component(
    "lookback_head_table",
    html='<div class="frame"><table class="heads"><thead></thead><tbody></tbody></table></div>',
    css=(_FOLDER / "head_table.css").read_text(encoding="utf-8"),
    js=(_FOLDER / "head_table.js").read_text(encoding="utf-8"),
)


@dataclass(frozen=True)
class Column:
    """A column's name, and what it means for whoever asks."""

    name: str
    about: str


@dataclass(frozen=True)
class Cell:
    """What is shown, what it is sorted by, and the part of the cell to fill, in [0, 1]."""

    text: str
    value: float | str
    share: float | None = None


@dataclass(frozen=True)
class HeadRow:
    """A head, both numbers from 1, its name, and its cells in the order of the columns."""

    layer: int
    head: int
    name: str
    cells: tuple[Cell, ...]


def table_data(columns: Sequence[Column], rows: Sequence[HeadRow]) -> dict[str, list]:
    """What the table draws."""
    return {"columns": [asdict(column) for column in columns], "rows": [asdict(row) for row in rows]}


def head_table(
    columns: Sequence[Column], rows: Sequence[HeadRow], *, key: str, on_open: Callable[[int, int], None]
) -> None:
    """Draw the table; `on_open` gets layer and head of a clicked row, before the page runs."""

    def opened() -> None:
        picked = st.session_state[key].get("opened")
        if isinstance(picked, dict):
            on_open(int(picked["layer"]), int(picked["head"]))

    _mount(data=table_data(columns, rows), key=key, on_opened_change=opened)
