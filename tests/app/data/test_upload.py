from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from core.data.store import BarStore

DAYS = pd.date_range("2019-01-01", periods=12, freq="MS")


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    monkeypatch.setenv("LOOKBACK_HOME", str(tmp_path / "home"))

    def script() -> None:
        from app.data.upload import draw_upload

        draw_upload()

    return AppTest.from_function(script, default_timeout=60).run()


def said(page: AppTest) -> str:
    kinds = ("caption", "info", "error", "success")
    return " ".join(str(element.value) for kind in kinds for element in page.get(kind))


def give(page: AppTest, name: str, content: str | bytes) -> AppTest:
    data = content.encode() if isinstance(content, str) else content
    page.file_uploader[0].set_value((name, data, "text/csv")).run()
    assert not page.exception
    return page


def choose(page: AppTest, label: str, value: str | int) -> None:
    next(box for box in page.selectbox if box.label == label).set_value(value).run()


def test_dates_that_may_be_both_are_asked_about_and_ingested_as_said(page, tmp_path):
    rows = "".join(f"{day:%d/%m/%Y} 09:00,10,11,9,10\n{day:%d/%m/%Y} 10:00,10,11,9,10\n" for day in DAYS[2:3])
    give(page, "EURUSD_H1.csv", "Date,Open,High,Low,Close\n" + rows)
    assert "all of which may be day first or month first" in said(page)
    assert not page.button
    choose(page, "Order of dates", "day first")
    choose(page, "Time zone of the file", "UTC")
    page.button(key="ingest").click().run()
    assert not page.exception
    (series,) = BarStore(tmp_path / "home").series()
    assert (series.instrument, series.first) == ("EURUSD", pd.Timestamp("2019-03-01 09:00", tz="UTC"))


def test_numbers_that_may_be_both_are_asked_about(page):
    give(page, "X.csv", 'Date,Open,High,Low,Close\n2024-01-02,"1,234","1,250","1,200","1,240"\n' * 3)
    assert "which may be 1.234 or 1234" in said(page)
    choose(page, "Sign before decimals", "comma")
    assert "which may be" not in said(page)


def test_what_was_guessed_from_the_name_and_all_rows_is_said(page):
    rows = "".join(f"{day:%d/%m/%Y},10,11,9,10\n" for day in pd.date_range("2024-01-02", periods=20))
    give(page, "BINANCE_BTCUSDT, 1D.csv", "Date,Open,High,Low,Close\n" + rows)
    assert "The instrument BTCUSDT was taken from the file name." in said(page)
    assert "Dates are read day first: '13/01/2024' in line 13 cannot be month first." in said(page)


def test_a_file_that_names_no_instrument_asks_for_its_name(page):
    give(page, "data.csv", "Date,Open,High,Low,Close\n2024-01-02,1,2,1,1\n2024-01-03,1,2,1,1\n")
    assert "Type its name" in said(page)
    assert not page.button
    page.text_input[0].set_value("ABC").run()
    assert page.button(key="ingest")


def test_each_table_of_a_zip_can_be_shown_and_ingested(page, tmp_path):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name in ("AAA", "BBB"):
            archive.writestr(
                f"{name}.csv", "Date,Open,High,Low,Close\n2024-01-02,1,2,1,1\n2024-01-03,1,2,1,1\n"
            )
    give(page, "both.zip", packed.getvalue())
    choose(page, "The file holds 2 tables; each is ingested by itself", 1)
    page.button(key="ingest").click().run()
    assert not page.exception
    assert [series.instrument for series in BarStore(tmp_path / "home").series()] == ["BBB"]


def test_what_is_left_out_and_what_becomes_a_feature_is_said(page):
    rows = "".join(f"{day:%Y-%m-%d},10,11,9,10,{i % 5},{i % 2}\n" for i, day in enumerate(DAYS))
    give(page, "AAA.csv", "Date,Open,High,Low,Close,mood,Target\n" + rows)
    assert "Features from further columns: mood." in said(page)
    assert "Left out: Target" in said(page)
