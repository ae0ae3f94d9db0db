from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.data.ingest.cells.grammar import split_times
from core.data.ingest.cells.order import OrderEvidence, UndecidedError, read_dates
from core.errors import BarsError

FORMS = {"day first": "%d/%m/%Y", "month first": "%m/%d/%Y", "year first": "%Y/%m/%d"}
SHORT = {"day first": "%d-%m-%y", "month first": "%m-%d-%y", "year first": "%y-%m-%d"}


def decide(cells, given=None, parts: int = 2):
    evidence = OrderEvidence("Date")
    series = pd.Series(list(cells))
    size = -(-len(series) // parts)
    for start in range(0, len(series), size):
        texts = series.iloc[start : start + size]
        evidence.add(split_times(texts), texts, pd.RangeIndex(2 + start, 2 + start + len(texts)))
    return evidence.decide(given)


def written(days, form: str, clock: str = "") -> list[str]:
    return [day.strftime(form) + clock for day in days]


@pytest.mark.parametrize("forms", [FORMS, SHORT])
@pytest.mark.parametrize("order", FORMS)
@settings(max_examples=25, deadline=None)
@given(start=st.dates(pd.Timestamp("1990-01-01").date(), pd.Timestamp("2024-01-01").date()))
def test_a_year_of_trading_days_has_one_order(forms, order, start):
    days = pd.bdate_range(start, periods=260)
    assert decide(written(days, forms[order]))[0] == order
    assert decide(written(days[::-1], forms[order]))[0] == order


@settings(max_examples=100, deadline=None)
@given(
    day=st.datetimes(pd.Timestamp("1930-01-01"), pd.Timestamp("2026-12-31")),
    order=st.sampled_from(list(FORMS)),
)
def test_a_date_is_read_in_the_order_it_was_written_in(day, order):
    midnight = day.strftime("%Y-%m-%d")
    packed = {"day first": "%d%m%Y", "month first": "%m%d%Y", "year first": "%Y%m%d"}
    for form in (FORMS[order], packed[order], FORMS[order].replace("/", ".")):
        assert str(read_dates(split_times(pd.Series([day.strftime(form)])), order)[0]) == midnight


def test_a_row_at_the_end_changes_the_order_and_is_named():
    days = [*pd.date_range("2019-03-01", "2019-03-12"), pd.Timestamp("2019-03-13")]
    order, sentence = decide(written(days, "%d-%m-%Y"))
    assert order == "day first"
    assert sentence == "Dates are read day first: '13-03-2019' in line 14 cannot be month first."


def test_rows_of_two_orders_are_refused_with_both_named():
    with pytest.raises(
        BarsError, match=r"'01/14/2019' in line 4, not day first.*'13/01/2019' in line 3, not month"
    ):
        decide(["01/02/2019", "13/01/2019", "01/14/2019", "02/02/2019"])


def test_a_date_that_no_calendar_has_speaks_for_no_order():
    assert decide(["31/02/2019", "13/03/2019", "14/03/2019"])[0] == "day first"


@pytest.mark.parametrize("order", ["day first", "month first"])
def test_trading_days_within_twelve_days_follow_one_another_in_one_order(order):
    days = pd.bdate_range("2019-03-01", "2019-03-12")
    assert decide(written(days, FORMS[order]))[0] == order


@pytest.mark.parametrize("order", ["day first", "month first"])
def test_hours_of_two_days_follow_one_another_in_one_order(order):
    days = [pd.Timestamp("2020-02-01"), pd.Timestamp("2020-02-02")]
    cells = [cell for day in written(days, FORMS[order]) for cell in (f"{day} 09:00", f"{day} 10:00")]
    assert decide(cells)[0] == order


@pytest.mark.parametrize("order", ["day first", "month first"])
def test_months_of_several_years_are_no_januaries(order):
    assert decide(written(pd.date_range("2015-01-01", "2019-12-01", freq="MS"), FORMS[order]))[0] == order


def test_what_may_be_both_is_asked_about_and_followed():
    months = written(pd.date_range("2019-01-01", "2019-12-01", freq="MS"), FORMS["day first"])
    day = ["03/04/2024 09:30", "03/04/2024 09:31"]
    for cells in (months, day):
        with pytest.raises(UndecidedError, match="--date-order day-first or month-first") as refusal:
            decide(cells)
        assert refusal.value.question == "date order"
        assert decide(cells, "day first")[0] == "day first"
        assert decide(cells, "month first")[0] == "month first"


def test_an_order_that_is_given_and_contradicted_is_refused():
    with pytest.raises(
        BarsError, match=r"written month first.*'13/03/2019' in line 2; give --date-order day-first"
    ):
        decide(["13/03/2019", "14/03/2019"], "month first")


def test_dates_that_every_order_reads_alike_need_no_order():
    assert decide(["05/05/2020", "06/06/2020"])[0] in FORMS
