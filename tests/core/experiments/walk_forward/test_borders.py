from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from purgedcv import WalkForwardSplit

from core.config import SplitConfig
from core.data.segments import CALIBRATE, NO_SEGMENT, STOP, TEST, TRAIN, assign_segments
from core.errors import ConfigError
from core.experiments.walk_forward.borders import SCHEMES, choose_folds

SPLIT = SplitConfig(embargo_bars=0)
WHOLE = SplitConfig(embargo_bars=0, stop_share=0)


def _daily(bars: int, start: str = "2000-01-01") -> np.ndarray:
    return pd.date_range(start, periods=bars, freq="D").to_numpy().astype("datetime64[us]")


def _naive(instant: pd.Timestamp) -> np.datetime64:
    return instant.tz_convert(None).to_datetime64()


@pytest.mark.parametrize("scheme", SCHEMES)
def test_test_segments_follow_each_other_and_hold_equal_shares_of_all_bars(scheme):
    times = [_daily(900), _daily(400, "2001-03-01")]
    folds = choose_folds(times, SPLIT, 5, scheme)
    pooled = np.concatenate(times)
    assert folds[-1].test_end is None
    for before, after in pairwise(folds):
        assert before.test_end == after.calibrate_end
        share = ((pooled >= _naive(before.calibrate_end)) & (pooled < _naive(before.test_end))).mean()
        assert share == pytest.approx(0.1, abs=2 / len(pooled))
    assert (pooled < _naive(folds[0].calibrate_end)).mean() == pytest.approx(0.5, abs=2 / len(pooled))


def test_expanding_history_starts_with_the_first_bar_and_rolling_keeps_its_length():
    times = [_daily(1000)]
    for fold in choose_folds(times, SPLIT, 5, "expanding"):
        assert fold.train_start is None
    lengths = []
    for fold in choose_folds(times, SPLIT, 5, "rolling"):
        start = times[0][0] if fold.train_start is None else _naive(fold.train_start)
        lengths.append(((times[0] >= start) & (times[0] < _naive(fold.calibrate_end))).sum())
    np.testing.assert_allclose(lengths, 500, atol=2)


def test_history_is_parted_in_the_configured_proportion():
    split = SplitConfig(train_share=0.6, calibrate_share=0.2)
    times = _daily(1000)
    for fold in choose_folds([times], split, 3):
        history = (times < _naive(fold.calibrate_end)).sum()
        assert (times < _naive(fold.train_end)).sum() / history == pytest.approx(0.75, abs=2 / history)


@pytest.mark.parametrize("reach", [1, 5, 20])
def test_purging_leaves_the_rows_that_purgedcv_leaves(reach):
    bars, count = 1000, 5
    times = _daily(bars)
    end = np.arange(bars) + reach
    end[end >= bars] = -1
    labelled = np.flatnonzero(end >= 0)
    known = pd.Series(times[labelled] + np.timedelta64(reach + 1, "D"))
    oracle = WalkForwardSplit(
        n_splits=count,
        test_size=100,
        prediction_times=pd.Series(times[labelled]),
        evaluation_times=known,
    )
    folds = choose_folds([times[labelled]], WHOLE, count, first_test_share=1 - count * 100 / len(labelled))
    for fold, (history, test) in zip(folds, oracle.split(np.zeros((len(labelled), 1))), strict=True):
        assert times[labelled[test[0]]] == _naive(fold.calibrate_end)
        segments = assign_segments(times, "1d", end, fold, 0)
        after_train = history[times[labelled[history]] >= _naive(fold.train_end)]
        assert np.array_equal(np.flatnonzero(segments == CALIBRATE), labelled[after_train])
        # The same rule at train's end, where purgedcv knows no border.
        last = np.flatnonzero(segments == TRAIN)[-1]
        assert last + reach + 1 == np.searchsorted(times, _naive(fold.train_end))


@pytest.mark.parametrize("scheme", SCHEMES)
def test_no_label_of_one_segment_is_known_after_the_next_begins_and_the_embargo_is_kept(scheme):
    times = _daily(800)
    end = np.minimum(np.arange(800) + 5, 799)
    for fold in choose_folds([times], SPLIT, 4, scheme):
        segments = assign_segments(times, "1d", end, fold, 7)
        assert fold.stop_end is not None
        assert set(segments) == {NO_SEGMENT, TRAIN, STOP, CALIBRATE, TEST}
        stops = ((TRAIN, fold.train_end), (STOP, fold.stop_end), (CALIBRATE, fold.calibrate_end))
        for segment, stop in stops:
            assert times[end[segments == segment]].max() + np.timedelta64(1, "D") <= _naive(stop)
        starts = ((STOP, fold.train_end), (CALIBRATE, fold.stop_end), (TEST, fold.calibrate_end))
        for segment, start in starts:
            first = np.flatnonzero(segments == segment)[0]
            assert first == np.searchsorted(times, _naive(start)) + 7


@pytest.mark.parametrize(
    "arguments", [{"folds": 0}, {"scheme": "sideways"}, {"first_test_share": 1.0}, {"folds": 5000}]
)
def test_impossible_folds_are_refused_in_a_sentence(arguments):
    with pytest.raises(ConfigError, match="Expected"):
        choose_folds([_daily(100)], SPLIT, **arguments)
    with pytest.raises(ConfigError, match="bars"):
        choose_folds([_daily(0)], SPLIT)
