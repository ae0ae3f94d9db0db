"""Every edited cell is marked with what it was and what it is, in signs and words."""

from __future__ import annotations

from html.parser import HTMLParser

import numpy as np
import pandas as pd

from app.what_if.marks import Mark, draw_marks, mark_cells, mark_changes
from core.data.scaling import FeatureScaler

BARS = pd.DataFrame(
    {
        "ts": pd.date_range("2013-02-28", periods=2, tz="UTC"),
        "open": [50.0, 51.0],
        "high": [52.0, 52.5],
        "low": [49.0, 50.25],
        "close": [51.0, 52.0],
        "volume": [1000.0, np.nan],
    }
)


class Cells(HTMLParser):
    """Text of every cell, row by row."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_data(self, data: str) -> None:
        if self.rows and self.rows[-1]:
            self.rows[-1][-1] += data


def test_cells_say_was_and_is_newest_bar_first() -> None:
    cells = (("2013-02-28", "volume", 500.0), ("2013-03-01", "close", 53.0), ("2013-03-01", "volume", 7.0))
    assert mark_cells(BARS, cells) == [
        Mark("2013-03-01", "close", "52.00", "53.00", "▲"),
        Mark("2013-03-01", "volume", "empty", "7", "✎"),
        Mark("2013-02-28", "volume", "1,000", "500", "▼"),
    ]


def test_a_bar_that_is_not_there_has_no_mark() -> None:
    assert mark_cells(BARS, (("1999-01-01", "close", 1.0),)) == []


def test_a_changed_feature_says_the_span_it_had_over_its_bars() -> None:
    scaler = FeatureScaler(("rsi_14",), np.zeros(1), np.full(1, 100.0), np.full(1, 50.0))
    features = np.array([[90.0], [30.0], [40.0]])
    one, two = mark_changes(features, ["rsi_14"], (("rsi_14", 2, 71.0), ("rsi_14", 1, 10.0)), scaler)
    assert (one.where, one.what, one.way) == ("last 2 bars", "RSI, 14 bars", "▲")
    assert one.was == "30 of 100 to 40 of 100"
    assert one.now == "71 of 100"
    assert (two.where, two.was, two.way) == ("last bar", "40 of 100", "▼")


def test_the_table_reads_row_by_row_and_holds_text_alone() -> None:
    html = draw_marks([Mark("2013-03-01", "<b>", "1", "2", "▲")])
    assert Cells(html).rows == [["where", "what", "was", "is"], ["2013-03-01", "<b>", "1", "▲ 2"]]
    assert "<caption>What is edited</caption>" in html
    assert draw_marks([]) == ""
