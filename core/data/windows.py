"""Torch datasets of windows: many labels in one for training, the last bar's alone for scoring.

Shapes: L bars in a window (``model.sequence_length``), N features.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from core.config import Config
from core.data.dataset import LabelledSeries, PreparedData
from core.data.inputs import misses_too_much
from core.data.labels.measure import MISSING
from core.data.segments import TEST

Item = dict[str, Any]


class _WindowDataset(Dataset[Item]):
    """Windows by (series index, index of the last bar); items slice tensors prepared once."""

    def __init__(self, data: PreparedData, segment: int, config: Config) -> None:
        self.data = data
        self.segment = segment
        self.length = config.model.sequence_length
        self.tasks = [task.name for task in config.tasks]
        self._first_position = self.length - 1
        self._config = config
        volatility = [task.name for task in config.tasks if task.label == "volatility"]
        self._features, self._labels, self._intensity, self._context = [], [], [], []
        for series in data.series:
            labels = {task: _segment_labels(series, task, segment) for task in self.tasks}
            intensity = np.full(len(series.ts), np.nan, dtype=np.float32)
            if volatility:
                inside = labels[volatility[0]] != MISSING
                intensity[inside] = series.intensity[inside]
            self._features.append(torch.from_numpy(np.ascontiguousarray(series.features)))
            self._labels.append({task: torch.from_numpy(values) for task, values in labels.items()})
            self._intensity.append(torch.from_numpy(intensity))
            instrument = _embedding_index(data.instruments, series.instrument)
            timeframe = _embedding_index(data.timeframes, series.timeframe)
            self._context.append((torch.tensor(instrument), torch.tensor(timeframe)))
        self.rows = np.empty((0, 2), dtype=np.int64)

    def direct_columns(self, task: str) -> list[int]:
        """Indices of the features that a task's direct path reads."""
        wanted = next(one for one in self._config.tasks if one.name == task)
        return wanted.direct_columns(self.data.feature_names)

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Item]:
        return (self[index] for index in range(len(self)))

    def __getitem__(self, index: int) -> Item:
        which, last = (int(value) for value in self.rows[index])
        window = slice(last - self.length + 1, last + 1)
        intensity = self._intensity[which][window].clone()
        intensity[: self._first_position] = torch.nan
        labels = {}
        for task, values in self._labels[which].items():
            labels[task] = values[window].clone()
            labels[task][: self._first_position] = MISSING
        instrument, timeframe = self._context[which]
        return {
            "x": self._features[which][window],
            "instrument": instrument,
            "timeframe": timeframe,
            "labels": labels,
            "intensity": intensity,
        }

    def _labelled_bars(self, which: int) -> np.ndarray:
        labelled = [values.numpy() != MISSING for values in self._labels[which].values()]
        return np.flatnonzero(np.any(labelled, axis=0))

    def _whole_windows(self, which: int, last: np.ndarray) -> np.ndarray:
        """Of windows ending at `last`, those that are there in full and not missing too much."""
        missing = np.concatenate([[0.0], np.cumsum(self.data.series[which].missing, dtype=np.float64)])
        last = last[last >= self.length - 1]
        share = (missing[last + 1] - missing[last + 1 - self.length]) / self.length
        return last[~np.asarray(misses_too_much(share, self._config))]

    def _set_rows(self, last_by_series: list[np.ndarray]) -> None:
        pairs = [np.column_stack([np.full(len(last), i), last]) for i, last in enumerate(last_by_series)]
        self.rows = np.concatenate([self.rows, *pairs]).astype(np.int64)


