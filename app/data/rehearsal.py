"""What ingesting a file would do, told before anything is written."""

from __future__ import annotations

from typing import Any, cast

import streamlit as st

from app.shell import cached, notices
from core.data.ingest.containers.table import Table
from core.data.ingest.mapping import ColumnMapping
from core.data.ingest.run import IngestReport, ingest_file

LARGE = 20_000_000
"""Bytes; a larger file is gone through on demand."""
_TOLD = "rehearsed"


def draw_rehearsal(
    table: Table, mapping: ColumnMapping, options: dict[str, Any], file_id: str, *, large: bool
) -> bool:
    """Counts of new, stored and left-out bars; whether the table may be ingested as it is.

    It may not before it was gone through, nor before the person agreed to write over differing bars.

    Parameters
    ----------
    options
        Of `core.data.ingest.run.ingest_file`.
    large
        Go through it only when asked to.
    """
    held = tuple((entry.instrument, entry.timeframe, entry.last, entry.bars) for entry in cached.series())
    asked = (file_id, mapping, options, held)
    told = st.session_state.get(_TOLD)
    if told is None or told[0] != asked:
        if large and not st.button("Go through the whole file", key="rehearse"):
            st.caption("A large file: it is ingested once it has been gone through.")
            return False
        report = notices.run_with_progress(
            f"Going through {table.name}",
            lambda progress: ingest_file(
                cached.store(), table, mapping=mapping, rehearse=True, progress=progress, **options
            ),
        )
        told = st.session_state[_TOLD] = (asked, report)
    return _draw(cast(IngestReport, told[1]), file_id)


def rehearsal_sentence(report: IngestReport) -> str:
    """What would come of a file."""
    stored = report.updated - report.changed
    said = [f"{report.inserted:,} bars are new"]
    if stored:
        said.append(f"{stored:,} are stored already, the same")
    if report.changed:
        said.append(f"{report.changed:,} are stored with other values")
    said.append(f"{report.dropped:,} {'row' if report.dropped == 1 else 'rows'} would be left out")
    return f"Of {report.rows:,} rows in this file: {', '.join(said)}."


def _draw(report: IngestReport, file_id: str) -> bool:
    st.markdown(f"**{rehearsal_sentence(report)}**")
    for finding in report.findings.to_dict(orient="records"):
        st.caption(f"{finding['instrument']} {finding['timeframe']}: {finding['detail']}")
    if not report.changed:
        return True
    st.warning(
        f"Ingesting writes over {report.changed:,} stored bars that differ. What was stored is lost then; "
        "give the file another instrument name to keep both."
    )
    return st.checkbox(f"Write over the {report.changed:,} stored bars", key=f"overwrite_{file_id}")
