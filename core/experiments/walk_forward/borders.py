"""Walk-forward folds: where train, calibrate and test lie in each, the same instants for every series."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, get_args

import numpy as np
import pandas as pd

from core.config import SplitConfig
from core.data.segments import SegmentBorders, part_calibrate
from core.errors import ConfigError

Scheme = Literal["expanding", "rolling"]
SCHEMES: tuple[Scheme, ...] = get_args(Scheme)
FIRST_TEST_SHARE = 0.5
"""Share of all bars that lies before the first fold's test segment."""


def choose_folds(
    times: Iterable[np.ndarray],
    split: SplitConfig,
    folds: int = 5,
    scheme: Scheme = "expanding",
    first_test_share: float = FIRST_TEST_SHARE,
) -> list[SegmentBorders]:
    """Borders of consecutive folds at equal shares of all bars, pooled over the series.

    The bars after `first_test_share` are cut into `folds` test segments that follow each other without a
    gap. The history before a test segment is parted into train and calibrate in the proportion of
    ``split.train_share`` to ``split.calibrate_share``, and calibrate again at ``split.stop_share``. Labels
    that reach over a border, and the embargo after it, are left out by `core.data.segments.assign_segments`.

    Parameters
    ----------
    times
        Bar opens of each series, datetime64 UTC, (T,) each.
    scheme
        ``expanding``: history starts with the first bar. ``rolling``: it always holds as many bars as the
        first fold's, the oldest dropping out.

    Returns
    -------
    list of SegmentBorders
        Oldest first; the last test segment is open at its end.

    Raises
    ------
    ConfigError
        If an argument is out of range, or the bars are too few to part.
    """
    if folds < 1 or not 0 < first_test_share < 1 or scheme not in SCHEMES:
        raise ConfigError(
            f"at least 1 fold, a first test share between 0 and 1, and a scheme out of {', '.join(SCHEMES)}",
            f"{folds}, {first_test_share} and {scheme!r}",
            "correct the arguments",
        )
    pooled = np.sort(np.concatenate(list(times)))
    tests = np.linspace(first_test_share, 1.0, folds + 1)
    train_part = split.train_share / (split.train_share + split.calibrate_share)
    starts = [0.0 if scheme == "expanding" else max(0.0, first - first_test_share) for first in tests[:-1]]
    borders: list[SegmentBorders] = []
    for start, first, last in zip(starts, tests[:-1], tests[1:], strict=True):
        borders.append(
            SegmentBorders(
                train_start=_instant(pooled, start) if start > 0 else None,
                train_end=_instant(pooled, start + train_part * (first - start)),
                calibrate_end=_instant(pooled, first),
                test_end=_instant(pooled, last) if last < 1 else None,
            )
        )
    if borders[0].train_end <= pd.Timestamp(pooled[0], tz="UTC") or borders[-1].calibrate_end >= pd.Timestamp(
        pooled[-1], tz="UTC"
    ):
        raise ConfigError(
            f"enough bars for {folds} folds", f"{len(pooled)}", "give more bars or ask for fewer folds"
        )
    return [part_calibrate(fold, pooled, split.stop_share) for fold in borders]


def _instant(pooled: np.ndarray, share: float) -> pd.Timestamp:
    if not len(pooled):
        raise ConfigError("bars to part into folds", "none", "ingest some first")
    place = min(round(share * len(pooled)), len(pooled) - 1)
    instant = pd.Timestamp(pooled[place], tz="UTC")
    assert isinstance(instant, pd.Timestamp)
    return instant