class DenseWindows(_WindowDataset):
    """Windows whose labelled positions cover a segment.

    Parameters
    ----------
    segment
        One of `core.data.segments`.
    config
        ``training.window_stride`` bars lie between window starts; positions from
        ``training.first_position`` on carry labels (``training.dense`` false: the last alone). Bars before
        them are context and may belong to an earlier segment. A stride above ``sequence_length -
        first_position`` leaves labels out, one below shows them more than once.

    Notes
    -----
    An item is ``x`` (L, N) float32, ``instrument`` and ``timeframe`` () int64 (vocabulary index + 1),
    ``labels`` {task: (L,) int64}, -1 where there is none, the bar is of another segment or unusable, or
    the position too early, and ``intensity`` (L,) float32, NaN likewise. Series shorter than a window, and
    windows missing more than ``data.max_missing_share`` of their cells, give no item. `rows` (n, 2) holds
    the series index and the last bar's index of each item.
    """

    def __init__(self, data: PreparedData, segment: int, config: Config) -> None:
        super().__init__(data, segment, config)
        if config.training.dense:
            self._first_position = config.training.first_position
        stride = config.training.window_stride
        self._set_rows([self._ends(which, stride) for which in range(len(data.series))])

    def _ends(self, which: int, stride: int) -> np.ndarray:
        bars = self._labelled_bars(which)
        if len(bars) == 0:
            return bars
        start = max(int(bars[0]) - self._first_position, 0)
        final = min(max(int(bars[-1]), self.length - 1), len(self.data.series[which].ts) - 1)
        wanted = np.unique(np.append(np.arange(start + self.length - 1, final, stride), final))
        allowed = self._whole_windows(which, np.arange(self.length - 1, final + 1))
        if len(allowed) == 0:
            return allowed
        # Where a wanted window is refused, its nearest neighbours on both sides stand in for it.
        following = np.searchsorted(allowed, wanted)
        preceding = np.searchsorted(allowed, wanted, side="right") - 1
        places = np.concatenate([following[following < len(allowed)], preceding[preceding >= 0]])
        ends = allowed[np.unique(places)]
        # A window between two stretches of another segment has nothing to teach.
        first = np.searchsorted(bars, ends - self.length + 1 + self._first_position)
        return ends[first < np.searchsorted(bars, ends, side="right")]


class LastBarWindows(_WindowDataset):
    """One window per bar that has any label in the segment, only that last position labelled.

    Items are those of `DenseWindows` with ``series`` and ``bar`` (indices, int) added. Bars without a full
    window before them, unusable ones, and windows missing too much give none.

    Parameters
    ----------
    step
        Keep every step-th bar of each series.
    """

    def __init__(self, data: PreparedData, segment: int, config: Config, step: int = 1) -> None:
        super().__init__(data, segment, config)
        indices = range(len(data.series))
        self._set_rows([self._whole_windows(which, self._labelled_bars(which))[::step] for which in indices])

    def __getitem__(self, index: int) -> Item:
        which, bar = (int(value) for value in self.rows[index])
        return super().__getitem__(index) | {"series": which, "bar": bar}

    def last_labels(self, task: str) -> np.ndarray:
        """Label of every item's last bar, shape (n,) int64, -1 for none."""
        return self._gather([labels[task].numpy() for labels in self._labels])

    def last_persistence(self, task: str) -> np.ndarray:
        """Class of every item's last bar by the rule on earlier bars, shape (n,) int64, -1 for none."""
        return self._gather([series.persistence[task] for series in self.data.series])

    def _gather(self, by_series: list[np.ndarray]) -> np.ndarray:
        values = np.full(len(self.rows), MISSING, dtype=np.int64)
        for which, series in enumerate(by_series):
            mine = self.rows[:, 0] == which
            values[mine] = series[self.rows[mine, 1]]
        return values


class ChosenWindows(LastBarWindows):
    """One window per given bar, labelled or not; its labels are those of the test segment.

    Parameters
    ----------
    rows
        Series index and bar index of each window, (n, 2); each bar has a whole window before it.
    """

    def __init__(self, data: PreparedData, config: Config, rows: np.ndarray) -> None:
        super().__init__(data, TEST, config)
        self.rows = np.asarray(rows, dtype=np.int64).reshape(-1, 2)


def _embedding_index(vocabulary: list[str], name: str) -> int:
    return vocabulary.index(name) + 1 if name in vocabulary else 0


def _segment_labels(series: LabelledSeries, task: str, segment: int) -> np.ndarray:
    inside = (series.segments[task] == segment) & series.usable
    return np.where(inside, series.labels[task], MISSING)
