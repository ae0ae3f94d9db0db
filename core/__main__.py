"""The command line: ``python -m core COMMAND``."""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from core import commands, explain_commands
from core.errors import InputError
from core.text_output import (
    show_ablation,
    show_evaluation,
    show_evidence,
    show_explanation,
    show_ingest,
    show_prediction,
    show_selection,
    show_training,
    show_walk_forward,
    table,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; bad input ends with one sentence on stderr and exit code 2."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    try:
        result = options.run(options)
        print(json.dumps(result, indent=2, allow_nan=False) if options.json else options.show(result))
    except InputError as error:
        print(f"lookback: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        # Whoever read the output has seen enough; without this the interpreter complains when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        print("lookback: stopped", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m core",
        description="Lookback without a screen. Bars live in LOOKBACK_HOME (default .lookback/).",
    )
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, run, show, help: str) -> argparse.ArgumentParser:
        added = subparsers.add_parser(name, help=help, description=help)
        added.add_argument("--json", action="store_true", help="print JSON for machines")
        added.set_defaults(run=run, show=show)
        return added

    ingest = command(
        "ingest", commands.ingest, show_ingest, "Read bars from CSV or Parquet files into the store."
    )
    ingest.add_argument("paths", nargs="*", type=Path, metavar="PATH")
    ingest.add_argument("--bundled", action="store_true", help="the five stocks and two indices that ship")
    ingest.add_argument("--if-empty", action="store_true", help="do nothing when the store holds bars")
    ingest.add_argument("--instrument", help="name for a file that names none")
    ingest.add_argument("--timeframe", help="1m 5m 15m 30m 1h 4h 1d 1w; guessed from the spacing without it")
    ingest.add_argument("--timezone", help="zone of times without an offset, such as UTC or Europe/Athens")

    command(
        "series",
        commands.list_series,
        lambda r: table(r["series"], "The store is empty."),
        "List stored series.",
    )

    train = command(
        "train", commands.train, show_training, "Train a model on stored bars and write its bundle."
    )
    train.add_argument("--config", type=Path, help="YAML; default assets/default.yaml")
    train.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="training.epochs=5")
    train.add_argument("--name", help="the model's name")
    train.add_argument("--out", type=Path, help="bundle folder; default LOOKBACK_HOME/models/NAME")
    train.add_argument("--fresh", action="store_true", help="ignore an interrupted run of the same name")

    command(
        "models",
        commands.list_trained,
        lambda r: table(r["models"], "No model."),
        "List models that can be used.",
    )

    predict = command("predict", commands.predict, show_prediction, "Predict at the close of one bar.")
    predict.add_argument("--instrument", required=True)
    predict.add_argument("--timeframe", required=True)
    predict.add_argument("--at", metavar="TIME", help="bar open, UTC; the last bar at or before it")
    predict.add_argument("--model", metavar="NAME")

    explain = command(
        "explain",
        explain_commands.explain_bar,
        show_explanation,
        "Say why the model says what it says at one bar, and check it.",
    )
    explain.add_argument("--instrument", required=True)
    explain.add_argument("--timeframe", required=True)
    explain.add_argument("--at", metavar="TIME", help="bar open, UTC; the last bar at or before it")
    explain.add_argument("--task", default="direction")
    explain.add_argument(
        "--class", dest="target", metavar="CLASS", help="in any case; default the one called"
    )
    explain.add_argument("--method", help="default: what finds planted causes best, see `evidence`")
    explain.add_argument("--baseline", help="window_mean, training_median or multi_reference")
    explain.add_argument(
        "--grouping", choices=("feature", "source"), default="feature", help="what feature ablation hides"
    )
    explain.add_argument("--seed", type=int, default=0, help="of everything sampled")
    explain.add_argument("--model", metavar="NAME")
    explain.add_argument(
        "--html", type=Path, metavar="FILE", help="write the report, one file that opens anywhere"
    )
    explain.add_argument("--address", metavar="URL", help="of your workbench, for the report's link")

    evidence = command(
        "evidence",
        explain_commands.measure_evidence,
        show_evidence,
        "Measure how far the model's explanations can be trusted; goes on after a kill.",
    )
    evidence.add_argument("--model", metavar="NAME")
    evidence.add_argument(
        "--parts", nargs="+", metavar="PART", help="out of planted routing importance moments; default all"
    )
    evidence.add_argument(
        "--windows", type=int, metavar="N", help="windows behind each part; default its own"
    )
    evidence.add_argument(
        "--steps", type=int, default=600, help="training steps of each planted model at most"
    )
    evidence.add_argument("--out", type=Path, help="folder; default LOOKBACK_HOME/evidence/MODEL")

    select = command(
        "select-features",
        explain_commands.select_features,
        show_selection,
        "Train without the features that importance says may go, and compare; goes on after a kill.",
    )
    select.add_argument("--model", metavar="NAME")
    select.add_argument(
        "--threshold", type=float, metavar="SHARE", help="of all attribution; default the measurement's own"
    )
    select.add_argument("--test-step", type=int, default=1, metavar="K", help="score every K-th bar")
    select.add_argument("--another-seed", action="store_true", help="also train the whole model once more")

    evaluate = command(
        "evaluate", commands.evaluate_model, show_evaluation, "Score a model beside its baselines."
    )
    evaluate.add_argument("--model", metavar="NAME")
    evaluate.add_argument("--from", dest="start", metavar="TIME", help="default: the test segment's start")
    evaluate.add_argument("--to", dest="end", metavar="TIME")
    evaluate.add_argument("--instrument")

    ablate = command(
        "ablate",
        commands.ablate,
        show_ablation,
        "Train without each idea of the specification, or with the settings of a file, and compare with the "
        "whole model and the baselines; goes on after a kill.",
    )
    ablate.add_argument("--config", type=Path, help="YAML; default assets/default.yaml")
    ablate.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    ablate.add_argument(
        "--arms", type=Path, help="YAML: arm: {section: {key: value}}; see assets/fx_arms.yaml"
    )
    ablate.add_argument("--train-from", metavar="TIME", help="train on labels from there on")
    ablate.add_argument("--test-until", metavar="TIME", help="look at no bar from there on")
    ablate.add_argument("--test-step", type=int, default=1, metavar="K", help="score every K-th bar")
    ablate.add_argument("--name", help="name of the results; default the configuration's")

    mlflow = command(
        "mlflow",
        commands.open_mlflow,
        lambda result: f"MLflow's UI over {result['uri']} closed",
        "Open MLflow's UI.",
    )
    mlflow.add_argument("--port", type=int, default=5000)

    walk = command(
        "walk-forward",
        commands.walk_forward,
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
