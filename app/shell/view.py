"""What is chosen on the pages beyond the selection, by the keys of their widgets; links carry it too."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.shell.selection import SelectionError

Value = str | int | bool | list[str]


@dataclass(frozen=True)
class Choice:
    """One widget's value as a link carries it.

    Attributes
    ----------
    default
        Left out of links. Its type is that of every value; None where the page knows the default, and then
        values are words.
    options
        All there are; empty where only the page knows them.
    """

    default: Value | None
    options: tuple[Any, ...] = ()

    def read(self, name: str, text: str) -> Value:
        """The value a link names.

        Raises
        ------
        SelectionError
            If it cannot be one.
        """
        if isinstance(self.default, bool):
            found: Value = text == "1"
            known = text in ("0", "1")
        elif isinstance(self.default, int):
            found = int(text) if text.isdecimal() and len(text) < 9 else text
            known = found in self.options if self.options else isinstance(found, int)
        else:
            found = text
            known = not self.options or found in self.options
        if known:
            return found
        named = ", ".join(map(str, self.options)) or "0, 1"
        raise SelectionError(f"one of {named} for {name!r}", repr(text), "correct the link")

    def write(self, value: Any) -> str | None:
        """How a link names a value; None where it says nothing."""
        if value is None or value == "" or value == self.default:
            return None
        if isinstance(value, bool):
            return str(int(value))
        return str(value)


@dataclass(frozen=True)
class Several(Choice):
    """Any number of words, of which a link names each; none of them is a dash."""

    def read(self, name: str, text: str) -> Value:
        return [] if text == "-" else [word for word in text.split(",") if word]

    def write(self, value: Any) -> str | None:
        if value is None or value == self.default:
            return None
        return ",".join(map(str, value)) or "-"


MOST_EDITS = 4000
"""Characters of edits that a link carries; what is more stays in the session."""

CHOICES: dict[str, Choice] = {
    "times_in": Choice("UTC", ("UTC", "viewer")),
    "chart_bars": Choice(120, (60, 120, 300, 1000)),
    "classic_candles": Choice(False),
    "heads_seen_from": Choice("bar", ("bar", "mean")),
    "one_scale": Choice(False),
    "attribution_tab": Choice("This bar", ("This bar", "Over many bars")),
    "attribution_rows": Choice("feature", ("feature", "source")),
    "attribution_block": Choice(1, (1, 5, 10, 20, 50)),
    "attribution_shown": Choice(120, (60, 120, 300)),
    "importance_rows": Choice("features", ("features", "groups")),
    "importance_of": Choice("all windows", ("all windows", "instrument", "regime", "period")),
    "importance_instrument": Choice(None),
    "importance_regime": Choice(None),
    "importance_period": Choice(None),
    "importance_all": Choice(False),
    "similar_count": Choice(10, (5, 10, 20)),
    "similar_scope": Choice("all", ("all", "timeframe", "instrument")),
    "what_if_mode": Choice("bars", ("bars", "features", "flip")),
    "what_if_rows": Choice(10, (5, 10, 20, 60)),
    "what_if_groups": Several(None),
    "what_if_locked": Several(None),
    "what_if_feature": Choice(None),
    "what_if_bars": Choice(5),
    "what_if_value": Choice(""),
    "flip_bars": Choice(20),
    "flip_penalty": Choice("sparse", ("sparse", "smooth")),
    "edits": Choice(""),
    "changes": Choice(""),
    "risk_shown": Several(None),
    "score": Choice(None),
    "backtest_timeframe": Choice(None),
    "backtest_rules": Choice(""),
    "backtest_instrument": Choice(None),
    "backtest_slices": Choice(None),
    "term": Choice(""),
}
"""By the key of the widget, which is also the parameter's name."""


def settle(state: MutableMapping[Any, Any]) -> None:
    """Put the default where nothing was chosen, before any widget is drawn."""
    for name, choice in CHOICES.items():
        if choice.default is not None:
            state.setdefault(name, choice.default)


def read_choices(params: Mapping[str, str], state: MutableMapping[Any, Any]) -> None:
    """Take every choice from a link; what it leaves out has its default.

    Raises
    ------
    SelectionError
        If a value cannot be read; nothing is changed then.
    """
    found = {name: CHOICES[name].read(name, params[name].strip()) for name in CHOICES if name in params}
    for name, choice in CHOICES.items():
        value = found.get(name, choice.default)
        if value is None:
            state.pop(name, None)
        else:
            state[name] = value


def write_choices(state: Mapping[Any, Any]) -> dict[str, str]:
    """Parameters of a link, defaults left out."""
    written = {name: choice.write(state.get(name)) for name, choice in CHOICES.items()}
    return {name: text for name, text in written.items() if text is not None and len(text) <= MOST_EDITS}


def keep_known(state: MutableMapping[Any, Any], name: str, options: Sequence[str], default: Any) -> None:
    """Where only the page knows the options: drop what a link named and is not among them."""
    value = state.get(name, default)
    if isinstance(value, list):
        state[name] = [word for word in value if word in options]
    else:
        state[name] = value if value in options else default


def keep_within(state: MutableMapping[Any, Any], name: str, low: int, high: int) -> None:
    """Where only the page knows the bounds: bring a number that a link named back between them."""
    value = state.get(name)
    if isinstance(value, int):
        state[name] = min(max(value, low), high)
