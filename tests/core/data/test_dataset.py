"""Preparation as a whole: nothing from outside train is fitted on, live equals history, misuse is refused."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

from core.config import Config, parse_config
from core.data.dataset import prepare, prepare_frozen
from core.data.features.table import MISSING_SHARE, OPTIONAL, warm_up
from core.data.inputs import prepare_window
from core.data.segments import CALIBRATE, NO_SEGMENT, STOP, TEST, TRAIN, SegmentBorders
from core.errors import ConfigError, WindowError
from tests.core.data.synthetic_bars import make_bars

LENGTH = 120


def _config(**sections) -> Config:
    return parse_config({"data": {"timeframes": ["1d", "1w"]}, **sections})


def _bars() -> dict[tuple[str, str], pd.DataFrame]:
    daily = {
        ("AAA", "1d"): make_bars(1500, "AAA", seed=1),
        ("BBB", "1d"): make_bars(1400, "BBB", seed=2, start="2000-03-06"),
        ("CCC", "1d"): make_bars(1500, "CCC", seed=3).drop(index=range(700, 1200, 11)).reset_index(drop=True),
        ("AAA", "1w"): make_bars(300, "AAA", "1w", seed=4),
    }
    rng = np.random.default_rng(0)
    sentiment = rng.standard_normal(1500)
    sentiment[rng.random(1500) < 0.2] = np.nan
    daily["AAA", "1d"]["sentiment"] = sentiment
    return daily


def _prepare(*args, **kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return prepare(*args, **kwargs)


BARS = _bars()
CONFIG = _config()
DATA = _prepare(BARS, CONFIG)


def _series(data, key):
    return next(series for series in data.series if series.key == key)


def test_features_are_between_zero_and_a_hundred_without_unknowns():
    for series in DATA.series:
        assert series.features.dtype == np.float32
        assert series.features.shape == (len(series.ts), len(DATA.feature_names))
        assert np.isfinite(series.features).all()
        assert series.features.min() >= 0
        assert series.features.max() <= 100


def test_constant_columns_are_dropped_and_the_mask_stands_last():
    assert "time_of_day_sin" not in DATA.feature_names
    assert "sentiment" in DATA.feature_names
    assert DATA.feature_names[-1] == MISSING_SHARE
    with pytest.warns(UserWarning, match="time_of_day_sin"):
        prepare({("AAA", "1d"): BARS["AAA", "1d"]}, CONFIG)


def test_vocabularies_and_series_are_sorted():
    assert DATA.instruments == ["AAA", "BBB", "CCC"]
    assert DATA.timeframes == ["1d", "1w"]
    assert [series.key for series in DATA.series] == ["AAA|1d", "AAA|1w", "BBB|1d", "CCC|1d"]


def test_changing_bars_outside_train_changes_nothing_that_was_fitted_nor_earlier_rows():
    changed = {}
    for key, frame in BARS.items():
        frame = frame.copy()
        later = frame["ts"] >= DATA.borders.train_end
        shake = np.exp(0.3 * np.random.default_rng(1).standard_normal(int(later.sum())))
        for price in ("open", "high", "low", "close"):
            frame.loc[later, price] *= shake
        frame.loc[later, "volume"] *= 50
        changed[key] = frame
    data = _prepare(changed, CONFIG, DATA.borders)
    assert data.scaler.to_dict() == DATA.scaler.to_dict()
    assert data.thresholds == DATA.thresholds
    assert data.fingerprint != DATA.fingerprint
    for before, after in zip(DATA.series, data.series, strict=True):
        early = before.ts < DATA.borders.train_end.tz_convert(None).to_datetime64()
        assert before.features[early].tobytes() == after.features[early].tobytes()
        assert before.features[~early].tobytes() != after.features[~early].tobytes()
        for task in before.labels:
            in_train = before.segments[task] == 0
            np.testing.assert_array_equal(before.segments[task] == 0, after.segments[task] == 0)
            np.testing.assert_array_equal(before.labels[task][in_train], after.labels[task][in_train])


def test_trailing_borders_are_fitted_on_nothing_and_frozen_ones_on_rows_of_train_alone():
    assert set(DATA.audit) == {"scaler"}
    assert DATA.thresholds == {}
    frozen = _prepare(BARS, _config(labels={"reference": "frozen"}))
    assert set(frozen.audit) == {"scaler", "volatility thresholds", "regime thresholds"}
    for seen in frozen.audit.values():
        assert set(seen) == {series.key for series in frozen.series}
        for key, rows in seen.items():
            length = pd.Timedelta(days=7 if key.endswith("1w") else 1)
            assert rows["rows"] > 50
            assert pd.Timestamp(rows["last"]) + length <= frozen.borders.train_end
    rows = frozen.audit["volatility thresholds"]["AAA|1d"]["rows"]
    assert rows == frozen.thresholds["AAA|1d"].volatility_rows
    cuts = _series(frozen, "AAA|1d").borders.volatility_low
    assert set(cuts) == {frozen.thresholds["AAA|1d"].volatility_low}
    assert len(set(_series(DATA, "AAA|1d").borders.volatility_low[260:])) > 100


def test_every_segment_of_every_task_has_labels_and_segments_mark_only_labels():
    for task in ("direction", "volatility", "regime"):
        segments = np.concatenate([series.segments[task] for series in DATA.series])
        labels = np.concatenate([series.labels[task] for series in DATA.series])
        assert set(segments) == {NO_SEGMENT, TRAIN, STOP, CALIBRATE, TEST}
        assert (labels[segments >= 0] >= 0).all()


def test_no_label_of_a_segment_is_known_after_its_end():
    borders = DATA.borders
    ends = {TRAIN: borders.train_end, STOP: borders.stop_end, CALIBRATE: borders.calibrate_end}
    for series in DATA.series:
        length = np.timedelta64(7 if series.timeframe == "1w" else 1, "D")
        for task, segments in series.segments.items():
            for segment, end in ends.items():
                assert end is not None
                known = series.ts[series.label_end[task][segments == segment]] + length
                assert (known <= end.tz_convert(None).to_datetime64()).all()


def test_explicit_borders_bound_every_segment():
    stamps = pd.DatetimeIndex(BARS["AAA", "1d"]["ts"])
    borders = SegmentBorders(stamps[700], stamps[900], stamps[1100], stamps[200])
    series = _series(_prepare(BARS, CONFIG, borders), "AAA|1d")
    for segment, (first, last) in enumerate(((200, 700), (705, 900), (905, 1100))):
        rows = np.flatnonzero(series.segments["direction"] == segment)
        # Days of a week's end: a bar is known one calendar day after it opens.
        assert rows[0] == first
        assert last - 7 <= rows[-1] <= last - 6


@pytest.mark.parametrize("key", [("AAA", "1d"), ("CCC", "1d"), ("AAA", "1w")])
@pytest.mark.parametrize("end", [LENGTH, 290, 900, 1300])
def test_a_live_window_has_the_numbers_of_the_whole_history(key, end):
    config = _config(data={"max_missing_share": 0.9})
    bars = BARS[key].iloc[:end]
    end = len(bars)
    others = {
        name: frame for (name, timeframe), frame in BARS.items() if timeframe == key[1] and name != key[0]
    }
    features, ts = prepare_window(bars, others, DATA.feature_names, DATA.scaler, config, LENGTH)
    series = _series(DATA, "|".join(key))
    np.testing.assert_array_equal(ts, series.ts[end - LENGTH : end])
    np.testing.assert_allclose(features, series.features[end - LENGTH : end], atol=1e-5)


def test_a_live_window_does_not_depend_on_bars_further_back_than_the_warm_up_nor_on_later_ones():
    frame = BARS["AAA", "1d"]
    others = {"BBB": BARS["BBB", "1d"], "CCC": BARS["CCC", "1d"]}
    end, reach = 1490, LENGTH + warm_up(CONFIG.labels)
    known, _ = prepare_window(frame.iloc[:end], others, DATA.feature_names, DATA.scaler, CONFIG, LENGTH)
    recent = frame.iloc[end - reach : end].reset_index(drop=True)
    moment = recent["ts"].iloc[-1]
    cut = {name: bars[bars["ts"] <= moment].tail(reach) for name, bars in others.items()}
    features, _ = prepare_window(recent, cut, DATA.feature_names, DATA.scaler, CONFIG, LENGTH)
    np.testing.assert_allclose(features, known, atol=1e-5)


def test_frozen_preparation_repeats_what_was_prepared():
    prepared = _series(DATA, "AAA|1d")
    others = {"BBB": BARS["BBB", "1d"], "CCC": BARS["CCC", "1d"]}
    again = prepare_frozen(BARS["AAA", "1d"], others, DATA.scaler, None, DATA.borders, CONFIG)
    np.testing.assert_array_equal(again.features, prepared.features)
    np.testing.assert_array_equal(again.intensity, prepared.intensity)
    for field in ("labels", "label_end", "segments", "persistence"):
        for task, values in getattr(again, field).items():
            np.testing.assert_array_equal(values, getattr(prepared, field)[task])


def test_raw_prices_with_an_adjusted_close_are_adjusted_first():
    split = np.where(np.arange(1500) < 800, 0.25, 1.0)
    raw = BARS["BBB", "1d"].copy()
    split = split[: len(raw)]
    for price in ("open", "high", "low", "close"):
        raw[price] /= split
    raw["adj_close"] = raw["close"] * split
    data = _prepare({**BARS, ("BBB", "1d"): raw}, CONFIG)
    assert "adj_close" not in data.feature_names
    before, after = _series(DATA, "BBB|1d"), _series(data, "BBB|1d")
    np.testing.assert_allclose(after.features, before.features, atol=1e-3)
    np.testing.assert_allclose(after.close, before.close, rtol=1e-12)


def test_an_optional_feature_is_used_where_it_is_named_and_moves_no_other():
    assert not set(OPTIONAL) & set(DATA.feature_names)
    config = _config(data={"timeframes": ["1d", "1w"], "feature_columns": ["auto", *OPTIONAL]})
    data = _prepare(BARS, config)
    assert data.feature_names == (*DATA.feature_names[:-1], *OPTIONAL, MISSING_SHARE)
    shared = [data.feature_names.index(name) for name in DATA.feature_names[:-1]]
    for series, known in zip(data.series, DATA.series, strict=True):
        np.testing.assert_array_equal(series.features[:, shared], known.features[:, :-1])


def test_missing_values_are_carried_at_most_three_bars_and_marked():
    # One column of three kept: one unknown cell is a share of a third.
    config = _config(
        data={
            "timeframes": ["1d"],
            "feature_columns": ["return_1", "rsi_14", "score"],
            "max_missing_share": 0.3,
        }
    )
    score = np.random.default_rng(0).standard_normal(1500)
    bars = BARS["AAA", "1d"].drop(columns="sentiment").assign(score=score)
    whole = _series(_prepare({("AAA", "1d"): bars}, config), "AAA|1d")
    bars.loc[1000:1004, "score"] = np.nan
    data = _prepare({("AAA", "1d"): bars}, config, None)
    series = _series(data, "AAA|1d")
    column = data.feature_names.index("score")
    np.testing.assert_array_equal(series.features[1000:1003, column], series.features[999, column])
    median = (data.scaler.median - data.scaler.low) / (data.scaler.high - data.scaler.low) * 100
    np.testing.assert_allclose(series.features[1003:1005, column], median[column], rtol=1e-6)
    np.testing.assert_allclose(series.features[1000:1005, -1], 100 / 3, rtol=1e-6)
    assert series.usable[990:1003].all()
    assert not series.usable[1003:1005].any()
    assert whole.usable[1003]


def test_a_window_missing_too_much_is_refused_with_the_features_missing_most():
    bars = BARS["AAA", "1d"].iloc[:1200].copy()
    bars.loc[1100:1150, ["open", "high", "low", "close"]] = np.nan
    with pytest.raises(WindowError, match=r"at most 20% .* missing \(\d+%\), most in"):
        prepare_window(bars, None, DATA.feature_names, DATA.scaler, CONFIG, LENGTH)
    bars = BARS["AAA", "1d"].iloc[:1200].copy()
    bars.loc[1190:, ["open", "high", "low", "close"]] = np.nan
    with pytest.raises(WindowError, match="a last bar with at most 20%"):
        prepare_window(bars, None, DATA.feature_names, DATA.scaler, CONFIG, LENGTH)


def test_too_short_a_history_is_refused():
    with pytest.raises(WindowError, match=r"at least 120 bars .* got 119"):
        prepare_window(BARS["AAA", "1d"].iloc[:119], None, DATA.feature_names, DATA.scaler, CONFIG, LENGTH)


@pytest.mark.filterwarnings("ignore:dropped features")
@pytest.mark.parametrize(("reference", "said"), [("trailing", "history"), ("frozen", "training history")])
def test_a_new_instrument_with_too_few_bars_has_direction_labels_alone(reference, said):
    young = make_bars(100, "NEW", seed=8, start="2004-06-01")
    config = _config(labels={"reference": reference})
    with pytest.warns(UserWarning, match=rf"NEW\|1d: too little {said}"):
        data = prepare({**BARS, ("NEW", "1d"): young}, config, DATA.borders)
    series = _series(data, "NEW|1d")
    assert (series.labels["volatility"] == -1).all()
    assert (series.labels["direction"] >= 0).any()


def test_an_instrument_never_trained_on_has_labels_of_every_task_from_its_own_borders():
    new = make_bars(600, "NEW", seed=8)
    series = prepare_frozen(new, None, DATA.scaler, None, DATA.borders, CONFIG)
    for task in ("direction", "volatility", "regime"):
        assert (series.labels[task][300:580] >= 0).all()
        assert (series.persistence[task][300:] >= 0).all()


def test_a_label_column_is_a_task_and_never_a_feature():
    task = {"name": "mood", "classes": ["calm", "wild"], "label": "column:mood"}
    config = _config(tasks=[task])
    bars = {key: frame.copy() for key, frame in BARS.items()}
    wanted = np.random.default_rng(0).integers(0, 2, 1500)
    bars["AAA", "1d"]["mood"] = wanted.astype(float)
    data = _prepare(bars, config)
    assert "mood" not in data.feature_names
    np.testing.assert_array_equal(_series(data, "AAA|1d").labels["mood"], wanted)
    assert (_series(data, "BBB|1d").labels["mood"] == -1).all()
    with pytest.raises(ConfigError, match="column 'mood'"):
        prepare(BARS, config)


def test_the_fingerprint_is_of_the_content():
    again = _prepare({key: frame.copy() for key, frame in reversed(BARS.items())}, CONFIG)
    assert again.fingerprint == DATA.fingerprint
    changed = {key: frame.copy() for key, frame in BARS.items()}
    changed["BBB", "1d"].loc[1399, "close"] += 1e-9
    assert _prepare(changed, CONFIG).fingerprint != DATA.fingerprint


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"instruments": ["XYZ"]}, "bars of XYZ"),
        ({"instruments": ["AAA", "XYZ"]}, "none of XYZ"),
        ({"timeframes": ["1h"]}, "bars of all at 1h"),
        ({"feature_columns": ["rsi14"]}, "did you mean 'rsi_14'"),
        ({"feature_columns": ["auto", "rsi14"]}, "did you mean 'rsi_14'"),
        ({"as_is": ["sentimental"]}, "did you mean 'sentiment'"),
    ],
)
def test_what_is_not_there_is_refused(data, message):
    with pytest.raises(ConfigError, match=message):
        prepare(BARS, _config(data=data))


def test_labels_in_words_are_no_features_and_make_a_task():
    words = pd.Series(np.where(np.arange(1500) % 3, "calm", "wild"), dtype="str")
    bars = {key: frame.assign(mood=words.reindex(frame.index)) for key, frame in BARS.items()}
    task = {"name": "mood", "classes": ["calm", "wild"], "label": "column:mood"}
    data = _prepare(bars, _config(tasks=[task]))
    assert "mood" not in data.feature_names
    np.testing.assert_array_equal(_series(data, "AAA|1d").labels["mood"][:6], [1, 0, 0, 1, 0, 0])


def test_intensity_without_volatility_is_refused():
    task = {
        "name": "x",
        "classes": ["Bullish", "Bearish", "Sideways"],
        "label": "direction",
        "intensity": True,
    }
    with pytest.raises(ConfigError, match="intensity"):
        prepare(BARS, _config(tasks=[task]))
