"""Windows: which labels they carry, that they cover a segment, that nothing of another segment shows."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from core.config import parse_config
from core.data.dataset import prepare
from core.data.windows import DenseWindows, LastBarWindows
from tests.core.data.synthetic_bars import make_bars

LENGTH, FIRST, STRIDE = 60, 20, 15


def _config(**training):
    return parse_config(
        {
            "labels": {"reference_bars": 60, "reference_minimum": 20},
            "model": {"sequence_length": LENGTH},
            "training": {"first_position": FIRST, "window_stride": STRIDE} | training,
        }
    )


CONFIG = _config()


def _prepare():
    bars = {
        ("AAA", "1d"): make_bars(900, "AAA", seed=1),
        ("BBB", "1d"): make_bars(700, "BBB", seed=2, start="2000-10-02"),
        ("AAA", "1w"): make_bars(170, "AAA", "1w", seed=3),
        # Shorter than a window.
        ("CCC", "1w"): make_bars(50, "CCC", "1w", seed=4),
    }
    bars["BBB", "1d"].loc[300:340, ["open", "high", "low", "close"]] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return prepare(bars, CONFIG)


DATA = _prepare()


def _expected(which: int, task: str, segment: int) -> np.ndarray:
    series = DATA.series[which]
    return np.where((series.segments[task] == segment) & series.usable, series.labels[task], -1)


@pytest.mark.parametrize("segment", [0, 1, 2])
def test_dense_windows_carry_exactly_the_segments_labels_from_the_first_position_on(segment):
    windows = DenseWindows(DATA, segment, CONFIG)
    assert len(windows) > 3
    for (which, last), item in zip(windows.rows, windows, strict=True):
        start = last - LENGTH + 1
        np.testing.assert_array_equal(item["x"], DATA.series[which].features[start : last + 1])
        for task, labels in item["labels"].items():
            expected = _expected(which, task, segment)[start : last + 1]
            assert (labels[:FIRST] == -1).all()
            np.testing.assert_array_equal(labels[FIRST:], expected[FIRST:])
        volatile = item["labels"]["volatility"] >= 0
        assert torch.isfinite(item["intensity"][volatile]).all()
        assert torch.isnan(item["intensity"][~volatile]).all()
        assert any((labels >= 0).any() for labels in item["labels"].values())


@pytest.mark.parametrize("segment", [0, 1, 2])
def test_dense_windows_cover_every_label_they_can_reach(segment):
    windows = DenseWindows(DATA, segment, CONFIG)
    for which, series in enumerate(DATA.series):
        lasts = windows.rows[windows.rows[:, 0] == which, 1]
        covered = np.zeros(len(series.ts), dtype=bool)
        for last in lasts:
            covered[last - LENGTH + 1 + FIRST : last + 1] = True
        missing = np.convolve(series.missing, np.ones(LENGTH), "valid") / LENGTH
        for task in series.labels:
            bars = np.flatnonzero(_expected(which, task, segment) >= 0)
            # Reachable: some whole window of few missing cells holds the bar at a labelled position.
            reachable = [
                bar
                for bar in bars
                if (missing[max(bar - LENGTH + 1, 0) : max(bar - FIRST + 1, 0)] <= 0.2).any()
            ]
            assert len(reachable) > 0 or series.timeframe == "1w"
            assert covered[reachable].all()


def test_with_a_first_position_of_the_last_dense_windows_are_last_bar_windows():
    sparse = DenseWindows(DATA, 1, _config(dense=False, window_stride=1))
    single = LastBarWindows(DATA, 1, CONFIG)
    labelled = [i for i, item in enumerate(sparse) if any(v[-1] >= 0 for v in item["labels"].values())]
    np.testing.assert_array_equal(sparse.rows[labelled], single.rows)
    for item in sparse:
        assert all((labels[:-1] == -1).all() for labels in item["labels"].values())


@pytest.mark.parametrize("segment", [0, 1, 2])
def test_last_bar_windows_hold_every_labelled_bar_with_a_whole_window_once(segment):
    windows = LastBarWindows(DATA, segment, CONFIG)
    for which, series in enumerate(DATA.series):
        labelled = np.any([_expected(which, task, segment) >= 0 for task in series.labels], axis=0)
        share = [series.missing[max(t - LENGTH + 1, 0) : t + 1].mean() for t in range(len(series.ts))]
        whole = (np.arange(len(series.ts)) >= LENGTH - 1) & (np.array(share) <= 0.2 + 1e-6)
        bars = windows.rows[windows.rows[:, 0] == which, 1]
        np.testing.assert_array_equal(bars, np.flatnonzero(labelled & whole))


def test_last_bar_items_label_only_the_last_position_and_say_which_bar_it_is():
    windows = LastBarWindows(DATA, 2, CONFIG, step=3)
    for task in ("direction", "regime"):
        labels, persistence = windows.last_labels(task), windows.last_persistence(task)
        for index in (0, 5, len(windows) - 1):
            item = windows[index]
            which, bar = item["series"], item["bar"]
            assert (item["labels"][task][:-1] == -1).all()
            assert labels[index] == item["labels"][task][-1] == _expected(which, task, 2)[bar]
            assert persistence[index] == DATA.series[which].persistence[task][bar]
            np.testing.assert_array_equal(item["x"][-1], DATA.series[which].features[bar])


def test_a_step_keeps_every_nth_bar_of_each_series():
    every = LastBarWindows(DATA, 0, CONFIG).rows
    third = LastBarWindows(DATA, 0, CONFIG, step=3).rows
    for which in range(len(DATA.series)):
        np.testing.assert_array_equal(third[third[:, 0] == which], every[every[:, 0] == which][::3])


def test_series_shorter_than_a_window_give_none():
    short = [series.key for series in DATA.series].index("CCC|1w")
    for segment in range(3):
        assert short not in DenseWindows(DATA, segment, CONFIG).rows[:, 0]
        assert short not in LastBarWindows(DATA, segment, CONFIG).rows[:, 0]


def test_context_is_the_vocabulary_index_plus_one():
    windows = DenseWindows(DATA, 0, CONFIG)
    for (which, _), item in zip(windows.rows, windows, strict=True):
        series = DATA.series[which]
        assert DATA.instruments[item["instrument"] - 1] == series.instrument
        assert DATA.timeframes[item["timeframe"] - 1] == series.timeframe


def test_items_stack_into_batches_and_changing_one_leaves_the_next_as_it_was():
    windows = DenseWindows(DATA, 0, CONFIG)
    batch = next(iter(DataLoader(windows, batch_size=4)))
    assert batch["x"].shape == (4, LENGTH, len(DATA.feature_names))
    assert batch["x"].dtype == torch.float32
    assert batch["labels"]["regime"].shape == (4, LENGTH)
    assert batch["labels"]["regime"].dtype == batch["instrument"].dtype == torch.int64
    assert batch["intensity"].dtype == torch.float32
    before = windows[1]["labels"]["direction"].clone()
    windows[1]["labels"]["direction"].fill_(7)
    np.testing.assert_array_equal(windows[1]["labels"]["direction"], before)
