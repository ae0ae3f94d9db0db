"""What a person is looking at, as one frozen value that a URL can carry."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import pandas as pd

from core.errors import InputError
from core.explain.references import RENAMED

FIELDS = (
    "instrument",
    "timeframe",
    "bar",
    "task",
    "target",
    "method",
    "reference",
    "member",
    "layer",
    "head",
    "looks",
    "against",
    "model",
    "rival",
)

READ = (*FIELDS, "baseline")
"""Names that links carry: those of today, and what a reference was called before."""


class SelectionError(InputError):
    """A link that names something that is not there."""


@dataclass(frozen=True)
class Selection:
    """The same everywhere; survives a change of page and a copied link.

    Attributes
    ----------
    bar
        Open of the chosen bar, ISO, UTC; None follows the latest.
    member
        Of an ensemble, from 1, whose attention and attributions are shown; None is all together.
    layer, head
        Attention map looked at, from 1; layer None is the last one, head None the mean over heads.
    looks
        Open of the bar whose attended bars are shown, ISO, UTC; None is the chosen bar.
    target
        Class that is explained; None is the one called.
    method, reference
        How it is explained; None is what the planted market recommends.
    against
        Open of a second bar to compare with, ISO, UTC.
    model
        Name of a trained model; None is the default one.
    rival
        Name of a second model to compare with.
    """

    instrument: str
    timeframe: str
    bar: str | None = None
    task: str = "direction"
    target: str | None = None
    method: str | None = None
    reference: str | None = None
    member: int | None = None
    layer: int | None = None
    head: int | None = None
    looks: str | None = None
    against: str | None = None
    model: str | None = None
    rival: str | None = None

    def to_params(self) -> dict[str, str]:
        """URL parameters; what has its default is left out, instrument and timeframe never."""
        params = {"instrument": self.instrument, "timeframe": self.timeframe}
        for name in FIELDS[2:]:
            value = getattr(self, name)
            if value is not None and value != getattr(Selection, name):
                params[name] = str(value)
        return params

    def with_changes(self, **changes: object) -> Selection:
        """A copy that forgets what the change has made meaningless.

        Another series or bar forgets the bar that looks, another task the class explained, another model the
        member, and another member the head.
        """
        if {"instrument", "timeframe", "bar"} & changes.keys() and "looks" not in changes:
            changes["looks"] = None
        if "task" in changes and "target" not in changes:
            changes["target"] = None
        if "model" in changes and "member" not in changes:
            changes["member"] = None
        if changes.get("member", self.member) != self.member and "head" not in changes:
            changes["head"] = None
        return replace(self, **changes)  # type: ignore[arg-type]


def parse_params(params: Mapping[str, str], default: Selection) -> Selection:
    """Read URL parameters; what is absent comes from `default`.

    Raises
    ------
    SelectionError
        If a time or number cannot be read.
    """
    found = {name: params[name].strip() for name in FIELDS if params.get(name, "").strip()}
    # Links made before references were called so, or when others were offered, still open.
    asked = found.get("reference") or params.get("baseline", "").strip()
    if asked:
        found["reference"] = RENAMED.get(asked, asked)
    if not found:
        return default
    words = ("instrument", "timeframe", "task", "target", "method", "reference", "model", "rival")
    changes: dict[str, object] = {name: found[name] for name in words if name in found}
    if "instrument" in found or "timeframe" in found:
        default = replace(default, bar=None, looks=None, against=None)
    for name in ("bar", "looks", "against"):
        if name in found:
            changes[name] = bar_name(_parse_time(name, found[name]))
    for name in ("member", "layer", "head"):
        if name in found:
            changes[name] = _parse_count(name, found[name])
    return replace(default, **changes)  # type: ignore[arg-type]


def check_series(selection: Selection, series: Iterable[tuple[str, str]]) -> None:
    """Refuse an instrument or timeframe that the store does not hold, naming the nearest ones.

    Raises
    ------
    SelectionError
    """
    held = sorted(series)
    if (selection.instrument, selection.timeframe) in held:
        return
    instruments = sorted({instrument for instrument, _ in held})
    if selection.instrument not in instruments:
        near = difflib.get_close_matches(selection.instrument, instruments, n=3, cutoff=0.4)
        raise SelectionError(
            "an instrument in the store",
            repr(selection.instrument),
            f"choose for example {', '.join(near or instruments[:5])}",
        )
    frames = [timeframe for instrument, timeframe in held if instrument == selection.instrument]
    raise SelectionError(
        f"a timeframe of {selection.instrument} out of {', '.join(frames)}",
        repr(selection.timeframe),
        "choose one of these",
    )


def find_bar(selection: Selection, opens: np.ndarray) -> int:
    """Position of the selected bar: the last that opened at or before it.

    Parameters
    ----------
    opens
        Bar opens of the series, datetime64 UTC, ascending, at least one.

    Raises
    ------
    SelectionError
        If the bar lies before the first one.
    """
    if selection.bar is None:
        return len(opens) - 1
    at = bar_time(selection.bar).tz_localize(None).to_datetime64()
    position = int(np.searchsorted(opens, at, "right")) - 1
    if position < 0:
        first = open_name(opens[0])
        raise SelectionError(
            f"a bar of {selection.instrument} {selection.timeframe} from {first} on",
            selection.bar,
            "choose a later bar",
        )
    return position


def bar_name(ts: pd.Timestamp) -> str:
    """A bar's open as URLs write it: the date alone at midnight UTC, else to the minute."""
    return f"{ts:%Y-%m-%d}" if ts == ts.normalize() else f"{ts:%Y-%m-%dT%H:%M}"


def open_name(opened: np.datetime64) -> str:
    """`bar_name` of a bar open without a zone, which is UTC."""
    return bar_name(cast(pd.Timestamp, pd.Timestamp(opened, tz="UTC")))


def bar_time(name: str) -> pd.Timestamp:
    """The UTC time that `bar_name` wrote."""
    return cast(pd.Timestamp, pd.Timestamp(name, tz="UTC"))


def default_selection(series: Sequence[tuple[str, str]]) -> Selection:
    """The first daily series, else the first; `series` is not empty."""
    held = sorted(series)
    instrument, timeframe = next((pair for pair in held if pair[1] == "1d"), held[0])
    return Selection(instrument, timeframe)


def _parse_time(name: str, text: str) -> pd.Timestamp:
    try:
        ts = pd.Timestamp(text)
    except (ValueError, OverflowError):
        ts = pd.NaT
    if not isinstance(ts, pd.Timestamp):
        raise SelectionError(f"a time such as 2013-03-01 for {name!r}", repr(text), "correct the link")
    return ts.tz_localize("UTC") if ts.tz is None else ts.tz_convert("UTC")


def _parse_count(name: str, text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 999:
        raise SelectionError(f"a whole number from 1 for {name!r}", repr(text), "correct the link")
    return int(text)
