"""What somebody has changed at a bar so far, and edits of bars as plain values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from app.attribution.cached import moment
from app.figures.theme import price_decimals
from app.shell import controls
from app.shell.cached import ModelKey
from app.shell.selection import SelectionError, bar_name
from app.what_if.cached import Cells, Changes, FlipSearch, editable
from core.explain.edits import PRICES

DRAFTS = "what_if_drafts"
_OFFERED = "what_if_offered"


@dataclass(frozen=True)
class Draft:
    """Changes made at one bar; kept while the session lasts, so that a refused edit loses nothing.

    Attributes
    ----------
    base
        Edited cells the table started from.
    cells
        Edited cells as the table stands now.
    changes
        Changed features, oldest first.
    search
        What was asked of the search for a flip; None before it was started.
    explained
        Fingerprint of the edited input whose change is explained.
    version
        Of the table; another one starts it anew.
    """

    base: Cells = ()
    cells: Cells = ()
    changes: Changes = ()
    search: FlipSearch | None = None
    explained: str | None = None
    version: int = 0


def _place(at: controls.Moment) -> tuple[str, str, str]:
    return at.key.instrument, at.key.timeframe, at.bar


def find_draft(at: controls.Moment) -> Draft:
    """What was changed at this bar."""
    return st.session_state.get(DRAFTS, {}).get(_place(at), Draft())


def keep_draft(at: controls.Moment, **changes: Any) -> None:
    """Remember changes at this bar."""
    drafts = st.session_state.setdefault(DRAFTS, {})
    drafts[_place(at)] = replace(find_draft(at), **changes)


def restart_table(at: controls.Moment, cells: Cells) -> None:
    """Show the table anew with these edits in it."""
    keep_draft(at, base=cells, cells=cells, version=find_draft(at).version + 1)


def newest_bar(shown: pd.DataFrame, columns: Sequence[str], cells: Cells) -> dict[str, Any]:
    """The newest bar's name under "bar" and its columns, `cells` in it, exact where nobody edited."""
    last = shown.iloc[-1]
    name = bar_name(last["ts"])
    edited = {column: value for bar, column, value in cells if bar == name and column in columns}
    return {"bar": name} | {column: float(last[column]) for column in columns} | edited


def write_edits(edits: Sequence[tuple[str, str | int, float]]) -> str:
    """Edited cells or changed features as one word of a link."""
    return ";".join(f"{first}~{second}~{value!r}" for first, second, value in edits)


def read_edits(text: str) -> list[tuple[str, str, float]]:
    """What `write_edits` wrote.

    Raises
    ------
    SelectionError
        If it is something else.
    """
    found = []
    try:
        for part in filter(None, text.split(";")):
            first, second, value = part.split("~")
            found.append((first, second, float(value)))
    except ValueError as error:
        expected = "edits such as 2013-03-01~close~52.1"
        raise SelectionError(expected, repr(text[:40]), "correct the link") from error
    return found


def read_value(text: str, feature: str) -> float | None:
    """What "rsi_14~71.5" in a link enters for `feature`; None for another one or no number."""
    name, _, value = text.partition("~")
    if name != feature:
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if np.isfinite(number) else None


def take_linked(model: ModelKey, at: controls.Moment) -> None:
    """Take over the edits a link names; those already taken are not taken again.

    Raises
    ------
    SelectionError
        If they name no column, feature, number of bars or value there is.
    """
    told = tuple(str(st.session_state.get(name, "")) for name in ("edits", "changes"))
    if not any(told) or told == st.session_state.get(_OFFERED):
        return
    # Whatever comes of it, it is not tried again.
    st.session_state[_OFFERED] = told
    original = moment(model, at.key, at.bar)
    columns, names, length = (
        editable(model, at.key, at.bar).columns,
        original.feature_names,
        len(original.features),
    )
    cells, changes = (read_edits(text) for text in told)
    wrong = [column for _, column, _ in cells if column not in columns]
    wrong += [name for name, _, _ in changes if name not in names]
    wrong += [bars for _, bars, _ in changes if not bars.isdecimal() or not 1 <= int(bars) <= length]
    wrong += [value for *_, value in changes if not 0 <= value <= 100]
    if wrong:
        raise SelectionError("edits of columns and features there are", repr(wrong[0]), "correct the link")
    keep_draft(at, changes=tuple((name, int(bars), value) for name, bars, value in changes))
    restart_table(at, tuple(cells))


