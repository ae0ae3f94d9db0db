"""What the commands about one model do: parsed options in, plain values out.

Modules are imported inside, so that ``--help`` and a listing do not wait for torch.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.cli.command import AddCommand, open_predictor, parse_time, show_progress
from core.cli.output import show_evaluation, show_latest, show_prediction, show_training, table
from core.errors import InputError

if TYPE_CHECKING:
    from core.predictor import Predictor


def add_commands(command: AddCommand) -> None:
    """Add this file's commands and their arguments."""
    added = command("train", train, show_training, "Train a model on stored bars and write its bundle.")
    added.add_argument("--config", type=Path, help="YAML; default assets/default.yaml")
    added.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="training.epochs=5")
    added.add_argument("--name", help="the model's name")
    added.add_argument("--out", type=Path, help="bundle folder; default LOOKBACK_HOME/models/NAME")
    added.add_argument("--fresh", action="store_true", help="ignore an interrupted run of the same name")

    command(
        "models",
        list_trained,
        lambda r: table(r["models"], "No model."),
        "List models that can be used.",
    )

    added = command("predict", predict, show_prediction, "Predict at the close of one bar.")
    added.add_argument("--instrument", required=True)
    added.add_argument("--timeframe", required=True)
    added.add_argument("--at", metavar="TIME", help="bar open, UTC; the last bar at or before it")
    added.add_argument("--model", metavar="NAME")

    added = command(
        "predict-all",
        predict_all,
        show_latest,
        "Predict at the newest bar of every stored series whose bars are new since; the Desk reads it.",
    )
    added.add_argument("--model", metavar="NAME")
    added.add_argument("--again", action="store_true", help="all series, whether or not their bars are new")

    added = command("evaluate", evaluate_model, show_evaluation, "Score a model beside its baselines.")
    added.add_argument("--model", metavar="NAME")
    added.add_argument("--from", dest="start", metavar="TIME", help="default: the test segment's start")
    added.add_argument("--to", dest="end", metavar="TIME")
    added.add_argument("--instrument")

    added = command(
        "record",
        measure_own_record,
        lambda r: f"{r['rows']:,} calls on {r['series']} series, {r['from']} to {r['to']}, in {r['file']}",
        "Measure what the model's stated confidence was worth on its own test bars; Live shows it.",
    )
    added.add_argument("--model", metavar="NAME")
    added.add_argument("--step", type=int, default=1, metavar="K", help="score every K-th bar")

    added = command(
        "challengers",
        fit_simple_challengers,
        lambda r: f"{', '.join(r['fitted'])} on {r['rows']:,} training bars, in {r['file']}",
        "Fit HAR, logistic regression and LightGBM as the model was fitted; Live and Attribution show what "
        "they say already.",
    )
    added.add_argument("--model", metavar="NAME")
    added.add_argument("--out", type=Path, help="folder; default LOOKBACK_HOME")


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


def predict_all(options: argparse.Namespace) -> dict[str, Any]:
    """Predict at every series' newest bar and store it."""
    from core.bundle import find_model
    from core.operations.latest import LatestError, find_stale, latest_path, read_latest, update_latest

    predictor = open_predictor(options.model)
    home, version, series = predictor.store.home, predictor.bundle.version, predictor.store.series()
    try:
        stored = read_latest(home, version)
    except LatestError:
        stored = {}
    stale = series if options.again else find_stale(stored, series)
    stored = update_latest(predictor, stale, progress=show_progress("series"))
    return {
        "file": str(latest_path(home, version)),
        "thresholds": _choose_thresholds(predictor, find_model(home, options.model)),
        "model_name": predictor.bundle.name,
        "model_version": version,
        "predicted": len(stale),
        "series": [stored[key].to_dict() for key in sorted(stored)],
    }


def _choose_thresholds(predictor: Predictor, folder: Path) -> dict[str, Any]:
    """By timeframe of the model's walk-forward, what a call must reach, or why that is not known."""
    from core.experiments.walk_forward.find import find_walk_forward
    from core.operations.stances import choose_all
    from core.progress import Meter
    from core.trading.rules import load_rules

    path = find_walk_forward(predictor.store.home, folder, predictor.bundle.name)
    if path is None:
        return {}
    frames = sorted({one.timeframe for one in predictor.store.series()} & set(predictor.bundle.timeframes))
    meter = Meter(show_progress("thresholds"), None, len(frames))
    found = choose_all(predictor.store, path, load_rules(), frames, meter)
    return {
        timeframe: str(one) if isinstance(one, InputError) else one.to_dict()
        for timeframe, one in found.items()
    }


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


def measure_own_record(options: argparse.Namespace) -> dict[str, Any]:
    """Measure and keep the record of a model's own test bars."""
    from core.review.own_record import measure_record, save_record

    predictor = open_predictor(options.model)
    rows = measure_record(predictor, step=options.step, progress=show_progress("record"))
    path = save_record(rows, predictor.store.home, predictor.bundle)
    return {
        "file": str(path),
        "rows": len(rows),
        "series": len(rows[["instrument", "timeframe"]].drop_duplicates()),
        "from": f"{rows['ts'].min():%Y-%m-%d}",
        "to": f"{rows['ts'].max():%Y-%m-%d}",
    }


def fit_simple_challengers(options: argparse.Namespace) -> dict[str, Any]:
    """Fit and keep the challengers of a model."""
    from core.experiments.challengers import fit_challengers, save_challengers

    predictor = open_predictor(options.model)
    found = fit_challengers(predictor, show_progress("challengers"))
    path = save_challengers(found, options.out or predictor.store.home, predictor.bundle)
    fitted = [f"{task} {name}" for task, named in found.fitted.items() for name in named]
    return {"file": str(path), "version": found.version, "rows": found.rows, "fitted": fitted}
