"""What each command does: parsed options in, plain values out.

Modules are imported inside, so that ``--help`` and a listing do not wait for torch.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from core.errors import InputError

if TYPE_CHECKING:
    from core.data.ingest import IngestReport


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


def ingest(options: argparse.Namespace) -> dict[str, Any]:
    """Read files or the bundled bars into the store."""
    from core.data.ingest import ingest_bundled, ingest_file
    from core.data.store import BarStore

    store = BarStore()
    if options.if_empty and store.series():
        return {"files": [], "skipped": "the store already holds bars"}
    if not options.bundled and not options.paths:
        raise InputError("a PATH or --bundled", "neither", "see python -m core ingest --help")
    reports = []
    if options.bundled:
        reports.append(ingest_bundled(store, progress=show_progress("bundled")))
    for path in options.paths:
        reports.append(
            ingest_file(
                store,
                path,
                name=path.name,
                instrument=options.instrument,
                timeframe=options.timeframe,
                timezone=options.timezone,
                progress=show_progress(path.name),
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


def train(options: argparse.Namespace) -> dict[str, Any]:
    """Train and write a bundle."""
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


def list_trained(options: argparse.Namespace) -> dict[str, Any]:
    """Models that can be used."""
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


def predict(options: argparse.Namespace) -> dict[str, Any]:
    """Predict at one bar."""
    at = None if options.at is None else parse_time(options.at)
    prediction = open_predictor(options.model).predict(options.instrument, options.timeframe, at)
    return prediction.to_dict()


def evaluate_model(options: argparse.Namespace) -> dict[str, Any]:
    """Score a model beside its baselines."""
    from core.training.evaluation import evaluate

    predictor = open_predictor(options.model)
    return evaluate(
        predictor,
        start=None if options.start is None else parse_time(options.start),
        end=None if options.end is None else parse_time(options.end),
        instrument=options.instrument,
        progress=show_progress("scoring"),
    ).to_dict()


def walk_forward(options: argparse.Namespace) -> dict[str, Any]:
    """Train and score fold after fold."""
    from core.bundle import check_name
    from core.config import load_config
    from core.data.store import BarStore
    from core.experiments.walk_forward.run import run_walk_forward
    from core.training.pipeline import read_bars

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
        progress=show_progress("walk-forward"),
        track_home=store.home,
    )
    return {
        "name": name,
        "folder": str(folder),
        "folds": len(result.folds),
        "table": result.table(),
        "summary": result.summary,
    }


def ablate(options: argparse.Namespace) -> dict[str, Any]:
    """Train without each idea, or with other settings, and compare."""
    from core.bundle import check_name
    from core.config import load_config
    from core.data.segments import choose_borders
    from core.data.store import BarStore
    from core.experiments.ablation.arms import ARMS, read_arms
    from core.experiments.ablation.run import run_ablation
    from core.experiments.walk_forward.results import plain
    from core.training.pipeline import read_bars

    config = load_config(options.config, options.set)
    store = BarStore()
    name = options.name or config.name
    check_name(name)
    bars = read_bars(store, config)
    borders = choose_borders(
        [frame["ts"].to_numpy("datetime64[us]") for frame in bars.values()], config.split
    )
    outer = {"train_start": options.train_from, "test_end": options.test_until}
    borders = replace(borders, **{key: parse_time(text) for key, text in outer.items() if text})
    scores = run_ablation(
        bars,
        config,
        store.home / "ablation" / name,
        arms=ARMS if options.arms is None else read_arms(options.arms),
        borders=borders,
        test_step=options.test_step,
        progress=show_progress("arms"),
    )
    return {"arms": [plain(asdict(score)) | {"verdict": score.verdict} for score in scores]}


def open_mlflow(options: argparse.Namespace) -> dict[str, Any]:
    """Serve MLflow's UI until it is stopped."""
    import subprocess

    from core.data.store import home_folder
    from core.training.tracking import tracking_uri

    uri = tracking_uri(home_folder())
    if uri.startswith("sqlite:///") and not Path(uri.removeprefix("sqlite:///")).is_file():
        raise InputError("a tracked run", f"no {uri}", "train first: python -m core train")
    arguments = ["ui", "--backend-store-uri", uri, "--host", "127.0.0.1", "--port", str(options.port)]
    return {"uri": uri, "exit_code": subprocess.run([sys.executable, "-m", "mlflow", *arguments]).returncode}


def open_predictor(model: str | None):
    from core.bundle import find_model, load_bundle
    from core.data.store import BarStore
    from core.predictor import Predictor

    store = BarStore()
    return Predictor(load_bundle(find_model(store.home, model)), store)


def show_progress(name: str):
    from tqdm import tqdm

    bar = tqdm(desc=name, file=sys.stderr, leave=False, disable=None, unit_scale=True)

    def advance(done: int, total: int) -> None:
        bar.total = total
        bar.update(done - bar.n)
        if done >= total:
            bar.close()

    return advance
