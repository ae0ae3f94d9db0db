"""What the commands about explanations do: parsed options in, plain values out.

Modules are imported inside, so that ``--help`` does not wait for torch.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.cli.command import AddCommand, open_predictor, parse_time, show_progress, show_stages
from core.cli.output import show_evidence, show_explanation, show_selection
from core.errors import InputError

if TYPE_CHECKING:
    from core.explain.explanation import Question


def add_commands(command: AddCommand) -> None:
    """Add this file's commands and their arguments."""
    added = command(
        "explain",
        explain_bar,
        show_explanation,
        "Say why the model says what it says at one bar, and check it.",
    )
    added.add_argument("--instrument", required=True)
    added.add_argument("--timeframe", required=True)
    added.add_argument("--at", metavar="TIME", help="bar open, UTC; the last bar at or before it")
    added.add_argument("--task", default="direction")
    added.add_argument("--class", dest="target", metavar="CLASS", help="in any case; default the one called")
    added.add_argument("--method", help="default: what finds planted causes best, see `evidence`")
    added.add_argument(
        "--reference",
        metavar="NAME",
        help="what is compared with: ordinary_windows, typical_window or window_mean; default: the real "
        "windows from which planted causes are found best",
    )
    added.add_argument("--baseline", dest="reference", help=argparse.SUPPRESS)
    added.add_argument(
        "--grouping", choices=("feature", "source"), default="feature", help="what feature ablation hides"
    )
    added.add_argument(
        "--member",
        type=int,
        metavar="N",
        help="of an ensemble, from 1, explained alone; default all of them",
    )
    added.add_argument("--seed", type=int, default=0, help="of everything sampled")
    added.add_argument("--model", metavar="NAME")
    added.add_argument(
        "--html", type=Path, metavar="FILE", help="write the report, one file that opens anywhere"
    )
    added.add_argument("--address", metavar="URL", help="of your workbench, for the report's link")

    added = command(
        "evidence",
        measure_evidence,
        show_evidence,
        "Measure how far the model's explanations can be trusted; goes on after a kill.",
    )
    added.add_argument("--model", metavar="NAME")
    added.add_argument(
        "--parts", nargs="+", metavar="PART", help="out of planted routing importance moments; default all"
    )
    added.add_argument("--windows", type=int, metavar="N", help="windows behind each part; default its own")
    added.add_argument("--steps", type=int, default=600, help="training steps of each planted model at most")
    added.add_argument("--out", type=Path, help="folder; default LOOKBACK_HOME/evidence/MODEL")

    added = command(
        "select-features",
        select_features,
        show_selection,
        "Train without the features that importance says may go, and compare; goes on after a kill.",
    )
    added.add_argument("--model", metavar="NAME")
    added.add_argument(
        "--threshold", type=float, metavar="SHARE", help="of all attribution; default the measurement's own"
    )
    added.add_argument("--test-step", type=int, default=1, metavar="K", help="score every K-th bar")
    added.add_argument("--another-seed", action="store_true", help="also train the whole model once more")


def explain_bar(options: argparse.Namespace) -> dict[str, Any]:
    """Explain one bar's prediction and check the explanation; write the report where a file is given."""
    from core.explain.cache import open_cache
    from core.explain.evidence.store import read_evidence
    from core.explain.explanation import Explanation, check_explanation, explain_moment, pose_question
    from core.explain.methods.registry import planted_scores
    from core.explain.methods.settings import Settings
    from core.explain.moment import Moment

    if options.html is not None and not options.html.absolute().parent.is_dir():
        raise InputError("a folder to write the report to", str(options.html.parent), "make it first")
    predictor = open_predictor(options.model)
    at = None if options.at is None else parse_time(options.at)
    moment = Moment.at(predictor, options.instrument, options.timeframe, at)
    planted = read_evidence(predictor.store.home, predictor.bundle, "planted")
    question = pose_question(
        moment, planted, task=options.task, target=options.target, method=options.method,
        reference=options.reference, settings=Settings(grouping=options.grouping, seed=options.seed),
        member=options.member,
    )  # fmt: skip
    cache = open_cache(predictor.store.home)
    found = explain_moment(moment, question, cache, progress=show_progress("explaining"))
    check = check_explanation(moment, question, found, cache, progress=show_progress("checking"))
    result = Explanation(moment, question, found, check).to_dict()
    result |= {
        "planted_auprc": planted_scores(planted).get((question.method, question.reference)),
        "prediction": moment.prediction.to_dict()["tasks"],
    }
    if options.html is not None:
        result["report"] = _write_report(options, question)
    return result


def _write_report(options: argparse.Namespace, question: Question) -> dict[str, Any]:
    # Charts belong to the workbench, which core does not import; it finds the explanation in the disk cache.
    chosen = {
        "--instrument": options.instrument,
        "--timeframe": options.timeframe,
        "--at": options.at,
        "--task": options.task,
        "--class": question.target,
        "--method": question.method,
        "--reference": question.reference,
        "--member": None if question.member is None else str(question.member),
        "--grouping": options.grouping,
        "--seed": str(options.seed),
        "--model": options.model,
        "--address": options.address,
        "--html": str(options.html),
    }
    arguments = [f"{name}={value}" for name, value in chosen.items() if value is not None]
    done = subprocess.run(
        [sys.executable, "-m", "app.report.command", *arguments], capture_output=True, text=True, check=False
    )
    if done.returncode:
        said = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise InputError(
            "a written report",
            said[-1].removeprefix("lookback: ").rstrip("."),
            "mend that and run the command again",
        )
    return {"file": str(options.html), "bytes": options.html.stat().st_size}


def measure_evidence(options: argparse.Namespace) -> dict[str, Any]:
    """Measure how far this model's explanations can be trusted, one part after another."""
    from core.explain.evidence.run import EvidenceSettings, measure_parts
    from core.explain.evidence.store import PARTS, evidence_folder, model_fingerprint
    from core.training.trainer import choose_precision

    predictor = open_predictor(options.model)
    bundle = predictor.bundle
    out = options.out or evidence_folder(predictor.store.home, bundle)
    bfloat16 = choose_precision(bundle.config.training) == "bf16-mixed"
    measured = measure_parts(
        predictor,
        out,
        options.parts or PARTS,
        EvidenceSettings(options.windows, options.steps, bfloat16),
        progress=show_stages(),
    )
    return {
        "model": bundle.name,
        "version": bundle.version,
        "fingerprint": model_fingerprint(bundle),
        "folder": str(out),
        "parts": measured,
    }


def select_features(options: argparse.Namespace) -> dict[str, Any]:
    """Train without the features that importance says may go, and compare with the whole model."""
    from dataclasses import asdict

    from core.disk import plain
    from core.experiments.ablation.without_features import compare_without, removable_by_evidence

    predictor = open_predictor(options.model)
    home, bundle = predictor.store.home, predictor.bundle
    removed = removable_by_evidence(home, bundle, options.threshold)
    result: dict[str, Any] = {"model": bundle.name, "version": bundle.version, "removed": removed, "arms": []}
    if not removed:
        return result
    scores = compare_without(
        predictor.store,
        bundle.config,
        removed,
        home / "feature_selection" / bundle.name,
        test_step=options.test_step,
        another_seed=options.another_seed,
        progress=show_progress("training"),
    )
    return result | {"arms": [plain(asdict(score)) | {"verdict": score.verdict} for score in scores]}
