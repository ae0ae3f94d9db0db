"""What the strategy does about a call, and every reason to stay out, in words."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from app.words.confidence import STATED
from app.words.numbers import percent
from core.confidence.sources import SOURCES
from core.operations.stances import Stance

NO_THRESHOLDS = "no thresholds: run python -m core walk-forward"
"""Where no walk-forward of the model keeps the rows thresholds are chosen on."""
NOT_CHOSEN = "thresholds not chosen yet"
HELP = (
    "What the rules of assets/trading.yaml do about the call at the next bar's open. The thresholds are of "
    "the newest fold of the model's walk-forward, chosen on its calibrate bars by what acting on them would "
    "have earned after costs. Size is a share of the equity. It is no advice."
)
NOTHING_PAID = "no threshold paid on the calibrate bars"


def _probability(stance: Stance) -> str:
    side = "Bullish" if stance.lean > 0 else "Bearish"
    if not stance.thresholds.trading:
        return NOTHING_PAID
    return f"P({side}) {percent(stance.strength)}, threshold {percent(stance.thresholds.probability)}"


def _confidence(stance: Stance) -> str:
    if not stance.thresholds.trading:
        return NOTHING_PAID
    return f"sure {percent(stance.confidence)}, threshold {percent(stance.thresholds.confidence)}"


VETO_WORDS: dict[str, Callable[[Stance], str]] = {
    "no_call": lambda stance: "no call of a direction",
    "probability": _probability,
    "confidence": _confidence,
    "out_of_distribution": lambda stance: "unlike training",
    "both_directions": lambda stance: "its 90% set holds both directions",
    "regime": lambda stance: "its regime is not traded",
    **{f"rank_{name}": lambda stance, name=name: f"{STATED[name].title} ranks too low" for name in SOURCES},
    "volume": lambda stance: "the bar has no volume",
    "volatility": lambda stance: "too few bars to know its volatility",
}
"""By the names of `core.trading.stance.VETOES`."""


def reasons(stance: Stance) -> list[str]:
    """Every reason to stay out, each said once, the numbers first."""
    numbers = ("confidence", "probability")
    ordered = [name for name in numbers if name in stance.vetoes]
    ordered += [name for name in stance.vetoes if name not in numbers]
    return list(dict.fromkeys(VETO_WORDS[name](stance) for name in ordered))


def stance_text(stance: Stance) -> str:
    """In short: 'no trade: sure 41%, threshold 55%', 'long, 12% of equity'."""
    if not stance.side:
        return f"no trade: {reasons(stance)[0]}"
    return f"{'long' if stance.side > 0 else 'short'}, {percent(stance.size)} of equity"


def hindsight_sentence(until: pd.Timestamp) -> str:
    """That thresholds were chosen on bars later than the one they are held against."""
    return (
        f"In hindsight: the thresholds were chosen on bars up to {until:%Y-%m-%d}, later than this one, so "
        "this is not what the strategy would have done then."
    )


def stance_sentence(stance: Stance) -> str:
    """With every reason: 'Direction sure 41%, threshold 55%; unlike training.'"""
    if stance.side:
        way = "Long" if stance.side > 0 else "Short"
        return f"{way} at the next open with {percent(stance.size)} of the equity: nothing speaks against it."
    first, *others = reasons(stance)
    return f"{'; '.join([f'Direction: {first}', *others])}."
