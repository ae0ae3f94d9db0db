"""The planted market: every explaining method scored where the causes are known.

One result file per generator and, once all are there, one table; an interrupted run goes on where it stopped.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch

from core.config import ModelConfig
from core.disk import digest_json, stage_file, write_json
from core.errors import InputError
from core.explain.evidence.planted.markets import GENERATORS, Generator
from core.explain.evidence.planted.references import draw_references, with_mean
from core.explain.evidence.planted.scores import CauseScore, mean_score, score_causes
from core.explain.evidence.planted.training import (
    CLASSES,
    TASK,
    PlantedTraining,
    TrainedModel,
    build_model,
    train_planted,
)
from core.explain.evidence.planted.views import (
    accuracy_at_last_bar,
    explain_planted,
    randomised_correlation,
    views_of,
)
from core.explain.evidence.store import FORMATS
from core.explain.margin import TaskMargin
from core.explain.methods.registry import METHODS
from core.explain.methods.settings import Settings
from core.explain.references import ORDINARY
from core.progress import Cancelled, StageProgress, Stopped

TABLE = "planted.json"
FORMAT = FORMATS["planted"]
WINDOWS = 20
"""Windows explained per market: a standard error of about .016 over all six in half an hour on one core."""

RANDOMISED_WINDOWS = 2
_TEST_SEED = 7
_SAVE_EVERY = 10


@dataclass(frozen=True)
class _Scoring:
    windows: int
    methods: tuple[str, ...]
    settings: Settings
    bfloat16: bool


def run_planted(
    config: ModelConfig,
    out: Path,
    windows: int = WINDOWS,
    progress: StageProgress | None = None,
    *,
    training: PlantedTraining | None = None,
    settings: Settings | None = None,
    generators: Sequence[str] = tuple(GENERATORS),
    methods: Sequence[str] = tuple(METHODS),
    features: int = 30,
    bfloat16: bool = False,
    cancelled: Cancelled | None = None,
) -> dict[str, Any]:
    """Train a model of this architecture on every planted market and score every explanation of it.

    Parameters
    ----------
    config
        Architecture; windows have its length.
    out
        Folder for the models, one result per generator and the table `TABLE`. Models and scores found there
        from the same settings are kept, so that an interrupted run goes on and more windows or methods cost
        only what is new.
    windows
        Unseen windows explained per generator.
    training, settings
        How models are trained, and how hard the methods work.
    bfloat16
        See `explain_planted`; training has a setting of its own.

    Returns
    -------
    dict
        The table: ``generators[name]`` holds accuracy, bayes_accuracy, training_steps,
        ``scores[method][reference]`` (see `mean_score`, windows and seconds per explanation) and
        ``randomised[method]`` (rank correlation of magnitudes with those of the same model with random
        weights: near 0 is sane); ``best`` names the method and reference with the highest AUPRC averaged over
        generators.

    Raises
    ------
    InputError
        If a generator or method is unknown.
    """
    unknown = [name for name in generators if name not in GENERATORS] + [
        n for n in methods if n not in METHODS
    ]
    if unknown or windows < 1 or not generators or not methods:
        raise InputError(
            "known generators and methods, at least one window", f"{unknown}, {windows}", "correct it"
        )
    training, settings = training or PlantedTraining(), settings or Settings()
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    trained_by = _key([config.model_dump(mode="json"), asdict(training), features])
    key = _key([trained_by, asdict(settings), bfloat16])
    scoring = _Scoring(windows, tuple(methods), settings, bfloat16)
    results = {}
    for name in generators:
        path = out / f"{name}.json"
        trained = _trained(config, GENERATORS[name], training, features, out, trained_by, progress, cancelled)
        results[name] = _score_generator(trained, GENERATORS[name], scoring, path, key, progress, cancelled)
    table = {
        "format": FORMAT,
        "architecture": config.model_dump(mode="json"),
        "training": asdict(training),
        "settings": asdict(settings),
        "windows": windows,
        "features": features,
        "bfloat16": bfloat16,
        "generators": results,
        "best": best_method(results),
    }
    write_json(out / TABLE, table)
    return table


def best_method(results: dict[str, Any]) -> dict[str, Any]:
    """Method and reference whose AUPRC, averaged over generators, is highest."""
    sums: dict[tuple[str, str], list[float]] = {}
    for result in results.values():
        for method, by_reference in result["scores"].items():
            for reference, score in by_reference.items():
                sums.setdefault((method, reference), []).append(score["auprc"])
    (method, reference), values = max(sums.items(), key=lambda item: np.mean(item[1]))
    return {"method": method, "reference": reference, "auprc": float(np.mean(values))}


def _score_generator(
    trained: TrainedModel,
    generator: Generator,
    scoring: _Scoring,
    path: Path,
    key: str,
    progress: StageProgress | None,
    cancelled: Cancelled | None,
) -> dict[str, Any]:
    """Scores of every method and view; what an earlier call has scored on these windows is kept."""
    model = trained.model
    bars, features = model.config.sequence_length, model.num_features
    data = generator.draw(scoring.windows, _TEST_SEED, bars, features)
    stored = _read(path, key)
    rows: list[dict[str, Any]] = stored.get("rows", [])[: scoring.windows]
    rows += [{} for _ in range(scoring.windows - len(rows))]
    randomised: dict[str, float] = stored.get("randomised", {})

    def keep() -> None:
        write_json(path, {"key": key, "rows": rows, "randomised": randomised})

    views = views_of(scoring.methods, len(model.blocks))
    drawn = draw_references(generator, TaskMargin(model, TASK.name, CLASSES[-1], CLASSES), bars, features)
    references = [
        with_mean(drawn[int(series)], window)
        for series, window in zip(data.series, data.windows, strict=True)
    ]
    for index, row in enumerate(rows):
        absent = [view for view in views if "|".join(view) not in row]
        if not absent:
            continue
        if cancelled is not None and cancelled():
            keep()
            raise Stopped
        explained = explain_planted(
            model,
            data.windows[index],
            references[index],
            wanted=absent,
            settings=scoring.settings,
            bfloat16=scoring.bfloat16,
            cancelled=cancelled,
        )
        for view, (values, seconds) in explained.items():
            row["|".join(view)] = asdict(score_causes(values, data.mask[index])) | {"seconds": seconds}
        if (index + 1) % _SAVE_EVERY == 0:
            keep()
        if progress is not None:
            progress(f"explaining {generator.name}", index + 1, scoring.windows)
    keep()
    few = data.windows[:RANDOMISED_WINDOWS]
    against = [found[ORDINARY] for found in references[:RANDOMISED_WINDOWS]]
    for method in scoring.methods:
        if method not in randomised:
            randomised[method] = randomised_correlation(
                copy.deepcopy(model), few, against, method, scoring.settings, bfloat16=scoring.bfloat16
            )
            keep()
    large = generator.draw(max(scoring.windows, 500), _TEST_SEED + 1, bars, features)
    return {
        "explanation": generator.explanation,
        "accuracy": accuracy_at_last_bar(model, large),
        "bayes_accuracy": data.bayes_accuracy,
        "training_steps": trained.steps,
        "scores": _scores(rows, views),
        "randomised": {method: randomised[method] for method in scoring.methods},
    }


def _scores(rows: list[dict[str, Any]], views: Sequence[tuple[str, str]]) -> dict[str, dict[str, Any]]:
    scores: dict[str, dict[str, Any]] = {}
    for method, reference in views:
        cells = [dict(row[f"{method}|{reference}"]) for row in rows]
        seconds = float(np.mean([cell.pop("seconds") for cell in cells]))
        found = mean_score([CauseScore(**cell) for cell in cells])
        scores.setdefault(method, {})[reference] = found | {
            "windows": len(cells),
            "seconds": seconds,
        }
    return scores


def _trained(
    config: ModelConfig,
    generator: Generator,
    training: PlantedTraining,
    features: int,
    out: Path,
    key: str,
    progress: StageProgress | None,
    cancelled: Cancelled | None,
) -> TrainedModel:
    weights, record = out / f"{generator.name}.safetensors", out / f"{generator.name}.training.json"
    stored = _read(record, key)
    if stored and weights.is_file():
        model = build_model(config, features, training.seed)
        model.load_state_dict(safetensors.torch.load_file(weights))
        return TrainedModel(model.eval().to(training.device), stored["steps"], stored["accuracy"])

    def report(done: int, planned: int) -> None:
        if progress is not None:
            progress(f"training {generator.name}", done, planned)

    trained = train_planted(config, generator, training, features, progress=report, cancelled=cancelled)
    state = {name: tensor.contiguous() for name, tensor in trained.model.state_dict().items()}
    with stage_file(weights) as staging:
        safetensors.torch.save_file(state, staging)
    write_json(record, {"key": key, "steps": trained.steps, "accuracy": trained.training_accuracy})
    return TrainedModel(trained.model.to(training.device), trained.steps, trained.training_accuracy)


def _key(content: list[Any]) -> str:
    return digest_json([FORMAT, content])


def _read(path: Path, key: str) -> dict[str, Any]:
    """What an earlier run with the same settings left; nothing if the file is broken or of another run."""
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return {}
    return stored if isinstance(stored, dict) and stored.get("key") == key else {}
