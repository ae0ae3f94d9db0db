"""The index of every moment a model has looked at: built from the store and kept as one file.

Shapes: n moments, D width of the representation, T bars, N features, C classes.
"""

from __future__ import annotations

import json
import zipfile
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from core.bundle import Bundle
from core.data.dataset import LabelledSeries
from core.data.segments import TRAIN
from core.device import device_of
from core.disk import write_arrays
from core.errors import InputError
from core.explain.evidence.sample import known_series
from core.explain.evidence.store import EvidenceError, find_evidence, model_fingerprint
from core.explain.similar.reach import list_sources, valid_until
from core.explain.similar.search import MISSING, IndexedSeries, MomentIndex
from core.prediction import ModelWindow
from core.predictor import BATCH, Predictor, whole_windows
from core.progress import Cancelled, Meter, Progress
from core.timeframe import duration

STEP = 2
"""Every second window: neighbours differ by one bar in 300, and the shipped index stays below 8 MB."""

FORMAT = 1
_TIME = "datetime64[us]"


def build_index(
    predictor: Predictor,
    *,
    step: int = STEP,
    previous: MomentIndex | None = None,
    progress: Progress | None = None,
    cancelled: Cancelled | None = None,
) -> MomentIndex:
    """Score every `step`-th whole window of every stored series the model knows.

    Parameters
    ----------
    previous
        An older index: windows it has of bars that have not changed since are not scored again. Outcomes are
        always read anew, since some became known in between.
    progress
        Told how many windows of how many are scored.

    Raises
    ------
    InputError
        If `step` is below 1, or the store holds no whole window of a series the model knows.
    Stopped
        If `cancelled` said so.
    """
    if step < 1:
        raise InputError("a step of at least one bar", str(step), "raise it")
    model = model_fingerprint(predictor.bundle)
    sources = list_sources(predictor)
    series = known_series(predictor)
    ends = [_ends(predictor, one, step) for one in series]
    if not sum(map(len, ends)):
        raise InputError(
            "stored bars of a series the model was trained on", "none", "ingest the bars it was trained on"
        )
    if previous is not None and (previous.model, previous.step) != (model, step):
        previous = None
    kept = [np.empty(0, np.int64)] * len(series)
    if previous is not None:
        valid = valid_until(previous, sources, predictor.store)
        kept = [
            _stored_rows(previous, one, last, valid.get(one.timeframe))
            for one, last in zip(series, ends, strict=True)
        ]
    meter = Meter(progress, cancelled)
    meter.plan(sum(len(last) - len(rows) for last, rows in zip(ends, kept, strict=True)))
    meter.check()
    meter.add(0)
    scored = []
    for one, last, rows in zip(series, ends, kept, strict=True):
        fresh = _score(predictor, one, last[len(rows) :], meter)
        scored.append(fresh if previous is None else _join(previous, rows, fresh))
    tasks = [task.name for task in predictor.bundle.config.tasks]
    return MomentIndex(
        representations=np.concatenate([found.representations for found in scored]),
        series=np.repeat([one.key for one in series], [len(last) for last in ends]),
        bar=np.concatenate(ends).astype(np.int64),
        ts=np.concatenate([one.ts[last] for one, last in zip(series, ends, strict=True)]),
        outcome={
            task: np.concatenate([one.labels[task][last] for one, last in zip(series, ends, strict=True)])
            for task in tasks
        },
        outcome_known_at={
            task: np.concatenate([_known_at(one, task)[last] for one, last in zip(series, ends, strict=True)])
            for task in tasks
        },
        probabilities={task: np.concatenate([found.said[task] for found in scored]) for task in tasks},
        length=predictor.length,
        trained={
            task: np.concatenate(
                [one.segments[task][last] == TRAIN for one, last in zip(series, ends, strict=True)]
            )
            for task in tasks
        },
        model=model,
        step=step,
        sources=tuple(sources),
    )


def save_index(index: MomentIndex, path: Path, bundle: Bundle) -> Path:
    """Write the index; readers see the old file or the new one, never half of it.

    Parameters
    ----------
    path
        `core.explain.evidence.store.evidence_path` of part "moments".

    Raises
    ------
    InputError
        If the index was made by another model.
    """
    if index.model != model_fingerprint(bundle):
        raise InputError(f"an index made by the model {bundle.name}", "another model's", "build it again")
    tasks = list(index.outcome)
    names, codes = np.unique(index.series, return_inverse=True)
    header = {
        "format": FORMAT,
        "model": index.model,
        "model_name": bundle.name,
        "length": index.length,
        "step": index.step,
        "tasks": tasks,
        "series": names.tolist(),
        "sources": [asdict(source) | {"last": str(source.last)} for source in index.sources],
    }
    arrays: dict[str, np.ndarray] = {
        "header": np.frombuffer(json.dumps(header, allow_nan=False).encode(), np.uint8),
        "representations": index.representations.astype(np.float16),
        "series": codes.astype(np.int16),
        "bar": index.bar.astype(np.int32),
        "ts": index.ts.astype(_TIME).astype(np.int64),
    }
    for place, task in enumerate(tasks):
        arrays[f"outcome_{place}"] = index.outcome[task].astype(np.int8)
        arrays[f"known_{place}"] = index.outcome_known_at[task].astype(_TIME).astype(np.int64)
        arrays[f"probabilities_{place}"] = index.probabilities[task].astype(np.float32)
        arrays[f"trained_{place}"] = index.trained[task]
    write_arrays(path, arrays)
    return path