def offer_link(at: controls.Moment) -> None:
    """Put the edits of this bar where links take them from."""
    draft = find_draft(at)
    told = write_edits(draft.cells), write_edits(draft.changes)
    st.session_state["edits"], st.session_state["changes"] = st.session_state[_OFFERED] = told


def fill_table(shown: pd.DataFrame, columns: Sequence[str], cells: Cells) -> pd.DataFrame:
    """The bars as a table to edit: one row a bar under its name, prices as shown, `cells` already in it."""
    table = pd.DataFrame(shown[list(columns)].astype(float))
    prices = [name for name in columns if name in PRICES]
    table[prices] = table[prices].round(price_decimals(shown))
    table.insert(0, "bar", [bar_name(ts) for ts in shown["ts"]])
    rows = {name: row for row, name in enumerate(table["bar"])}
    for name, column, value in cells:
        if name in rows and column in columns:
            table.loc[rows[name], column] = value
    return table


def read_cells(shown: pd.DataFrame, columns: Sequence[str], table: pd.DataFrame, others: Cells = ()) -> Cells:
    """The cells of a table that are no longer what `fill_table` had put there; emptied ones are NaN.

    A price that equals another of its bar as far as the decimals shown go is taken to be that price.

    Parameters
    ----------
    others
        Edits of bars that the table does not show; they stay.
    """
    plain, places = fill_table(shown, columns, ()), price_decimals(shown)
    inside = set(plain["bar"])
    cells = [cell for cell in others if cell[0] not in inside]
    now, then = (frame[list(columns)].astype(float).to_numpy() for frame in (table, plain))
    exact = shown[list(columns)].astype(float).to_numpy()
    changed = (now != then) & ~(np.isnan(now) & np.isnan(then))
    for row, name in enumerate(plain["bar"]):
        bar = dict(zip(columns, np.where(changed[row], now[row], exact[row]).tolist(), strict=True))
        edited = [column for column, moved in zip(columns, changed[row], strict=True) if moved]
        cells += [(name, column, _snap(column, bar, places)) for column in edited]
    return tuple(cells)


def widen(cells: Cells, base: Cells, shown: pd.DataFrame) -> Cells:
    """Let high and low follow an open or close beyond them, as the quick actions do; what was typed stays.

    Parameters
    ----------
    cells
        Edits as they stand.
    base
        Edits the table started from: a high or low among them follows too.
    shown
        The bars as they were.
    """
    typed = {cell[:2] for cell in cells if cell not in base}
    bars = {bar_name(bar["ts"]): bar for bar in shown.to_dict("records")}
    for name in dict.fromkeys(name for name, column in typed if column in ("open", "close") and name in bars):
        bar = bars[name] | {column: value for place, column, value in cells if place == name}
        ends = [bar["open"], bar["close"]]
        if np.isnan(ends).any():
            continue
        followed = {"high": max(bar["high"], *ends), "low": min(bar["low"], *ends)}
        moved = {
            column: value
            for column, value in followed.items()
            if (name, column) not in typed and value != bar[column]
        }
        cells = _put(cells, name, moved)
    return cells


def move_close(cells: Cells, bar: dict[str, Any], factor: float) -> Cells:
    """The newest bar closes at `factor` times its close; high or low follow where they must.

    Parameters
    ----------
    bar
        The bar as it stands, edits included: its name under "bar", and its columns.
    """
    close = bar["close"] * factor
    moved = {"close": close, "high": max(bar["high"], close), "low": min(bar["low"], close)}
    return _put(cells, bar["bar"], {name: value for name, value in moved.items() if value != bar[name]})


def multiply_volume(cells: Cells, bar: dict[str, Any], factor: float) -> Cells:
    """The newest bar trades `factor` times its volume."""
    return _put(cells, bar["bar"], {"volume": bar["volume"] * factor})


def _put(cells: Cells, name: str, values: dict[str, float]) -> Cells:
    kept = [cell for cell in cells if not (cell[0] == name and cell[1] in values)]
    return (*kept, *((name, column, value) for column, value in values.items()))


def _snap(column: str, bar: dict[str, float], places: int) -> float:
    """The edited value, or the price of the bar that it means on the screen."""
    value = bar[column]
    if column not in PRICES or np.isnan(value):
        return value
    others = [bar[name] for name in PRICES if name != column and name in bar]
    return next((other for other in others if round(other, places) == value), value)
