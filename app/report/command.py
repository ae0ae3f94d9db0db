"""The report of one prediction as a file of its own, and the command that writes it.

``python -m app.report.command --instrument AAPL --timeframe 1d --html report.html``, which
``python -m core explain --html`` hands over to.
"""

from __future__ import annotations

import argparse
import logging
import re
import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from app.report import sections
from app.report.html import wrap_page
from app.report.material import Material, Records, gather_material
from core.bundle import find_model, load_bundle
from core.cli.command import parse_time, show_progress
from core.data.store import BarStore
from core.errors import InputError
from core.experiments.walk_forward.records import WalkForwardResult
from core.explain.evidence.store import read_evidence
from core.explain.explanation import pose_question
from core.explain.methods.settings import Settings
from core.explain.moment import Moment
from core.predictor import Predictor


def build_report(material: Material) -> str:
    """The whole report: HTML that opens without a server and without a network."""
    return wrap_page(sections.name_of(material), build_body(material))


def build_body(material: Material) -> str:
    """The report without the page around it, which holds the drawing library (`wrap_page`)."""
    return "".join(
        draw(material)
        for draw in (
            sections.draw_head,
            sections.draw_prediction,
            sections.draw_review,
            sections.draw_candles,
            sections.draw_causes,
            sections.draw_attribution,
            sections.draw_trust,
            sections.draw_attention,
            sections.draw_similar,
            sections.draw_origin,
        )
    )


def report_name(instrument: str, timeframe: str, bar: str, task: str) -> str:
    """A file name any system takes."""
    return re.sub(r"[^\w.-]+", "_", f"lookback_{instrument}_{timeframe}_{bar}_{task}") + ".html"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write one report; bad input ends with one sentence on stderr and exit code 2."""
    options = _parser().parse_args(arguments)
    try:
        written = _write(options)
    except InputError as error:
        print(f"lookback: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"lookback: Cannot write {options.html}: {error.strerror or error}.", file=sys.stderr)
        return 2
    print(f"{options.html}, {written / 1e6:.1f} MB")
    return 0


def _write(options: argparse.Namespace) -> int:
    store = BarStore()
    folder = find_model(store.home, options.model)
    predictor = Predictor(load_bundle(folder), store)
    at = None if options.at is None else parse_time(options.at)
    moment = Moment.at(predictor, options.instrument, options.timeframe, at)
    question = pose_question(
        moment, read_evidence(store.home, predictor.bundle, "planted"), task=options.task,
        target=options.target, method=options.method, reference=options.reference,
        settings=Settings(grouping=options.grouping, seed=options.seed),
        member=options.member,
    )  # fmt: skip
    records, past, troubles = _read_review(folder, predictor, moment.prediction.known_at)
    material = gather_material(
        moment, question, records=records, walk_forward=past, troubles=troubles, address=options.address,
        progress=show_progress("explaining"),
    )  # fmt: skip
    page = build_report(material).encode()
    options.html.write_bytes(page)
    return len(page)


def _read_review(
    folder: Path, predictor: Predictor, known: pd.Timestamp
) -> tuple[Records, WalkForwardResult | None, tuple[str, ...]]:
    from streamlit.logger import set_log_level

    # Streamlit warns about every cache that is used outside a running workbench.
    set_log_level(logging.ERROR)
    from app.live.cached import confidence_records, walk_forward
    from app.shell.cached import ModelKey

    model = ModelKey(str(folder), predictor.bundle.version)
    try:
        return confidence_records(model, known), walk_forward(model), ()
    except InputError as error:
        return {}, None, (str(error),)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m app.report.command", description="Write the report of one bar."
    )
    parser.add_argument("--instrument", required=True)
    parser.add_argument("--timeframe", required=True)
    parser.add_argument("--at", metavar="TIME", help="bar open, UTC; the last bar at or before it")
    parser.add_argument("--task", default="direction")
    parser.add_argument("--class", dest="target", metavar="CLASS", help="in any case; default the one called")
    parser.add_argument("--method")
    parser.add_argument("--reference")
    parser.add_argument("--grouping", choices=("feature", "source"), default="feature")
    parser.add_argument("--member", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--model", metavar="NAME")
    parser.add_argument("--address", metavar="URL", help="of your workbench, for the link in the report")
    parser.add_argument("--html", type=Path, required=True, metavar="FILE")
    return parser


if __name__ == "__main__":
    sys.exit(main())