def load_index(home: Path, bundle: Bundle) -> MomentIndex | None:
    """The index of this very model: built here, else shipped; None when there is none of it.

    Raises
    ------
    EvidenceError
        If the file is damaged.
    """
    path = find_evidence(home, bundle, "moments")
    if path is None:
        return None
    try:
        with np.load(path, allow_pickle=False) as stored:
            header = json.loads(bytes(stored["header"]).decode())
            if header["format"] != FORMAT or header["model"] != model_fingerprint(bundle):
                return None
            return _restore(header, {name: stored[name] for name in stored.files})
    except (
        OSError, ValueError, KeyError, TypeError, IndexError, EOFError, zipfile.BadZipFile, zlib.error
    ) as error:  # fmt: skip
        raise EvidenceError(
            f"an index of similar moments in {path}",
            f"a damaged file ({str(error).strip() or type(error).__name__})",
            "build it again: python -m core evidence --parts moments",
        ) from None


def _restore(header: dict[str, Any], arrays: dict[str, np.ndarray]) -> MomentIndex:
    by_task: dict[str, dict[str, np.ndarray]] = {
        kind: {task: arrays[f"{kind}_{place}"] for place, task in enumerate(header["tasks"])}
        for kind in ("outcome", "known", "probabilities", "trained")
    }
    if not np.isfinite(arrays["representations"]).all():
        raise ValueError("representations that are not finite")
    return MomentIndex(
        representations=arrays["representations"],
        series=np.array(header["series"])[arrays["series"]],
        bar=arrays["bar"].astype(np.int64),
        ts=arrays["ts"].astype(_TIME),
        outcome={task: values.astype(np.int64) for task, values in by_task["outcome"].items()},
        outcome_known_at={task: values.astype(_TIME) for task, values in by_task["known"].items()},
        probabilities=by_task["probabilities"],
        length=int(header["length"]),
        trained=by_task["trained"],
        model=header["model"],
        step=int(header["step"]),
        sources=tuple(
            IndexedSeries(**source | {"last": np.datetime64(source["last"], "us")})
            for source in header["sources"]
        ),
    )


@dataclass(frozen=True)
class _Scored:
    """Representations (n, D) float16, and by task probabilities (n, C) float32."""

    representations: np.ndarray
    said: dict[str, np.ndarray]


def _score(predictor: Predictor, series: LabelledSeries, ends: np.ndarray, meter: Meter) -> _Scored:
    bundle, length = predictor.bundle, predictor.length
    model = bundle.model.eval()
    device = device_of(model)
    context = bundle.instrument_index(series.instrument), bundle.timeframe_index(series.timeframe)
    representations = [np.empty((0, bundle.config.model.d_model * bundle.config.model.members), np.float16)]
    said = {task.name: [np.empty((0, len(task.classes)), np.float32)] for task in bundle.config.tasks}
    for chunk in (ends[start : start + BATCH] for start in range(0, len(ends), BATCH)):
        windows = np.stack([series.features[end + 1 - length : end + 1] for end in chunk])
        indices = (torch.full((len(chunk),), index, device=device) for index in context)
        with torch.inference_mode():
            output = model(torch.from_numpy(windows).to(device), *indices, last_only=True)
        representations.append(output.representation[:, -1].float().cpu().numpy().astype(np.float16))
        for task, parts in said.items():
            parts.append(output.tasks[task].probabilities[:, -1].float().cpu().numpy())
        meter.check()
        meter.add(len(chunk))
    return _Scored(
        np.concatenate(representations), {task: np.concatenate(parts) for task, parts in said.items()}
    )


def _join(previous: MomentIndex, rows: np.ndarray, fresh: _Scored) -> _Scored:
    return _Scored(
        np.concatenate([previous.representations[rows].astype(np.float16), fresh.representations]),
        {
            task: np.concatenate([previous.probabilities[task][rows], part])
            for task, part in fresh.said.items()
        },
    )


def _ends(predictor: Predictor, series: LabelledSeries, step: int) -> np.ndarray:
    share = predictor.bundle.config.data.max_missing_share
    ends = whole_windows(series.missing, predictor.length, share)
    return ends[series.usable[ends]][::step]


def _known_at(series: LabelledSeries, task: str) -> np.ndarray:
    """Close of the bar that decided each label, (T,) datetime64[us]; NaT where there is none."""
    end = series.label_end[task]
    closes = series.ts + duration(series.timeframe).to_timedelta64()
    return np.where(end != MISSING, closes[np.maximum(end, 0)], np.datetime64("NaT", "us")).astype(_TIME)


def _stored_rows(
    previous: MomentIndex, series: LabelledSeries, ends: np.ndarray, valid: np.datetime64 | None
) -> np.ndarray:
    """Rows of the older index for the first of the windows ending at `ends`, as far as they are `valid`."""
    if valid is None:
        return np.empty(0, np.int64)
    rows = np.flatnonzero((previous.series == series.key) & (previous.ts <= valid))
    same = np.array_equal(previous.bar[rows], ends[: len(rows)])
    return rows if same else np.empty(0, np.int64)


def represent_window(predictor: Predictor, window: ModelWindow) -> np.ndarray:
    """The last bar's final representation of one window, as the index holds them, (D,) float32."""
    bundle = predictor.bundle
    model = bundle.model.eval()
    device = device_of(model)
    context = bundle.instrument_index(window.instrument), bundle.timeframe_index(window.timeframe)
    indices = (torch.tensor([index], device=device) for index in context)
    with torch.inference_mode():
        output = model(torch.from_numpy(window.features)[None].to(device), *indices, last_only=True)
    return output.representation[0, -1].float().cpu().numpy()
