"""The book of predictions: computed once, bounded, and dropped with the data."""

from __future__ import annotations

from dataclasses import dataclass, field

import pandas as pd
import pytest

from app.shell import cached
from app.shell.cached import ModelKey, SeriesKey

MODEL = ModelKey("folder", "1")
KEY = SeriesKey("AAA", "1d", "2020-01-31", 31)
DAYS = [f"2020-01-{day:02d}" for day in range(1, 11)]


@dataclass(frozen=True)
class Said:
    """A prediction as far as the book looks into it."""

    ts: pd.Timestamp


@dataclass
class Counter:
    """Predicts every day and remembers which it was asked for."""

    asked: list[str] = field(default_factory=list)

    def predict(self, instrument: str, timeframe: str, ts: pd.Timestamp) -> Said:
        self.asked.append(f"{ts:%Y-%m-%d}")
        return Said(ts)

    def predict_range(self, instrument: str, timeframe: str, first, last) -> list[Said]:
        return [self.predict(instrument, timeframe, ts) for ts in pd.date_range(first, last)]


@pytest.fixture
def counter(monkeypatch):
    """The predictor of every model."""
    found = Counter()
    monkeypatch.setattr(cached, "predictor", lambda model: found)
    monkeypatch.setattr(cached, "KEPT_PREDICTIONS", 3)
    cached._book.clear()
    yield found
    cached._book.clear()


def test_a_bar_is_predicted_once_alone_or_among_others(counter):
    first = cached.predict(MODEL, KEY, DAYS[0])
    assert cached.predict(MODEL, KEY, DAYS[0]) is first
    assert [said.ts.day for said in cached.predict_many(MODEL, KEY, DAYS[:3])] == [1, 2, 3]
    assert cached.predict_many(MODEL, KEY, DAYS[:3])[0] is first
    assert cached.predict(MODEL, KEY, DAYS[2]).ts.day == 3
    assert counter.asked == DAYS[:3]


def test_models_and_series_are_kept_apart(counter):
    cached.predict(MODEL, KEY, DAYS[0])
    cached.predict(ModelKey("folder", "2"), KEY, DAYS[0])
    cached.predict(MODEL, SeriesKey("BBB", "1d", KEY.last, KEY.bars), DAYS[0])
    assert counter.asked == DAYS[:1] * 3


def test_the_least_recently_used_is_forgotten_first(counter):
    for day in (DAYS[0], DAYS[1], DAYS[2], DAYS[0], DAYS[3]):
        cached.predict(MODEL, KEY, day)
    counter.asked.clear()
    for day in (DAYS[0], DAYS[2], DAYS[3], DAYS[1]):
        cached.predict(MODEL, KEY, day)
    assert counter.asked == [DAYS[1]]


def test_more_bars_than_are_kept_are_all_answered(counter):
    assert [said.ts.day for said in cached.predict_many(MODEL, KEY, DAYS)] == list(range(1, 11))


def test_predictions_go_with_the_data_they_came_from(counter):
    cached.predict(MODEL, KEY, DAYS[0])
    cached.forget_data()
    cached.predict(MODEL, KEY, DAYS[0])
    assert counter.asked == DAYS[:1] * 2
