from dataclasses import replace
from typing import cast

import numpy as np
import pandas as pd
import pytest

from core.config import Config, ModelConfig
from core.data.features.table import MISSING_SHARE, feature_table
from core.data.ingest.bundled import load_bundled
from core.data.inputs import prepare_window
from core.data.scaling import FeatureScaler
from core.data.store import BarStore
from core.errors import BarsError, InputError
from core.explain.edits import (
    BarEdit,
    EditableBars,
    FeatureEdit,
    edit_bars,
    edit_features,
    edited_window,
    explain_edit,
)
from core.explain.explanation import Question
from core.explain.margin import evaluate
from core.explain.methods.settings import Settings
from core.explain.moment import Moment
from core.predictor import Predictor

NAMES = ("a", "b", "c", "d")
AFTER_SPLIT = cast(pd.Timestamp, pd.Timestamp("2005-03-31", tz="UTC"))
BEFORE_SPLIT = cast(pd.Timestamp, pd.Timestamp("2005-02-25", tz="UTC"))
"""AAPL split two for one on 2005-02-28."""


def editable(bars, config):
    return EditableBars.of(bars, None, config)


@pytest.fixture(scope="module")
def bars():
    rng = np.random.default_rng(0)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, 700)))
    open_ = np.concatenate([[100.0], close[:-1]])
    spread = np.abs(rng.normal(0, 0.004, (2, 700)))
    return pd.DataFrame(
        {
            "instrument": "AAPL",
            "timeframe": "1d",
            "ts": pd.bdate_range("2015-01-01", periods=700, tz="UTC").as_unit("us"),
            "open": open_,
            "high": np.maximum(open_, close) * (1 + spread[0]),
            "low": np.minimum(open_, close) * (1 - spread[1]),
            "close": close,
            "volume": rng.uniform(1e5, 2e5, 700),
        }
    )


@pytest.fixture(scope="module")
def scaled(bars):
    config = Config(model=ModelConfig(sequence_length=120))
    table = feature_table(bars)
    table = table.loc[:, table.notna().sum() > 300]
    columns = [*table.columns, MISSING_SHARE]
    values = np.column_stack([table.to_numpy(float), np.linspace(0, 0.2, len(table))])
    scaler = FeatureScaler.fit(columns, values, np.ones(len(bars), dtype=bool), config.data.scaler_quantiles)
    return scaler, config


def test_no_edit_gives_the_models_own_window(bars, scaled):
    scaler, config = scaled
    plain, _ = prepare_window(bars, None, scaler.columns, scaler, config, 120)
    np.testing.assert_array_equal(edited_window(editable(bars, config), [], scaler, config), plain)


def test_an_edited_bar_changes_its_own_indicators_and_later_ones_only(bars, scaled):
    scaler, config = scaled
    row = 660
    edit = BarEdit(bars["ts"].iloc[row], "close", float(bars["low"].iloc[row]))
    changed = edited_window(editable(bars, config), [edit], scaler, config) != edited_window(
        editable(bars, config), [], scaler, config
    )
    assert not changed[: row - 580].any()
    assert changed[row - 580].any()
    assert changed[row - 580 + 1 :].any()


def test_edits_leave_the_original_bars_alone(bars):
    ts = bars["ts"].iloc[5]
    edited = edit_bars(bars, [BarEdit(ts, "high", 500.0), BarEdit(ts, "close", 400.0)])
    assert edited.loc[5, ["high", "close"]].tolist() == [500.0, 400.0]
    assert bars.loc[5, "high"] < 200
    pd.testing.assert_frame_equal(edited.drop(index=5), bars.drop(index=5))


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("close", 1e6, "low <= open"),
        ("low", 1e6, "low <= open"),
        ("open", -1.0, "above 0"),
        ("close", np.nan, "finite"),
        ("volume", -1.0, "volume"),
        ("instrument", 1.0, "numeric column"),
        ("mood", 1.0, "numeric column"),
    ],
)
def test_impossible_bars_are_refused(bars, column, value, message):
    with pytest.raises(BarsError, match=message):
        edit_bars(bars, [BarEdit(bars["ts"].iloc[5], column, value)])


def test_a_bar_that_is_not_there_is_refused(bars):
    with pytest.raises(BarsError, match="a bar of this window"):
        edit_bars(bars, [BarEdit(pd.Timestamp("1999-01-01", tz="UTC"), "close", 1.0)])


def test_features_are_edited_within_the_scale_unless_locked(linear):
    _, _, window = linear
    edited = edit_features(window, NAMES, [FeatureEdit(-1, "b", 12.5)])
    assert edited[-1, 1] == 12.5
    assert (edited != window).sum() == 1
    for edit, message in [
        (FeatureEdit(-1, "a", 1.0), "not locked"),
        (FeatureEdit(-1, "z", 1.0), "a feature of this model"),
        (FeatureEdit(99, "b", 1.0), "a bar from 0"),
        (FeatureEdit(-1, "b", 101.0), "0 to 100"),
    ]:
        with pytest.raises(InputError, match=message):
            edit_features(window, NAMES, [edit], locked=("a",))


@pytest.fixture(scope="module")
def stocks():
    bars = load_bundled()
    return bars[bars["instrument"].isin(["AAPL", "IBM"]) & (bars["timeframe"] == "1d")]


@pytest.fixture
def apple(stocks, walk_bundle, tmp_path):
    store = BarStore(tmp_path / "stocks")
    store.upsert(stocks)
    return Predictor(walk_bundle, store)


