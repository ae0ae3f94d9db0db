"""The head table's rows say what they sort by; the table of what attention agrees with has every view."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest

from app.attention.panels import COLUMNS, VIEWS, head_rows, heads_csv, routing_table
from app.components.head_table import table_data
from core.explain.attention import summarise_heads
from core.explain.evidence import routing
from core.prediction import AttentionWindow
from tests.app.words.test_predictions import evidence

T = 60
WINDOWS = (4, None)


def seen() -> AttentionWindow:
    """Layer 1: one bar back, and even over four; layer 2: thirty bars back, and even over all."""
    weights = np.zeros((2, 2, T, T), np.float32)
    for bar in range(T):
        weights[0, 0, bar, max(bar - 1, 0)] = 1
        weights[0, 1, bar, max(bar - 3, 0) : bar + 1] = 1 / min(4, bar + 1)
        weights[1, 0, bar, max(bar - 30, 0)] = 1
        weights[1, 1, bar, : bar + 1] = 1 / (bar + 1)
    ts = np.arange("2020-01-01", "2020-03-01", dtype="datetime64[D]")[:T].astype("datetime64[us]")
    return AttentionWindow("X", "1d", ts, weights, np.array([[1.0, 0.5], [2.0, 0.0]]), WINDOWS)


def rows(one: bool = True):
    window = seen()
    return head_rows(summarise_heads(window.weights, WINDOWS, [T - 1]), window, one=one)


def values(name: str) -> list:
    place = [column.name for column in COLUMNS].index(name)
    return [row.cells[place].value for row in rows()]


def test_there_is_a_row_for_every_head_with_a_cell_for_every_column() -> None:
    assert [(row.layer, row.head) for row in rows()] == [(1, 1), (1, 2), (2, 1), (2, 2)]
    assert all(len(row.cells) == len(COLUMNS) for row in rows())


def test_known_heads_are_named_by_how_far_and_how_evenly_they_look() -> None:
    assert values("kind") == ["global", "diffuse", "global", "diffuse"]
    assert values("looks back, bars") == pytest.approx([1, 1.5, 30, (T - 1) / 2])
    assert values("spread") == pytest.approx([0, 1, 0, 1])
    assert values("last 20") == pytest.approx([1, 1, 0, 20 / T])
    assert values("last 50") == pytest.approx([1, 1, 1, 50 / T])
    assert values("last 300") == pytest.approx([1, 1, 1, 1])
    assert values("peak age, bars")[::2] == [1, 30]
    assert values("trained recency") == [1.0, 0.5, 2.0, 0.0]


def test_an_average_over_bars_names_no_single_most_attended_bar() -> None:
    place = [column.name for column in COLUMNS].index("peak age, bars")
    assert {row.cells[place].text for row in rows(one=False)} == {""}


def test_filled_parts_are_the_shares_they_stand_behind() -> None:
    for row in rows():
        for cell in row.cells:
            if cell.share is not None:
                assert 0 <= cell.share <= 1
                assert cell.text == f"{100 * cell.share:.1f}%"


def test_the_download_holds_the_values_of_the_table() -> None:
    read = list(csv.DictReader(io.StringIO(heads_csv(rows()))))
    assert len(read) == 4
    assert [float(line["looks back, bars"]) for line in read] == pytest.approx(values("looks back, bars"))
    assert [line["kind"] for line in read] == values("kind")


def test_what_is_sent_is_plain() -> None:
    sent = table_data(COLUMNS, rows())
    assert [column["name"] for column in sent["columns"]] == [column.name for column in COLUMNS]
    assert sent["rows"][2]["cells"][2] == {"text": "global", "value": "global", "share": None}


def test_every_view_measured_has_a_name_a_person_would_use_and_a_row() -> None:
    assert set(VIEWS) == set(routing.VIEWS)
    table = routing_table(evidence(), "direction")
    assert list(table["bars ranked by"]) == [VIEWS[view] for view in routing.VIEWS]
    beyond = dict(zip(table["bars ranked by"], table["beyond age and unusualness [95%]"], strict=True))
    assert beyond[VIEWS["recency"]] == ""
    assert beyond[VIEWS["attention_mean"]] == ".12 [.07, .17]"
