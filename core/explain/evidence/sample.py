"""Windows drawn from a segment of the stored history, for what is measured over many of them.

Shapes: n windows in time order, T bars, N features.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from core.bundle import Bundle
from core.data.dataset import LabelledSeries
from core.data.segments import TEST
from core.errors import InputError
from core.predictor import Predictor, whole_windows


@dataclass(frozen=True)
class WindowSample:
    """Windows of several series, oldest last bar first.

    Attributes
    ----------
    windows
        Shape (n, T, N) float32, the model's own input.
    instrument, timeframe
        Names, n each.
    first, ts
        Opens of the first and the last bars, (n,) datetime64[us].
    labels
        By task: class that came true, (n,) int64, -1 where there is none.
    """

    windows: np.ndarray
    instrument: tuple[str, ...]
    timeframe: tuple[str, ...]
    first: np.ndarray
    ts: np.ndarray
    labels: dict[str, np.ndarray]

    def __len__(self) -> int:
        return len(self.windows)

    def inputs(self, bundle: Bundle, rows: slice | np.ndarray = slice(None)) -> tuple[Tensor, Tensor, Tensor]:
        """Windows and vocabulary indices of some rows, as the model takes them."""
        chosen = np.arange(len(self))[rows]
        return (
            torch.from_numpy(self.windows[chosen]),
            torch.tensor([bundle.instrument_index(self.instrument[i]) for i in chosen]),
            torch.tensor([bundle.timeframe_index(self.timeframe[i]) for i in chosen]),
        )


def draw_sample(predictor: Predictor, count: int, segment: int = TEST) -> WindowSample:
    """About `count` windows of a segment, evenly spread over the bars of every stored series the model knows.

    Evenly spread rather than drawn at random, so that the same store gives the same sample.

    Raises
    ------
    InputError
        If no stored series has a whole window in that segment, or `count` is below 1.
    """
    if count < 1:
        raise InputError("a sample of at least one window", str(count), "ask for more")
    candidates = [
        (series, bars) for series in known_series(predictor) if len(bars := _ends(predictor, series, segment))
    ]
    total = sum(len(bars) for _, bars in candidates)
    if not total:
        raise InputError(
            "stored bars in that segment of a series the model was trained on",
            "none",
            "ingest the bars the model was trained on",
        )
    rows = []
    chosen = np.linspace(0, total - 1, min(count, total)).round().astype(int)
    start = 0
    for series, bars in candidates:
        mine = chosen[(chosen >= start) & (chosen < start + len(bars))] - start
        rows += [(series.ts[bar], series, int(bar)) for bar in bars[mine]]
        start += len(bars)
    rows.sort(key=lambda row: (row[0], row[1].key))
    length = predictor.length
    return WindowSample(
        windows=np.stack([series.features[bar + 1 - length : bar + 1] for _, series, bar in rows]),
        instrument=tuple(series.instrument for _, series, _ in rows),
        timeframe=tuple(series.timeframe for _, series, _ in rows),
        first=np.array([series.ts[bar + 1 - length] for _, series, bar in rows], "datetime64[us]"),
        ts=np.array([ts for ts, _, _ in rows], "datetime64[us]"),
        labels={
            task.name: np.array([series.labels[task.name][bar] for _, series, bar in rows])
            for task in predictor.bundle.config.tasks
        },
    )


def known_series(predictor: Predictor) -> list[LabelledSeries]:
    """Every stored series of the model's instruments and timeframes that is as long as a window."""
    bundle = predictor.bundle
    return [
        predictor.label_range(entry.instrument, entry.timeframe)
        for entry in predictor.store.series()
        if entry.instrument in bundle.instruments
        and entry.timeframe in bundle.timeframes
        and entry.bars >= predictor.length
    ]


def _ends(predictor: Predictor, series: LabelledSeries, segment: int) -> np.ndarray:
    """Last bars of whole windows whose every task's label lies in `segment`."""
    ends = whole_windows(series.missing, predictor.length, predictor.bundle.config.data.max_missing_share)
    inside = np.all([series.segments[task] == segment for task in series.segments], axis=0)
    return ends[inside[ends]]