def test_a_stock_with_splits_left_alone_gives_the_models_window_bit_for_bit(apple):
    bars = EditableBars.at(apple, "AAPL", "1d", AFTER_SPLIT)
    plain = apple.window("AAPL", "1d", AFTER_SPLIT)
    again = bars.edit([]).window(apple)
    np.testing.assert_array_equal(again.features, plain.features)
    np.testing.assert_array_equal(again.ts, plain.ts)
    assert (again.instrument, again.timeframe) == ("AAPL", "1d")


def test_prices_shown_are_those_traded_at_the_newest_bar_and_halved_before_the_split(apple, stocks):
    bars = EditableBars.at(apple, "AAPL", "1d", AFTER_SPLIT)
    traded = stocks[stocks["instrument"] == "AAPL"].set_index("ts")["close"]
    shown = bars.shown().set_index("ts")["close"]
    assert bars.scale > 1.5
    assert shown[AFTER_SPLIT] == pytest.approx(traded[AFTER_SPLIT], rel=1e-12)
    assert shown[BEFORE_SPLIT] == pytest.approx(traded[BEFORE_SPLIT] / 2, rel=1e-6)
    assert "adj_close" not in bars.columns


def test_an_edit_at_a_shown_price_is_the_bar_having_traded_at_the_price_of_its_day(apple, stocks):
    day = BEFORE_SPLIT
    bars = EditableBars.at(apple, "AAPL", "1d", AFTER_SPLIT)
    shown = bars.shown().set_index("ts").loc[day]
    edits = [BarEdit(day, "close", shown["close"] * 0.97), BarEdit(day, "low", shown["low"] * 0.96)]
    raw = stocks[(stocks["instrument"] == "AAPL") & (stocks["ts"] == day)].copy()
    raw["close"] *= 0.97
    raw["adj_close"] *= 0.97
    raw["low"] *= 0.96
    edited = bars.edit(edits).window(apple).features
    apple.store.upsert(raw)
    np.testing.assert_allclose(edited, apple.window("AAPL", "1d", AFTER_SPLIT).features, atol=1e-3)
    assert np.abs(edited - bars.window(apple).features).max() > 1


def test_setting_every_cell_to_what_is_shown_moves_the_input_by_rounding_alone(apple):
    bars = EditableBars.at(apple, "AAPL", "1d", AFTER_SPLIT)
    last = bars.shown(5)
    edits = [
        BarEdit(ts, column, float(value))
        for column in bars.columns
        for ts, value in zip(last["ts"], last[column], strict=True)
    ]
    np.testing.assert_allclose(
        bars.edit(edits).window(apple).features, bars.window(apple).features, atol=1e-3
    )


def test_a_close_typed_at_the_shown_high_is_no_contradiction(apple):
    bars = EditableBars.at(apple, "AAPL", "1d", AFTER_SPLIT)
    for row in range(1, 60):
        bar = bars.shown().iloc[-row]
        edited = bars.edit([BarEdit(bar["ts"], "close", float(bar["high"]))]).adjusted.iloc[-row]
        assert edited["low"] <= edited["open"] <= edited["high"]
        assert edited["close"] <= edited["high"]


def test_refusals_name_the_prices_on_the_screen(apple):
    bars = EditableBars.at(apple, "AAPL", "1d", AFTER_SPLIT)
    with pytest.raises(BarsError, match=r"low 900\.5"):
        bars.edit([BarEdit(AFTER_SPLIT, "low", 900.5)])


def test_edited_bars_change_the_edited_series_alone(apple):
    bars = EditableBars.at(apple, "AAPL", "1d", AFTER_SPLIT)
    other = bars.others.get("IBM")
    edited = bars.edit([BarEdit(AFTER_SPLIT, "volume", 1.0)])
    assert edited.others is bars.others
    assert other is None or other["volume"].min() > 1
    assert bars.adjusted["volume"].iloc[-1] > 1


def test_label_columns_are_no_bars_to_edit(stocks):
    config = Config.model_validate(
        {"tasks": [{"name": "mood", "classes": ["a", "b"], "label": "column:mood"}]}
    )
    frame = stocks[stocks["instrument"] == "IBM"].iloc[:50].assign(mood=1.0, spread=0.1)
    assert EditableBars.of(frame, None, config).columns == (
        "open",
        "high",
        "low",
        "close",
        "volume",
        "spread",
    )


SETTINGS = Settings(first_steps=8, max_steps=16)


@pytest.fixture
def original(walk_bundle, walk_store):
    return Moment.at(Predictor(walk_bundle, walk_store), "AAA", "1d")


def edited_moment(original, edits):
    features = edit_features(original.features, original.feature_names, edits)
    return replace(original, window=replace(original.window, features=features))


def test_what_the_edit_moved_adds_up_and_untouched_cells_moved_nothing(original):
    task = original.bundle.config.tasks[0].name
    name = original.feature_names[3]
    edited = edited_moment(original, [FeatureEdit(-bar, name, 90.0) for bar in range(1, 6)])
    found = explain_edit(original, edited, Question(task, original.target(task), settings=SETTINGS))
    margin = original.margin(task)
    moved = float(np.diff(evaluate(margin, np.stack([original.features, edited.features])))[0])
    assert found.moved == pytest.approx(moved, abs=1e-4)
    assert found.edit.values.sum() == pytest.approx(moved, abs=0.02 * abs(moved) + 1e-4)
    untouched = edited.features == original.features
    assert not found.edit.values[untouched].any()
    assert found.by_feature()[0][0] == name


def test_no_edit_explains_both_alike_and_moves_nothing(original):
    task = original.bundle.config.tasks[1].name
    found = explain_edit(
        original, edited_moment(original, []), Question(task, original.target(task), settings=SETTINGS)
    )
    np.testing.assert_array_equal(found.before.values, found.after.values)
    assert not found.edit.values.any()
    assert found.moved == 0
