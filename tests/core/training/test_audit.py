from __future__ import annotations

import numpy as np
import pandas as pd

from core.data.dataset import prepare
from core.data.segments import CALIBRATE, STOP, TRAIN
from core.data.windows import LastBarWindows
from core.timeframe import known_at
from core.training.audit import REFERENCE_ROWS, audit_model, spread_windows
from tests.conftest import small_config


def test_early_stopping_and_what_is_calibrated_see_bars_of_their_own(walk_data):
    config = small_config()
    windows = LastBarWindows(walk_data, CALIBRATE, config)
    audit = audit_model(walk_data, config, ["direction", "volatility"], windows, windows)
    borders = walk_data.borders
    assert borders.stop_end is not None
    periods = {
        "train": (pd.Timestamp("1900-01-01", tz="UTC"), borders.train_end),
        "stop": (borders.train_end, borders.stop_end),
        "calibrate": (borders.stop_end, borders.calibrate_end),
    }
    seen_by = {"early stopping": "stop"} | dict.fromkeys(
        ("calibrators", "conformal sets", "source ranks", "out-of-distribution limit"), "calibrate"
    )
    for name, spans in audit.items():
        found = [segment for part, segment in seen_by.items() if part in name]
        start, stop = periods[found[0] if found else "train"]
        for span in spans.values():
            assert span["rows"] > 0, name
            assert start <= pd.Timestamp(span["first"]), name
            assert known_at(pd.Timestamp(span.get("label_end", span["last"])), "1d") <= stop, name
    assert not any(name.startswith("calibrators regime") for name in audit)


def test_where_calibrate_serves_for_both_the_audit_says_so(walks):
    config = small_config(split={"stop_share": 0.0})
    data = prepare(walks, config)
    windows = LastBarWindows(data, CALIBRATE, config)
    audit = audit_model(data, config, ["regime"], windows, windows)
    for series, span in audit["model early stopping regime"].items():
        assert span["label_end"] == audit["calibrators regime"][series]["label_end"]
    assert not len(LastBarWindows(data, STOP, config))


def test_windows_are_spread_over_a_whole_segment(walk_data, monkeypatch):
    config = small_config()
    whole = LastBarWindows(walk_data, TRAIN, config)
    np.testing.assert_array_equal(spread_windows(walk_data, TRAIN, config).rows, whole.rows)
    assert len(whole) < REFERENCE_ROWS
    monkeypatch.setattr("core.training.audit.REFERENCE_ROWS", 50)
    spread = spread_windows(walk_data, TRAIN, config)
    assert 40 <= len(spread) <= 52
    for which in (0, 1):
        bars, every = (part.rows[part.rows[:, 0] == which, 1] for part in (spread, whole))
        assert bars[0] == every[0]
        assert every[-1] - bars[-1] < len(whole) / 40
