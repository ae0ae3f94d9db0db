"""What the commands that compare trainings do: parsed options in, plain values out.

Modules are imported inside, so that ``--help`` and a listing do not wait for torch.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from core.cli.command import AddCommand, parse_time, show_progress
from core.cli.output import show_ablation, show_left_out, show_walk_forward
from core.errors import InputError


def add_commands(command: AddCommand) -> None:
    """Add this file's commands and their arguments."""
    added = command(
        "walk-forward",
        walk_forward,
        show_walk_forward,
        "Train and score fold after fold, each on what came after it; goes on after a kill.",
    )
    _add_settings(added)
    added.add_argument("--folds", type=int, default=5)
    added.add_argument("--scheme", choices=("expanding", "rolling"), default="expanding")
    added.add_argument("--instrument", action="append", help="only this one; may be repeated")
    added.add_argument("--out", type=Path, help="folder; default LOOKBACK_HOME/walk_forward/NAME")

    added = command(
        "ablate",
        ablate,
        show_ablation,
        "Train without each idea of the specification, or with the settings of a file, and compare with the "
        "whole model and the baselines; goes on after a kill.",
    )
    _add_settings(added)
    added.add_argument(
        "--arms", type=Path, help="YAML: arm: {section: {key: value}}; see assets/fx_arms.yaml"
    )
    added.add_argument("--train-from", metavar="TIME", help="train on labels from there on")
    added.add_argument("--test-until", metavar="TIME", help="look at no bar from there on")

    added = command(
        "leave-out",
        leave_instruments_out,
        show_left_out,
        "Train without some instruments in turn and compare, on their bars, with having seen them; goes on "
        "after a kill.",
    )
    _add_settings(added)
    added.add_argument("--groups", type=int, default=3, help="trainings with a part left out")

    added = command(
        "mlflow",
        open_mlflow,
        lambda result: f"MLflow's UI over {result['uri']} closed",
        "Open MLflow's UI.",
    )
    added.add_argument("--port", type=int, default=5000)


def _add_settings(added: argparse.ArgumentParser) -> None:
    """What every comparison of trainings is told."""
    added.add_argument("--config", type=Path, help="YAML; default assets/default.yaml")
    added.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    added.add_argument("--test-step", type=int, default=1, metavar="K", help="score every K-th bar")
    added.add_argument("--name", help="name of the results; default the configuration's")


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
    from core.disk import plain
    from core.experiments.ablation.arms import ARMS, read_arms
    from core.experiments.ablation.run import run_ablation
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


def leave_instruments_out(options: argparse.Namespace) -> dict[str, Any]:
    """Train without some instruments in turn, and compare."""
    from core.bundle import check_name
    from core.config import load_config
    from core.data.store import BarStore
    from core.disk import plain
    from core.experiments.left_out import leave_out
    from core.training.pipeline import read_bars

    config = load_config(options.config, options.set)
    store = BarStore()
    name = options.name or config.name
    check_name(name)
    scores = leave_out(
        read_bars(store, config),
        config,
        store.home / "left_out" / name,
        groups=options.groups,
        test_step=options.test_step,
        progress=show_progress("trainings"),
    )
    return {"scores": [plain(asdict(score)) for score in scores]}


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
