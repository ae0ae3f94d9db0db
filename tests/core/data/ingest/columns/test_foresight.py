from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from core.data.ingest.mapping import assign_columns, guess_mapping
from core.data.ingest.parse import parse_bars
from core.data.ingest.tables import read_table

BARS = 400
RANDOM = np.random.default_rng(8)
RETURNS = RANDOM.standard_t(4, BARS) * 0.01
CLOSE = 100 * np.exp(np.cumsum(RETURNS))
SERIES = pd.Series(CLOSE)


def table(**columns):
    opens = np.concatenate([[100.0], CLOSE[:-1]])
    frame = pd.DataFrame(
        {
            "Date": pd.bdate_range("2022-01-03", periods=BARS).strftime("%Y-%m-%d"),
            "Open": opens,
            "High": np.maximum(opens, CLOSE) * 1.001,
            "Low": np.minimum(opens, CLOSE) * 0.999,
            "Close": CLOSE,
        }
        | columns
    )
    return frame, read_table(frame.to_csv(index=False).encode(), "X.csv")


def ahead(bars: int) -> pd.Series:
    return SERIES.shift(-bars) / SERIES - 1


FORESEEING = {
    "the next return": ahead(1),
    "its sign": np.sign(ahead(1)),
    "its negative": -ahead(1),
    "its third": pd.qcut(ahead(1), 3, labels=False),
    "the return over five bars": ahead(5),
    "its direction": (ahead(5) > 0).astype(int),
    "the next close": SERIES.shift(-1),
    "a little noise on it": ahead(1) + RANDOM.normal(0, 0.003, BARS),
}
HONEST = {
    "this return": SERIES.pct_change(),
    "the last close": SERIES.shift(1),
    "a moving average": SERIES.rolling(20).mean(),
    "momentum": SERIES.pct_change(10),
    "a trend": pd.Series(np.arange(BARS, dtype=float)),
    "noise": pd.Series(RANDOM.normal(size=BARS)),
    "a constant": pd.Series(np.ones(BARS)),
    "mostly unknown": pd.Series(np.where(np.arange(BARS) % 50, np.nan, 1.0)),
    "a weak signal": ahead(1) + RANDOM.normal(0, 0.05, BARS),
}


@pytest.mark.parametrize("name", FORESEEING)
def test_a_column_that_foretells_is_left_out_and_named(name):
    frame, _ = table(f3=FORESEEING[name])
    frame = frame.iloc[::-1] if name == "its sign" else frame  # as many exports are, newest first
    mapping = guess_mapping(read_table(frame.to_csv(index=False).encode(), "X.csv"))
    assert "goes with the return of the next" in mapping.suspects["f3"]
    assert mapping.features() == {}
    assert any(note.startswith("Left out: f3, which goes") for note in mapping.notes)


@pytest.mark.parametrize("name", HONEST)
def test_what_is_known_at_the_time_is_a_feature(name):
    _, read = table(f3=HONEST[name])
    mapping = guess_mapping(read)
    assert mapping.suspects == {}
    assert mapping.features() == {"f3": "f3"}


def test_prices_that_only_rise_accuse_nothing():
    line = pd.DataFrame({"Date": pd.bdate_range("2022-01-03", periods=99), "Rate": np.arange(99) * 2.0})
    line = line.assign(Open=1000 + line["Rate"], High=1010 + line["Rate"], Low=990 + line["Rate"])
    read = read_table(line.assign(Close=line["Open"] + 1).to_csv(index=False).encode(), "X.csv")
    assert guess_mapping(read).suspects == {}


@pytest.mark.parametrize(
    "name",
    ["Target", "label", "y", "future_return", "next_close", "fwd_ret_5", "Return(t+1)", "close_shift_-1"],
)
def test_names_of_labels_and_of_the_future_are_left_out_until_asked_for(name):
    frame, read = table(**{name: RANDOM.integers(0, 2, BARS)})
    mapping = guess_mapping(read)
    assert "whose name is that of a label or of the future" in mapping.suspects[name]
    assert parse_bars(read, mapping).columns[8:].empty
    kept = assign_columns(mapping, read, [f"label={name}"])
    (stored,) = kept.labels().values()
    assert parse_bars(read, kept)[stored].tolist() == frame[name].astype("str").tolist()
    assert not any("Left out" in note for note in kept.notes)
    (column,) = assign_columns(mapping, read, [f"feature={name}"]).features()
    assert column == name


@pytest.mark.parametrize(
    "name", ["forward_pe", "signal", "lead_time", "y_axis", "futures_basis", "labour_cost"]
)
def test_names_that_only_sound_so_are_features(name):
    _, read = table(**{name: RANDOM.normal(size=BARS)})
    assert list(guess_mapping(read).features()) == [name]
