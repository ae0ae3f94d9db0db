"""The strongest causes of one prediction, in market units, each with what the model says without it.

Shapes: T bars, N features.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.data.features.table import CALENDAR
from core.errors import InputError
from core.explain.attribution import Attribution
from core.explain.faithfulness import PAIRED
from core.explain.margin import Margin, check_window, evaluate, probability
from core.explain.references import Reference

BLOCK = 10
"""Bars of one feature taken together as one cause: a course of prices speaks over days, not over one bar."""
COUNT, AGAINST = 3, 2
"""Causes towards a class that are named, and causes against it."""


@dataclass(frozen=True)
class Cause:
    """Cells that spoke together for or against a class.

    Attributes
    ----------
    features
        One name; all names of a source group when the method hid it as one; none when it tells bars apart
        but not features.
    first, last
        Bars of the window, both included; the whole window when the method tells features apart but not bars.
    value
        Sum of the attribution over these cells, log-odds.
    scaled, usual_scaled
        Mean of the cells, and of the reference there, on the 0..100 scale; NaN unless it is one feature.
    market, usual
        The same in the feature's own unit.
    before, after
        Probability of the class as it is, and with these cells as in the reference, mean over its most
        ordinary windows.
    """

    features: tuple[str, ...]
    first: int
    last: int
    value: float
    scaled: float
    usual_scaled: float
    market: float
    usual: float
    before: float
    after: float


def find_causes(
    attribution: Attribution,
    margin: Margin,
    window: np.ndarray,
    reference: Reference,
    market: np.ndarray,
    usual: np.ndarray,
    *,
    count: int = COUNT,
    against: int = AGAINST,
    block: int = BLOCK,
) -> tuple[Cause, ...]:
    """The strongest causes, those towards the class first; see `strongest_cells`.

    Parameters
    ----------
    window
        (T, N), the one explained.
    market, usual
        The window and the mean reference in the features' own units, (T, N).
    block
        Bars of one cause, counted back from the last bar; a method that cannot tell bars apart gives the
        whole window instead.

    Raises
    ------
    InputError
        If shapes differ or a number is below 1.
    """
    window = check_window(window)
    if attribution.values.shape != window.shape:
        raise InputError(
            f"an attribution of shape {window.shape}", f"{attribution.values.shape}", "explain this window"
        )
    groups = strongest_cells(attribution, count, against, block)
    masks = np.zeros((len(groups), *window.shape), dtype=bool)
    for mask, cells in zip(masks, groups, strict=True):
        mask[cells.first : cells.last + 1, cells.columns] = True
    after = np.mean(
        [probability(evaluate(margin, np.where(masks, r, window))) for r in reference.windows[:PAIRED]],
        axis=0,
    )
    before = float(probability(evaluate(margin, window[None]))[0])
    level = reference.windows.mean(0)
    causes = []
    for cells, mask, left in zip(groups, masks, after, strict=True):
        one = len(cells.features) == 1
        scaled, usual_scaled, here, there = (
            float(v[mask].mean()) if one else float("nan") for v in (window, level, market, usual)
        )
        causes.append(
            Cause(
                cells.features, cells.first, cells.last, cells.value,
                scaled, usual_scaled, here, there, before, float(left),
            )
        )  # fmt: skip
    return tuple(causes)


@dataclass(frozen=True)
class Cells:
    """Where a cause lies; `features`, `first`, `last` and `value` as in `Cause`.

    Attributes
    ----------
    columns
        Indices of the features concerned, all of them where `features` is empty.
    """

    features: tuple[str, ...]
    first: int
    last: int
    value: float
    columns: np.ndarray


def strongest_cells(
    attribution: Attribution, count: int = COUNT, against: int = AGAINST, block: int = BLOCK
) -> tuple[Cells, ...]:
    """Up to `count` causes towards the class, then up to `against` against it, strongest first.

    The model is not asked. Calendar features are passed over where a method tells them from others: a day of
    the week says which bars are compared, and no more of the market.

    Raises
    ------
    InputError
        If a number is below 1.
    """
    if min(count, block) < 1 or against < 0:
        raise InputError(
            "a count and a block of at least 1, none below 0 against",
            f"{count}, {block}, {against}",
            "raise the smaller one",
        )
    length, width = attribution.values.shape
    names = np.array(attribution.feature_names)
    columns = [np.array([index]) for index in range(width)]
    if attribution.resolution == "bar":
        columns = [np.arange(width)]
    elif attribution.resolution != "cell":
        # A source that was hidden as one has shared its value equally among its features.
        alike: dict[tuple[str, bytes], list[int]] = {}
        for index, group in enumerate(attribution.groups):
            alike.setdefault((group, attribution.values[:, index].tobytes()), []).append(index)
        columns = [np.array(found) for found in alike.values()]
    market = np.array([{attribution.groups[i] for i in chosen} != {CALENDAR} for chosen in columns])
    market = market if market.any() else ~market
    values = np.stack([attribution.values[:, chosen].sum(1, dtype=float) for chosen in columns], axis=1)
    step = length if attribution.resolution == "feature" else block
    # Blocks are counted back from the last bar, so that the newest one is whole.
    starts = np.maximum(np.arange(length, 0, -step) - step, 0)[::-1]
    ends = np.append(starts[1:], length)
    sums = np.add.reduceat(values, starts, axis=0)
    ranked = np.argsort(-np.abs(sums), axis=None, kind="stable")
    ranked = ranked[market[ranked % len(columns)]]
    signs = np.sign(sums.ravel()[ranked])
    order = np.concatenate([ranked[signs > 0][:count], ranked[signs < 0][:against]])
    return tuple(
        Cells(
            () if attribution.resolution == "bar" else tuple(names[columns[unit]].tolist()),
            int(starts[row]),
            int(ends[row]) - 1,
            float(sums[row, unit]),
            columns[unit],
        )
        for row, unit in zip(*np.divmod(order, len(columns)), strict=True)
    )
