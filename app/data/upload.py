"""A file of bars on its way in: what its columns were taken to mean, a preview, and the ingest."""

from __future__ import annotations

from typing import Any
from zoneinfo import available_timezones

import pandas as pd
import streamlit as st

from app.data.rehearsal import LARGE, draw_rehearsal
from app.shell import cached, notices
from core.data.bars import OHLCV
from core.data.ingest.cells.numbers import DECIMALS, Decimal
from core.data.ingest.cells.order import ORDERS, Order, UndecidedError
from core.data.ingest.containers.table import Table
from core.data.ingest.mapping import MEANINGS, ColumnMapping, guess_mapping, remap
from core.data.ingest.parse import parse_batches, zone_needed
from core.data.ingest.run import IngestReport, ingest_file
from core.data.ingest.settle import settle_mapping
from core.data.ingest.tables import FILE_TYPES, read_tables
from core.timeframe import DURATIONS

PREVIEW_ROWS = 20
AS_FOUND = "as in the file"
BY_ALL_ROWS = "found from all rows"
_REPORT = "ingest_report"
_WORDS = {
    "ts": "time the bar opens",
    "clock": "time of day (beside a date)",
    "instrument": "instrument name",
    "timeframe": "timeframe",
    "feature": "further feature",
    "label": "label (for a task, no feature)",
    "ignored": "not used",
}
_ZONE_HELP = (
    "Times without a zone are read in it. Daily and weekly bars stand under their trading date, which needs "
    "it only where the file's own stamps do not say which day is meant."
)
_MAIN_ZONES = ["UTC", "America/New_York", "America/Chicago", "Europe/London", "Europe/Berlin", "Asia/Tokyo"]


def draw_upload() -> None:
    """Uploader, mapping, preview and the button that ingests."""
    uploaded = st.file_uploader(
        "File of bars", type=FILE_TYPES, key="bars_file",
        help="CSV, Parquet, Feather, JSON or an Excel workbook (.xlsx), also packed (gz, zip). Yahoo "
        "Finance, MetaTrader, ccxt and most other exports are recognised; several instruments in one file "
        "are fine. Further columns of numbers become features.",
    )  # fmt: skip
    _draw_last_report()
    if uploaded is None:
        return
    with notices.guard():
        table, file_id = _choose_table(read_tables(uploaded, uploaded.name), uploaded.file_id)
        mapping = _draw_mapping(table, guess_mapping(table), file_id)
        options = _draw_options(mapping, file_id)
        settled = _settle(table, mapping, options["timezone"], file_id)
        if settled is None:
            return
        mapping = settled
        for sentence in (*mapping.guessed, *mapping.notes):
            st.caption(sentence)
        if options["timezone"] is None and zone_needed(table, mapping, options["timeframe"]):
            st.info("The times in this file carry no zone. Choose the zone they are written in.")
            return
        if mapping.column("instrument") is None and options["instrument"] is None:
            st.info("Neither the file nor its name says which instrument this is. Type its name.")
            return
        _draw_preview(table, mapping, options)
        options["close"] = _draw_close(options["timezone"], file_id)
        may = draw_rehearsal(table, mapping, options, file_id, large=uploaded.size > LARGE)
        if st.button("Ingest this file", type="primary", key="ingest", disabled=not may):
            report = notices.run_with_progress(
                f"Ingesting {table.name}",
                lambda progress: ingest_file(
                    cached.store(),
                    table,
                    mapping=mapping,
                    progress=progress,
                    **options,
                ),
            )
            st.session_state[_REPORT] = report
            cached.forget_data()
            st.rerun()


def _choose_table(tables: list[Table], file_id: str) -> tuple[Table, str]:
    """The table to show of a file that holds several, and a key for its widgets."""
    place = 0
    if len(tables) > 1:
        place = st.selectbox(
            f"The file holds {len(tables)} tables; each is ingested by itself", range(len(tables)),
            format_func=lambda place: tables[place].name, key=f"table_{file_id}",
        )  # fmt: skip
    return tables[place], f"{file_id}_{place}"


def mapping_table(table: Table, mapping: ColumnMapping) -> pd.DataFrame:
    """One row per column of the file: its name, a first value, and what it was taken to mean."""
    first = {name: next(iter(table.sample[name].dropna().astype(str)), "") for name in table.columns}
    return pd.DataFrame(
        {
            "column in the file": list(table.columns),
            "first value": [first[name] for name in table.columns],
            "taken as": [meaning_in_words(mapping.meanings[name]) for name in table.columns],
        }
    )


def meaning_in_words(meaning: str) -> str:
    """A meaning as the page names it."""
    return _WORDS.get(meaning, meaning)


def report_sentence(report: IngestReport) -> str:
    """What became of a file."""
    return (
        f"{report.name}: {report.rows:,} rows read in {report.seconds:.1f} s, {report.inserted:,} bars new, "
        f"{report.updated:,} written over, {report.dropped:,} left out."
    )


