from typing import Any

import numpy as np
import pandas as pd
import pytest

from app.what_if.drafts import fill_table, move_close, multiply_volume, read_cells, read_value, widen

COLUMNS = ("open", "high", "low", "close", "volume")


@pytest.fixture
def shown() -> pd.DataFrame:
    """Two bars at prices with more decimals than a screen shows."""
    return pd.DataFrame(
        {
            "instrument": "AAA",
            "timeframe": "1d",
            "ts": pd.to_datetime(["2013-02-28", "2013-03-01"], utc=True),
            "open": [430.12341, 431.0],
            "high": [434.56789, 435.5],
            "low": [429.98765, 428.25],
            "close": [430.47123, 430.47],
            "volume": [1000.0, np.nan],
        }
    )


def table_of(shown: pd.DataFrame, **cells: float) -> pd.DataFrame:
    table = fill_table(shown, COLUMNS, ())
    for name, value in cells.items():
        table.loc[0, name] = value
    return table


def test_a_table_nobody_touched_holds_no_edit(shown):
    assert read_cells(shown, COLUMNS, table_of(shown)) == ()


def test_what_was_typed_is_read_back_cell_by_cell(shown):
    assert read_cells(shown, COLUMNS, table_of(shown, close=432.0, volume=5.0)) == (
        ("2013-02-28", "close", 432.0),
        ("2013-02-28", "volume", 5.0),
    )


def test_a_table_restarted_with_edits_gives_the_same_edits(shown):
    cells = (("2013-02-28", "close", 432.0), ("2013-03-01", "volume", 7.0))
    assert read_cells(shown, COLUMNS, fill_table(shown, COLUMNS, cells)) == cells


def test_a_price_typed_as_another_shows_is_that_price(shown):
    cells = read_cells(shown, COLUMNS, table_of(shown, high=430.47))
    assert cells == (("2013-02-28", "high", 430.47123),)


def test_an_emptied_cell_is_an_edit_that_can_be_refused(shown):
    ((_, column, value),) = read_cells(shown, COLUMNS, table_of(shown, low=np.nan))
    assert column == "low"
    assert np.isnan(value)


def test_edits_of_bars_out_of_sight_stay(shown):
    older = ("2012-01-03", "close", 99.0)
    kept = read_cells(shown, COLUMNS, table_of(shown), (older, ("2013-02-28", "close", 1.0)))
    assert kept == (older,)


def test_a_moved_close_keeps_the_bar_possible():
    bar: dict[str, Any] = {"bar": "2013-03-01", "open": 101.0, "high": 102.0, "low": 99.5, "close": 100.0}
    assert move_close((), bar, 0.98) == (("2013-03-01", "close", 98.0), ("2013-03-01", "low", 98.0))
    assert move_close((), bar, 1.01) == (("2013-03-01", "close", 101.0),)
    again = move_close((("2013-03-01", "close", 98.0), ("2013-02-28", "close", 5.0)), bar, 1.05)
    assert again == (
        ("2013-02-28", "close", 5.0),
        ("2013-03-01", "close", 105.0),
        ("2013-03-01", "high", 105.0),
    )


def test_volume_is_multiplied_on_top_of_earlier_edits():
    bar = {"bar": "2013-03-01", "volume": 30.0}
    assert multiply_volume((("2013-03-01", "volume", 30.0),), bar, 3.0) == (("2013-03-01", "volume", 90.0),)


def test_high_and_low_follow_a_typed_close_as_they_follow_the_quick_actions(shown):
    typed = (("2013-02-28", "close", 440.0),)
    assert widen(typed, (), shown) == (*typed, ("2013-02-28", "high", 440.0))
    quick = move_close((), shown.to_dict("records")[0] | {"bar": "2013-02-28"}, 440.0 / 430.47123)
    assert dict(cell[1:] for cell in quick) == pytest.approx(
        dict(cell[1:] for cell in widen(typed, (), shown))
    )
    below = (("2013-02-28", "open", 420.0),)
    assert widen(below, (), shown) == (*below, ("2013-02-28", "low", 420.0))


def test_a_high_typed_itself_stays_and_one_that_followed_before_follows_again(shown):
    own = (("2013-02-28", "close", 440.0), ("2013-02-28", "high", 436.0))
    assert widen(own, (), shown) == own
    followed = (("2013-02-28", "high", 440.0),)
    again = widen((*followed, ("2013-02-28", "close", 450.0)), followed, shown)
    assert set(again) == {("2013-02-28", "close", 450.0), ("2013-02-28", "high", 450.0)}
    emptied = (("2013-02-28", "close", float("nan")),)
    assert widen(emptied, (), shown) == emptied


@pytest.mark.parametrize(
    ("text", "found"),
    [("rsi_14~71.5", 71.5), ("adx_14~71.5", None), ("rsi_14~much", None), ("rsi_14~nan", None), ("", None)],
)
def test_a_value_is_taken_from_a_link_for_its_own_feature_alone(text: str, found: float | None) -> None:
    assert read_value(text, "rsi_14") == found
