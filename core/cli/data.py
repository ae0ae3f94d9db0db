"""What the commands about bars do: parsed options in, plain values out.

Modules are imported inside, so that ``--help`` and a listing do not wait for torch.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.cli.command import AddCommand, show_progress
from core.cli.output import show_delete, show_ingest
from core.cli.output import table as aligned
from core.errors import InputError
from core.timeframe import DURATIONS

if TYPE_CHECKING:
    from core.data.ingest.run import IngestReport


def add_commands(command: AddCommand) -> None:
    """Add this file's commands and their arguments."""
    added = command(
        "ingest",
        ingest,
        show_ingest,
        "Read files of bars into the store: CSV, Parquet, Feather, JSON, .xlsx, packed ones.",
    )
    added.add_argument("paths", nargs="*", type=Path, metavar="PATH")
    added.add_argument("--bundled", action="store_true", help="the stocks, indices and EURUSD that ship")
    added.add_argument("--if-empty", action="store_true", help="do nothing when the store holds bars")
    added.add_argument("--instrument", help="name for a file that names none, or where the guess is wrong")
    added.add_argument("--timeframe", help=f"{' '.join(DURATIONS)}; guessed from the spacing without it")
    added.add_argument(
        "--column",
        action="append",
        default=[],
        metavar="MEANING=COLUMN",
        help="what a column means, such as close=settle, label=Target, feature=x12 or ignored=id; repeat it",
    )
    added.add_argument(
        "--timezone",
        help="zone of times without an offset, such as UTC or Europe/Athens; for daily and weekly bars the "
        "exchange's, whose days they are",
    )
    added.add_argument(
        "--close",
        metavar="HH:MM",
        help="when the exchange's session ends, in --timezone: daily and weekly bars are known then",
    )
    added.add_argument(
        "--date-order",
        choices=("day-first", "month-first", "year-first"),
        help="order of written dates; found from all rows without it",
    )
    added.add_argument(
        "--decimal",
        choices=("point", "comma"),
        help="sign before decimals; found from all rows without it",
    )
    added.add_argument("--rehearse", action="store_true", help="only say what would come of it")

    added = command("delete", delete, show_delete, "Delete a stored series with its findings.")
    added.add_argument("--instrument", required=True)
    added.add_argument("--timeframe", required=True)
    added.add_argument("--yes", action="store_true", help="really; without it nothing is deleted")

    command(
        "series",
        list_series,
        lambda r: aligned(r["series"], "The store is empty."),
        "List stored series.",
    )


def ingest(options: argparse.Namespace) -> dict[str, Any]:
    """Read files or the bundled bars into the store."""
    from core.data.ingest.mapping import assign_columns, guess_mapping
    from core.data.ingest.run import ingest_bundled, ingest_file
    from core.data.ingest.tables import read_tables
    from core.data.store import BarStore

    store = BarStore()
    if options.if_empty and store.series():
        return {"files": [], "skipped": "the store already holds bars; without --if-empty newer ones come in"}
    if not options.bundled and not options.paths:
        raise InputError("a PATH or --bundled", "neither", "see python -m core ingest --help")
    if options.bundled and options.rehearse:
        raise InputError("files to rehearse", "--bundled", "leave out --rehearse")
    reports = []
    if options.bundled:
        reports.append(ingest_bundled(store, progress=show_progress("bundled")))
    for table in (table for path in options.paths for table in read_tables(path)):
        reports.append(
            ingest_file(
                store,
                table,
                mapping=assign_columns(guess_mapping(table), table, options.column),
                instrument=options.instrument,
                timeframe=options.timeframe,
                timezone=options.timezone,
                date_order=options.date_order and options.date_order.replace("-", " "),
                decimal=options.decimal,
                close=options.close,
                rehearse=options.rehearse,
                progress=show_progress(table.name),
            )
        )
    return {"files": [_describe_ingest(report) for report in reports], "rehearsed": options.rehearse}


def _describe_ingest(report: IngestReport) -> dict[str, Any]:
    findings = report.findings
    return {
        "name": report.name,
        "rows": report.rows,
        "inserted": report.inserted,
        "updated": report.updated,
        "changed": report.changed,
        "dropped": report.dropped,
        "seconds": round(report.seconds, 3),
        "guessed": [] if report.mapping is None else list(report.mapping.guessed),
        "notes": [] if report.mapping is None else list(report.mapping.notes),
        "series": [asdict(entry) for entry in report.series],
        "findings": [
            {
                "instrument": row["instrument"],
                "timeframe": row["timeframe"],
                "check": row["check"],
                "verdict": row["verdict"],
                "rows": int(row["rows"]),
                "detail": row["detail"],
            }
            for row in findings.to_dict(orient="records")
        ],
    }


def delete(options: argparse.Namespace) -> dict[str, Any]:
    """Delete a series, if it was confirmed."""
    from core.data.store import BarStore

    store, key = BarStore(), (options.instrument, options.timeframe)
    if not options.yes:
        held = next((entry for entry in store.series() if (entry.instrument, entry.timeframe) == key), None)
        bars = "no bar of it that is closed" if held is None else f"{held.bars:,} bars of it"
        raise InputError(f"--yes to delete {' '.join(key)}", f"none, and {bars} stored", "add --yes to go on")
    return {"instrument": key[0], "timeframe": key[1], "deleted": store.delete(*key)}


def list_series(options: argparse.Namespace) -> dict[str, Any]:
    """What is stored."""
    from core.data.store import BarStore

    return {
        "series": [
            {
                "instrument": entry.instrument,
                "timeframe": entry.timeframe,
                "first": entry.first.isoformat(),
                "last": entry.last.isoformat(),
                "bars": entry.bars,
            }
            for entry in BarStore().series()
        ]
    }
