"""Features that may go, and what the model is worth without them: trained again, compared on the same bars.

Shapes: n windows, C classes.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from core.bundle import Bundle
from core.config import Config
from core.data.dataset import PreparedData, prepare
from core.data.features.table import MISSING_SHARE
from core.data.segments import CALIBRATE, TEST, TRAIN
from core.data.store import BarStore
from core.data.windows import LastBarWindows
from core.disk import plain, write_json
from core.errors import InputError
from core.experiments.ablation.arms import SEED, WHOLE
from core.experiments.ablation.scores import ArmScore, compare_forecasts
from core.explain.evidence.importance import removable_everywhere
from core.explain.evidence.store import read_evidence
from core.progress import Progress
from core.training.members import train
from core.training.pipeline import read_bars
from core.training.scoring import score_last_bars

WITHOUT = "without the removable features"
RESULT = "selection.json"


def removable_by_evidence(home: Path, bundle: Bundle, threshold: float | None = None) -> list[str]:
    """Features whose measured share of all attribution is below the threshold for every task.

    Parameters
    ----------
    threshold
        Another one than the measurement's own, in (0, 1).

    Raises
    ------
    InputError
        If the importance of this model's features was not measured.
    """
    measured = read_evidence(home, bundle, "importance")
    if measured is None:
        raise InputError(
            "a measured importance of this model's features",
            "none",
            "measure it: python -m core evidence --parts importance",
        )
    if threshold is None:
        return list(measured["removable"])
    by_task = [
        [name for name, (_, _, high) in task["attribution"]["features"]["all"].items() if high < threshold]
        for task in measured["tasks"].values()
    ]
    return removable_everywhere(by_task, bundle.feature_names)


def compare_without(
    store: BarStore,
    config: Config,
    removed: Sequence[str],
    folder: Path,
    *,
    test_step: int = 1,
    another_seed: bool = False,
    progress: Progress | None = None,
) -> list[ArmScore]:
    """Train with and without some features, same seed and segments, and compare on the same test bars.

    Parameters
    ----------
    removed
        Names of features, as the model has them.
    folder
        For checkpoints and `RESULT`; a killed comparison goes on, a finished training is only read.
    test_step
        Score every test_step-th bar of each series.
    another_seed
        Train once more with another seed, so that one sees how far two trainings of the same thing lie apart.
    progress
        Told (models trained, models in all).

    Returns
    -------
    list of ArmScore
        By model and task, then the prior; ``verdict`` says "better" or "worse" only where the paired
        difference in log-loss holds with all comparisons of the task's table counted.

    Raises
    ------
    InputError
        If a name is no feature, none is to go or none would stay, or no test bar is left to compare on.
    """
    bars = read_bars(store, config)
    whole = prepare(bars, config)
    fewer = _updated(config, "data", feature_columns=_keep(whole.feature_names, removed))
    trainings = {WHOLE: (whole, config), WITHOUT: (prepare(bars, fewer), fewer)}
    if another_seed:
        trainings[SEED] = (whole, _updated(config, "training", seed=config.training.seed + 1))
    judged = {name: _windows(data, settings) for name, (data, settings) in trainings.items()}
    for part in (CALIBRATE, TEST):
        rows = _common([windows[part].rows for windows in judged.values()], test_step)
        for windows in judged.values():
            windows[part].rows = rows
    if not len(judged[WHOLE][TEST]):
        raise InputError("test bars that both models can score", "none", "give more bars")
    folder = Path(folder)
    logits: dict[str, dict[str, np.ndarray]] = {}
    for done, (name, (data, settings)) in enumerate(trainings.items()):
        if progress is not None:
            progress(done, len(trainings))
        model = train(data, settings, folder / name.replace(" ", "_"), progress=False).model
        logits[name] = {
            f"{task}/{part}": outputs.logits
            for part, windows in judged[name].items()
            for task, outputs in score_last_bars(model, windows).tasks.items()
        }
    scores = compare_forecasts(logits, _priors(whole, config, judged[WHOLE]), judged[WHOLE], config)
    if progress is not None:
        progress(len(trainings), len(trainings))
    write_json(
        folder / RESULT,
        plain(
            {
                "removed": removed,
                "kept": fewer.data.feature_columns,
                "scores": [asdict(score) | {"verdict": score.verdict} for score in scores],
            }
        ),
    )
    return scores


def _keep(names: Sequence[str], removed: Sequence[str]) -> list[str]:
    for name in removed:
        if name not in names or name == MISSING_SHARE:
            near = difflib.get_close_matches(name, names, n=1)
            raise InputError(
                "features of the model", repr(name), f"did you mean {near[0]!r}" if near else "leave it out"
            )
    kept = [name for name in names if name != MISSING_SHARE and name not in removed]
    if not removed or not kept:
        raise InputError("some features to go and some to stay", f"{len(removed)} to go", "name others")
    return kept


def _updated(config: Config, section: str, **values: object) -> Config:
    return config.model_copy(update={section: getattr(config, section).model_copy(update=values)})


def _windows(data: PreparedData, config: Config) -> dict[int, LastBarWindows]:
    return {part: LastBarWindows(data, part, config) for part in (CALIBRATE, TEST)}


def _common(rows: Sequence[np.ndarray], step: int) -> np.ndarray:
    """Every step-th bar of each series that all models can score, as (series, bar), (n, 2).

    How many cells of a window are unknown depends on which features there are, so the bars may differ.
    """
    shared = sorted(set.intersection(*({*map(tuple, found.tolist())} for found in rows)))
    found = np.array(shared, dtype=np.int64).reshape(-1, 2)
    parts = [found[found[:, 0] == which][::step] for which in np.unique(found[:, 0])]
    return np.concatenate([found[:0], *parts])


def _priors(
    data: PreparedData, config: Config, judged: Mapping[int, LastBarWindows]
) -> dict[str, np.ndarray]:
    """The training segment's class shares for every labelled test bar, as ``task/prior``."""
    training = LastBarWindows(data, TRAIN, config)
    priors = {}
    for task in config.tasks:
        seen = training.last_labels(task.name)
        counts = np.bincount(seen[seen >= 0], minlength=len(task.classes)) + 1.0
        rows = int((judged[TEST].last_labels(task.name) >= 0).sum())
        priors[f"{task.name}/prior"] = np.tile(counts / counts.sum(), (rows, 1))
    return priors
