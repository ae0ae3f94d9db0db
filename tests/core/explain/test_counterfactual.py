import copy

import numpy as np
import pandas as pd
import pytest
import torch

from core.config import Config, ModelConfig
from core.data.dataset import prepare_window
from core.data.features import MISSING_SHARE, feature_table
from core.data.scaling import FeatureScaler
from core.errors import BarsError, InputError
from core.explain.counterfactual import (
    BarEdit,
    CallLead,
    FeatureEdit,
    edit_bars,
    edit_features,
    edited_window,
    find_flip,
)
from core.explain.margin import evaluate

NAMES = ("a", "b", "c", "d")


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
    np.testing.assert_array_equal(edited_window(bars, [], None, scaler, config), plain)


def test_an_edited_bar_changes_its_own_indicators_and_later_ones_only(bars, scaled):
    scaler, config = scaled
    row = 660
    edit = BarEdit(bars["ts"].iloc[row], "close", float(bars["low"].iloc[row]))
    changed = edited_window(bars, [edit], None, scaler, config) != edited_window(
        bars, [], None, scaler, config
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


def test_the_smoothest_flip_of_a_linear_model_is_the_projection_on_its_border(linear_margin, linear):
    _, weights, _ = linear
    window = np.full(weights.shape, 50, dtype=np.float32)
    bias = 5.0 - float((weights * 50).sum())
    flip = find_flip(linear_margin(weights, bias), window, NAMES, NAMES, penalty="smooth")
    assert flip.size == pytest.approx(5 / np.linalg.norm(weights), rel=0.01)
    expected = -5 * weights / np.linalg.norm(weights) ** 2
    np.testing.assert_allclose(flip.window - window, expected, atol=0.02 * np.abs(expected).max() + 1e-4)
    assert flip.lead_before == pytest.approx(5, abs=1e-3)
    assert flip.lead_after < 0


def test_the_sparsest_flip_of_a_linear_model_moves_its_strongest_cell(linear_margin, linear):
    _, weights, _ = linear
    window = np.full(weights.shape, 50, dtype=np.float32)
    strongest = np.abs(weights).max()
    bias = 20 * strongest - float((weights * 50).sum())
    flip = find_flip(linear_margin(weights, bias), window, NAMES, NAMES)
    assert flip.size == pytest.approx(20, rel=0.01)
    bar, name, before, _ = flip.changes[0]
    assert abs(weights[bar, NAMES.index(name)]) == strongest
    assert before == 50
    assert len(flip.changes) == 1


def test_only_free_features_of_the_last_bars_change(margin, market_window):
    names = "abcde"
    margin = copy.deepcopy(margin)
    logits = margin.logits(torch.from_numpy(market_window)[None])[0]
    called = int(logits.argmax())
    close = logits.sort(descending=True).values
    with torch.no_grad():
        margin.model.heads["direction"].logits.bias[called] -= 0.9 * (close[0] - close[1])
    lead = CallLead(margin.for_class(margin.classes[called]))
    flip = find_flip(lead, market_window, names, ["b", "d"], last_bars=30)
    assert flip is not None
    changed = flip.window != market_window
    assert not changed[:, [0, 2, 4]].any()
    assert not changed[:10].any()
    assert 0 <= flip.window.min() <= flip.window.max() <= 100
    assert evaluate(lead, flip.window[None])[0] == flip.lead_after < 0


def test_a_call_no_allowed_change_can_flip_is_said_by_none(linear_margin, linear):
    _, weights, window = linear
    locked_in = linear_margin(weights, 1e4)
    assert find_flip(locked_in, window, NAMES, NAMES) is None
    assert find_flip(locked_in, window, NAMES, NAMES, penalty="smooth") is None
    blind = weights.copy()
    blind[:, 0] = 0
    assert find_flip(linear_margin(blind, 5 - float((blind * window).sum())), window, NAMES, ["a"]) is None


def test_a_search_without_a_start_or_a_free_feature_is_refused(linear_margin, linear):
    _, weights, window = linear
    with pytest.raises(InputError, match="free feature"):
        find_flip(linear_margin(weights, 1e4), window, NAMES, [])
    with pytest.raises(InputError, match="can be flipped"):
        find_flip(linear_margin(weights, -1e4), window, NAMES, NAMES)
