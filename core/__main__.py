"""The command line: ``python -m core COMMAND``."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from core.errors import InputError
from core.text_output import (
    show_evaluation,
    show_ingest,
    show_prediction,
    show_training,
    show_walk_forward,
    table,
)

if TYPE_CHECKING:
    from core.data.ingest import IngestReport


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; bad input ends with one sentence on stderr and exit code 2."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    try:
        result = options.run(options)
    except InputError as error:
        print(f"lookback: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        return 1
    except KeyboardInterrupt:
        print("lookback: stopped", file=sys.stderr)
        return 130
    if options.json:
        print(json.dumps(result, indent=2, allow_nan=False))
    else:
        print(options.show(result))
    return 0


def parse_time(text: str) -> pd.Timestamp:
    """Read a time; without an offset it is UTC.

    Raises
    ------
    InputError
        If it is no time.
    """
    try:
        ts = pd.Timestamp(text)
    except ValueError:
        ts = pd.NaT
    if not isinstance(ts, pd.Timestamp):
        raise InputError("a time such as 2013-03-01 or 2013-03-01T14:00", repr(text), "write it that way")
    return ts.tz_localize("UTC") if ts.tz is None else ts.tz_convert("UTC")


def _ingest(options: argparse.Namespace) -> dict[str, Any]:
    from core.data.ingest import ingest_bundled, ingest_file
    from core.data.store import BarStore

    store = BarStore()
    if options.if_empty and store.series():
        return {"files": [], "skipped": "the store already holds bars"}
    if not options.bundled and not options.paths:
        raise InputError("a PATH or --bundled", "neither", "see python -m core ingest --help")
    reports = []
    if options.bundled:
        reports.append(ingest_bundled(store, progress=_progress("bundled")))
    for path in options.paths:
        reports.append(
            ingest_file(
                store,
                path,
                name=path.name,
                instrument=options.instrument,
                timeframe=options.timeframe,
                timezone=options.timezone,
                progress=_progress(path.name),
            )
        )
    return {"files": [_describe_ingest(report) for report in reports]}


def _describe_ingest(report: IngestReport) -> dict[str, Any]:
    findings = report.findings
    return {
        "name": report.name,
        "rows": report.rows,
        "inserted": report.inserted,
        "updated": report.updated,
        "dropped": report.dropped,
        "seconds": round(report.seconds, 3),
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


def _series(options: argparse.Namespace) -> dict[str, Any]:
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


def _train(options: argparse.Namespace) -> dict[str, Any]:
    from core.bundle import check_name
    from core.config import load_config
    from core.data.store import BarStore
    from core.training.pipeline import train_bundle

    config = load_config(options.config, options.set)
    if options.name:
        config = config.model_copy(update={"name": options.name})
    check_name(config.name)
    store = BarStore()
    folder = options.out or store.home / "models" / config.name
    bundle = train_bundle(store, config, folder, resume=not options.fresh)
    return {"name": bundle.name, "version": bundle.version, "folder": str(folder), "metrics": bundle.metrics}


def _models(options: argparse.Namespace) -> dict[str, Any]:
    from core.bundle import list_models
    from core.data.store import home_folder

    return {
        "models": [
            {
                "name": entry.name,
                "version": entry.version,
                "trained_until": entry.trained_until,
                "shipped": entry.shipped,
                "folder": str(entry.folder),
            }
            for entry in list_models(home_folder())
        ]
    }


def _predict(options: argparse.Namespace) -> dict[str, Any]:
    at = None if options.at is None else parse_time(options.at)
    prediction = _predictor(options.model).predict(options.instrument, options.timeframe, at)
    return prediction.to_dict()


def _evaluate(options: argparse.Namespace) -> dict[str, Any]:
    from core.training.evaluation import evaluate

    predictor = _predictor(options.model)
    return evaluate(
        predictor,
        start=None if options.start is None else parse_time(options.start),
        end=None if options.end is None else parse_time(options.end),
        instrument=options.instrument,
        progress=_progress("scoring"),
    ).to_dict()


def _walk_forward(options: argparse.Namespace) -> dict[str, Any]:
    from core.bundle import check_name
    from core.config import load_config
    from core.data.store import BarStore
    from core.training.pipeline import read_bars
    from core.training.walk_forward import run_walk_forward

    config = load_config(options.config, options.set)
    if options.instrument:
        data = config.data.model_copy(update={"instruments": options.instrument})
        config = config.model_copy(update={"data": data})
    name = options.name or config.name
    check_name(name)
    store = BarStore()
    folder = options.out or store.home / "walk_forward" / name
    result = run_walk_forward(
        read_bars(store, config),
        config,
        folder,
        folds=options.folds,
        scheme=options.scheme,
        test_step=options.test_step,
        progress=_progress("walk-forward"),
        track_home=store.home,
    )
    return {
        "name": name,
        "folder": str(folder),
        "folds": len(result.folds),
        "table": result.table(),
        "summary": result.summary,
    }


def _mlflow(options: argparse.Namespace) -> dict[str, Any]:
    import subprocess

    from core.data.store import home_folder
    from core.training.tracking import tracking_uri

    uri = tracking_uri(home_folder())
    if uri.startswith("sqlite:///") and not Path(uri.removeprefix("sqlite:///")).is_file():
        raise InputError("a tracked run", f"no {uri}", "train first: python -m core train")
    arguments = ["ui", "--backend-store-uri", uri, "--host", "127.0.0.1", "--port", str(options.port)]
    return {"uri": uri, "exit_code": subprocess.run([sys.executable, "-m", "mlflow", *arguments]).returncode}


def _predictor(model: str | None):
    from core.bundle import find_model, load_bundle
    from core.data.store import BarStore
    from core.predictor import Predictor

    store = BarStore()
    return Predictor(load_bundle(find_model(store.home, model)), store)


def _progress(name: str):
    from tqdm import tqdm

    bar = tqdm(desc=name, file=sys.stderr, leave=False, disable=None, unit_scale=True)

    def advance(done: int, total: int) -> None:
        bar.total = total
        bar.update(done - bar.n)
        if done >= total:
            bar.close()

    return advance


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m core",
        description="Lookback without a screen. Bars live in LOOKBACK_HOME (default .lookback/).",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, run, show, help: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=help, description=help)
        added.add_argument("--json", action="store_true", help="print JSON for machines")
        added.set_defaults(run=run, show=show)
        return added

    ingest = command("ingest", _ingest, show_ingest, "Read bars from CSV or Parquet files into the store.")
    ingest.add_argument("paths", nargs="*", type=Path, metavar="PATH")
    ingest.add_argument("--bundled", action="store_true", help="the five stocks and two indices that ship")
    ingest.add_argument("--if-empty", action="store_true", help="do nothing when the store holds bars")
    ingest.add_argument("--instrument", help="name for a file that names none")
    ingest.add_argument("--timeframe", help="1m 5m 15m 30m 1h 4h 1d 1w; guessed from the spacing without it")
    ingest.add_argument("--timezone", help="zone of times without an offset, such as UTC or Europe/Athens")

    command("series", _series, lambda r: table(r["series"], "The store is empty."), "List stored series.")

    train = command("train", _train, show_training, "Train a model on stored bars and write its bundle.")
    train.add_argument("--config", type=Path, help="YAML; default assets/default.yaml")
    train.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="training.epochs=5")
    train.add_argument("--name", help="the model's name")
    train.add_argument("--out", type=Path, help="bundle folder; default LOOKBACK_HOME/models/NAME")
    train.add_argument("--fresh", action="store_true", help="ignore an interrupted run of the same name")

    command("models", _models, lambda r: table(r["models"], "No model."), "List models that can be used.")

    predict = command("predict", _predict, show_prediction, "Predict at the close of one bar.")
    predict.add_argument("--instrument", required=True)
    predict.add_argument("--timeframe", required=True)
    predict.add_argument("--at", metavar="TIME", help="bar open, UTC; the last bar at or before it")
    predict.add_argument("--model", metavar="NAME")

    evaluate = command("evaluate", _evaluate, show_evaluation, "Score a model beside its baselines.")
    evaluate.add_argument("--model", metavar="NAME")
    evaluate.add_argument("--from", dest="start", metavar="TIME", help="default: the test segment's start")
    evaluate.add_argument("--to", dest="end", metavar="TIME")
    evaluate.add_argument("--instrument")

    mlflow = command(
        "mlflow", _mlflow, lambda result: f"MLflow's UI over {result['uri']} closed", "Open MLflow's UI."
    )
    mlflow.add_argument("--port", type=int, default=5000)

    walk = command(
        "walk-forward",
        _walk_forward,
        show_walk_forward,
        "Train and score fold after fold, each on what came after it; goes on after a kill.",
    )
    walk.add_argument("--config", type=Path, help="YAML; default assets/default.yaml")
    walk.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    walk.add_argument("--folds", type=int, default=5)
    walk.add_argument("--scheme", choices=("expanding", "rolling"), default="expanding")
    walk.add_argument("--instrument", action="append", help="only this one; may be repeated")
    walk.add_argument("--test-step", type=int, default=1, metavar="K", help="score every K-th bar")
    walk.add_argument("--name", help="name of the results; default the configuration's")
    walk.add_argument("--out", type=Path, help="folder; default LOOKBACK_HOME/walk_forward/NAME")
    return parser


if __name__ == "__main__":
    sys.exit(main())
