"""Measuring the explanations of one model, part after part; an interrupted run goes on where it stopped."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from core.disk import digest_json, write_json
from core.errors import InputError
from core.explain.evidence.importance import measure_importance
from core.explain.evidence.planted.run import run_planted
from core.explain.evidence.planted.training import PlantedTraining
from core.explain.evidence.routing import measure_routing
from core.explain.evidence.store import (
    PARTS,
    Part,
    evidence_path,
    model_fingerprint,
    planted_architecture,
    write_evidence,
)
from core.explain.similar.index import build_index, save_index
from core.predictor import Predictor
from core.progress import Cancelled, StageProgress


@dataclass(frozen=True)
class EvidenceSettings:
    """How much is measured.

    Attributes
    ----------
    windows
        Windows behind every part but the index; None is each part's own number.
    steps
        Training steps of each planted model at most.
    bfloat16
        Train and explain planted models in bfloat16, where the machine gains by it.
    """

    windows: int | None = None
    steps: int = 600
    bfloat16: bool = False


def measure_parts(
    predictor: Predictor,
    out: Path,
    parts: Sequence[str] = PARTS,
    settings: EvidenceSettings | None = None,
    *,
    progress: StageProgress | None = None,
    cancelled: Cancelled | None = None,
) -> dict[str, dict[str, Any]]:
    """Measure `parts` in the order of `PARTS` and write each to `out` as soon as it is there.

    Returns
    -------
    dict
        By part: ``file``, ``seconds``, and ``kept``, whether it was left by the same run before it was
        interrupted.

    Raises
    ------
    InputError
        If a part is unknown, a number below 1, or the store holds no bars to measure on.
    Stopped
        If `cancelled` said so; finished parts are kept.
    """
    settings = settings or EvidenceSettings()
    unknown = [part for part in parts if part not in PARTS]
    if unknown or not parts:
        raise InputError(
            f"parts out of {', '.join(PARTS)}", ", ".join(unknown) or "none", "name at least one"
        )
    if min(settings.steps, 1 if settings.windows is None else settings.windows) < 1:
        raise InputError("at least one window and one step", f"{settings}", "raise them")
    work = predictor.store.home / "evidence" / "work"
    record = (
        work / f"{_digest([model_fingerprint(predictor.bundle), asdict(settings), str(out.absolute())])}.json"
    )
    done = _read(record)
    measured = {}
    for part in PARTS:
        if part not in parts:
            continue
        path = evidence_path(out, part)
        if part in done and path.is_file():
            measured[part] = done[part] | {"kept": True}
            continue
        began = time.perf_counter()
        _measure(part, predictor, out, work, settings, progress, cancelled)
        done[part] = {"file": str(path), "seconds": round(time.perf_counter() - began, 1)}
        measured[part] = done[part] | {"kept": False}
        write_json(record, done)
    # A run that came to its end is not gone on with: the next one measures anew.
    record.unlink(missing_ok=True)
    return measured


def _measure(
    part: Part,
    predictor: Predictor,
    out: Path,
    work: Path,
    settings: EvidenceSettings,
    progress: StageProgress | None,
    cancelled: Cancelled | None,
) -> None:
    bundle = predictor.bundle
    told = None if progress is None or part not in _DOING else partial(progress, _DOING[part])
    windows: dict[str, Any] = {} if settings.windows is None else {"windows": settings.windows}
    if part == "moments":
        out.mkdir(parents=True, exist_ok=True)
        save_index(
            build_index(predictor, progress=told, cancelled=cancelled), evidence_path(out, part), bundle
        )
        return
    if part == "planted":
        architecture = planted_architecture(bundle.config.model)
        content = run_planted(
            architecture,
            work / f"planted-{_digest(architecture.model_dump(mode='json'))}",
            progress=progress,
            training=PlantedTraining(steps=settings.steps, bfloat16=settings.bfloat16),
            bfloat16=settings.bfloat16,
            cancelled=cancelled,
            **windows,
        )
    elif part == "routing":
        content = measure_routing(predictor, progress=told, cancelled=cancelled, **windows)
    else:
        content = measure_importance(predictor, progress=told, cancelled=cancelled, **windows)
    write_evidence(out, bundle, part, content)


_DOING: dict[str, str] = {
    "routing": "attention against removal",
    "importance": "global importance",
    "moments": "index of similar moments",
}


def _digest(content: Any) -> str:
    return digest_json(content)[:16]


def _read(record: Path) -> dict[str, Any]:
    """Parts that an interrupted run has finished; none when its record cannot be read."""
    try:
        found = json.loads(record.read_text(encoding="utf-8"))
    except (FileNotFoundError, UnicodeDecodeError, json.JSONDecodeError):
        return {}
    return found if isinstance(found, dict) else {}