def _draw_mapping(table: Table, mapping: ColumnMapping, file_id: str) -> ColumnMapping:
    st.markdown("**What the columns mean** (correct the right-hand column where the guess is wrong)")
    words = {meaning_in_words(meaning): meaning for meaning in MEANINGS}
    edited = st.data_editor(
        mapping_table(table, mapping), key=f"mapping_{file_id}", hide_index=True, height="content",
        disabled=["column in the file", "first value"],
        column_config={"taken as": st.column_config.SelectboxColumn(options=list(words), required=True)},
    )  # fmt: skip
    said = {row["column in the file"]: words[row["taken as"]] for row in edited.to_dict("records")}
    changed = {name: meaning for name, meaning in said.items() if mapping.meanings[name] != meaning}
    return remap(mapping, table, changed) if changed else mapping


def _draw_options(mapping: ColumnMapping, file_id: str) -> dict[str, Any]:
    options: dict[str, Any] = {"instrument": None, "timeframe": None, "timezone": None}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        if mapping.column("instrument") is None:
            typed = st.text_input(
                "Instrument", mapping.instrument or "", key=f"instrument_{file_id}", max_chars=40, width=180
            )
            options["instrument"] = typed.strip() or None
        if mapping.column("timeframe") is None:
            chosen = st.selectbox("Timeframe", [AS_FOUND, *DURATIONS], key=f"timeframe_{file_id}", width=150)
            options["timeframe"] = None if chosen == AS_FOUND else chosen
        zones = _MAIN_ZONES + sorted(available_timezones() - set(_MAIN_ZONES))
        label = "Time zone of the file" if mapping.timezone_needed else "Time zone of the exchange"
        options["timezone"] = st.selectbox(
            label, zones, index=None, key=f"zone_{file_id}", width=220,
            placeholder="choose a zone" if mapping.timezone_needed else "as the file says", help=_ZONE_HELP,
        )  # fmt: skip
    return options


def _draw_close(zone: str | None, file_id: str) -> str | None:
    """When the exchange's session ends, asked where its zone is known."""
    if zone is None:
        return None
    typed = st.text_input(
        f"Daily and weekly bars: the session closes at ({zone})", key=f"close_{file_id}", max_chars=5,
        width=320, placeholder="such as 16:00; empty if not known",
        help="A bar is known at its session's close; without it, at the end of its day in UTC.",
    )  # fmt: skip
    return typed.strip() or None


def _settle(table: Table, mapping: ColumnMapping, timezone: str | None, file_id: str) -> ColumnMapping | None:
    """The mapping as all rows have it, or None while a question about them is open."""
    style = mapping.time_style
    order: Order | None = None
    decimal: Decimal | None = None
    with st.container(horizontal=True, vertical_alignment="bottom"):
        if style is not None and style.form in ("month first", "day first"):
            chosen = st.selectbox("Order of dates", [BY_ALL_ROWS, *ORDERS], key=f"order_{file_id}", width=200)
            order = next((name for name in ORDERS if name == chosen), None)
        if _writes_commas(table, mapping):
            chosen = st.selectbox(
                "Sign before decimals", [BY_ALL_ROWS, *DECIMALS], key=f"decimal_{file_id}", width=200
            )
            decimal = next((name for name in DECIMALS if name == chosen), None)
    asked = (tuple(mapping.meanings.items()), order, decimal, timezone)
    known = st.session_state.get(f"settled_{file_id}")
    if known is None or known[0] != asked:
        try:
            settled = settle_mapping(table, mapping, date_order=order, decimal=decimal, timezone=timezone)
        except UndecidedError as question:
            st.info(f"This file holds {question.received}. Choose above which is meant.")
            return None
        known = st.session_state[f"settled_{file_id}"] = (asked, settled)
    return known[1]


def _writes_commas(table: Table, mapping: ColumnMapping) -> bool:
    columns = [mapping.column(name) for name in OHLCV]
    cells = table.sample[[name for name in columns if name is not None]]
    return bool(cells.astype("str").apply(lambda column: column.str.contains(",")).to_numpy().any())


def _draw_preview(table: Table, mapping: ColumnMapping, options: dict[str, Any]) -> None:
    batch = next(parse_batches(table, mapping, **options), None)
    if batch is None:
        return
    first = batch.bars.head(PREVIEW_ROWS)
    st.markdown(f"**The first {len(first)} bars as they would be stored** (times in UTC)")
    st.dataframe(first, hide_index=True, height=220, alt="Preview of the bars")


def _draw_last_report() -> None:
    report: IngestReport | None = st.session_state.get(_REPORT)
    if report is None:
        return
    st.success(report_sentence(report), icon=":material/check:")
    for sentence in report.findings["detail"].head(8):
        st.caption(sentence)
