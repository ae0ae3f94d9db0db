"""A trained model as a folder: saved whole, verified on loading, never pickled (DESIGN 12)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.torch
import torch

from core import __version__
from core.confidence.similarity import DistanceReference, TrainingReference
from core.confidence.stated import TaskConfidence
from core.config import ASSETS, Config, parse_config
from core.data.inputs import series_key
from core.data.labels.borders import SeriesThresholds
from core.data.scaling import FeatureScaler
from core.data.segments import SeenData, SegmentBorders
from core.disk import digest_file, digest_json, stage_folder
from core.errors import BundleError, InputError
from core.models.ensemble import Model, join_members
from core.models.transformer import MarketTransformer

FORMAT_VERSION = 2
WEIGHTS = "model.safetensors"
MANIFEST = "bundle.json"
README = "README.md"
REFERENCES = ("representation", "inputs")
ARRAYS = tuple(f"{part}_{name}.npy" for part in REFERENCES for name in ("mean", "precision"))
SHIPPED = ASSETS / "model"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True)
class Bundle:
    """Everything needed to repeat a model's predictions, and what is known of its worth.

    Attributes
    ----------
    thresholds
        Frozen label borders by ``"instrument|timeframe"``; empty where labels are cut at trailing ones.
    instruments, timeframes
        Vocabularies; index 0 of the embeddings is "unknown", the first name is 1. A timeframe may stand there
        without a label that was trained on: `seen` knows.
    peers
        Instruments whose bars the cross-asset features of the others are measured against, trained on or not.
    confidence
        What states each task's confidence, fitted on the calibrate segment; tasks with too few labels there
        are absent.
    baselines
        The baselines fitted on the same training rows, as plain numbers.
    metrics
        Scores by segment and task, the model's beside the baselines'.
    version
        Twelve hex digits of the SHA-256 over all of the bundle's content.
    """

    name: str
    config: Config
    scaler: FeatureScaler
    thresholds: dict[str, SeriesThresholds]
    instruments: tuple[str, ...]
    peers: tuple[str, ...]
    timeframes: tuple[str, ...]
    borders: SegmentBorders
    reference: TrainingReference
    confidence: dict[str, TaskConfidence]
    baselines: dict[str, Any]
    metrics: dict[str, Any]
    data_fingerprint: str
    model: Model
    code_version: str = __version__
    version: str = ""

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Features in the order of the model's input columns."""
        return tuple(self.scaler.columns)

    @cached_property
    def seen(self) -> SeenData:
        """What the model was made of."""
        known = [series_key(name, bars) for name in self.instruments for bars in self.timeframes]
        return SeenData.of(self.borders, self.metrics.get("audit", {}), known)

    def instrument_index(self, instrument: str) -> int:
        """Embedding index, 0 for an instrument the model has not seen."""
        return _index(self.instruments, instrument)

    def timeframe_index(self, timeframe: str) -> int:
        """Embedding index, 0 for a timeframe the model has not seen."""
        return _index(self.timeframes, timeframe)


@dataclass(frozen=True)
class ModelEntry:
    """A bundle that can be chosen, as its manifest describes it."""

    name: str
    folder: Path
    version: str
    trained_until: str
    shipped: bool


def save_bundle(bundle: Bundle, folder: Path) -> Bundle:
    """Write `bundle` to `folder`, replacing what is there only once all of it is written.

    A README.md there is kept: what a person wrote is not the bundle's to delete.

    Returns
    -------
    Bundle
        The same bundle with its version set.
    """
    check_name(bundle.name)
    folder = Path(folder)
    with stage_folder(folder) as staging:
        weights = {name: tensor.contiguous() for name, tensor in bundle.model.state_dict().items()}
        safetensors.torch.save_file(weights, staging / WEIGHTS)
        for part in REFERENCES:
            reference: DistanceReference = getattr(bundle.reference, part)
            for name in ("mean", "precision"):
                values = getattr(reference, name).astype(np.float32)
                np.save(staging / f"{part}_{name}.npy", values, allow_pickle=False)
        if (folder / README).is_file():
            (staging / README).write_bytes((folder / README).read_bytes())
        (staging / WEIGHTS).chmod(0o644)
        manifest = _manifest(bundle)
        manifest["files"] = {name: digest_file(staging / name) for name in (WEIGHTS, *ARRAYS)}
        manifest["digest"] = _digest(manifest)
        (staging / MANIFEST).write_text(
            json.dumps(manifest, indent=1, allow_nan=False) + "\n", encoding="utf-8"
        )
    return load_bundle(folder)


def load_bundle(folder: Path) -> Bundle:
    """Read and verify a bundle.

    Raises
    ------
    BundleError
        If it is missing, altered, truncated, of a newer format, or does not fit together.
    """
    folder = Path(folder)
    manifest = _read_manifest(folder)
    for name, expected in manifest["files"].items():
        path = folder / name
        if not path.is_file():
            raise BundleError(f"the file {name} in the bundle {folder}", "none", "copy the bundle again")
        if digest_file(path) != expected:
            raise BundleError(
                f"{name} with the SHA-256 its manifest names",
                f"other content in {folder}",
                "copy the bundle again",
            )
    try:
        return _assemble(folder, manifest)
    except InputError as error:
        raise BundleError(
            "a bundle this version can read", f"{folder}: {error}", "train the model again"
        ) from None
    except (KeyError, TypeError, ValueError, RuntimeError, AttributeError) as error:
        raise BundleError(
            "a bundle whose parts fit together", f"{folder}: {error}", "train the model again"
        ) from None


def list_models(home: Path) -> list[ModelEntry]:
    """Bundles in the home folder, newest first, then the one that ships with the project.

    A folder without a readable manifest is left out; `load_bundle` says what is wrong with it.
    """
    folders = [path for path in (Path(home) / "models").glob("[!.]*") if (path / MANIFEST).is_file()]
    folders.sort(key=lambda path: (path / MANIFEST).stat().st_mtime, reverse=True)
    entries = []
    for folder in [*folders, SHIPPED]:
        try:
            manifest = _read_manifest(folder)
        except BundleError:
            continue
        entries.append(
            ModelEntry(
                name=manifest["name"],
                folder=folder,
                version=manifest["digest"][:12],
                trained_until=manifest["borders"]["train_end"],
                shipped=folder == SHIPPED,
            )
        )
    return entries


def find_model(home: Path, name: str | None = None) -> Path:
    """Folder of the bundle called `name`; without a name the shipped one, else the newest.

    Raises
    ------
    BundleError
        If there is none.
    """
    entries = list_models(home)
    if name is None:
        shipped = [entry for entry in entries if entry.shipped]
        chosen = shipped or entries
    else:
        check_name(name)
        folder = Path(home) / "models" / name
        if folder.exists():
            return folder
        chosen = [entry for entry in entries if entry.name == name]
    if not chosen:
        known = ", ".join(entry.name for entry in entries) or "none"
        raise BundleError(
            f"a model out of {known}",
            "none" if name is None else repr(name),
            "train one: python -m core train",
        )
    return chosen[0].folder


def check_name(name: str) -> None:
    """Refuse model names that could leave the models folder or break a shell."""
    if not _NAME.fullmatch(name):
        raise BundleError(
            "a model name of letters, digits, '.', '_' and '-' (64 at most)",
            repr(name),
            "choose another name",
        )


def _index(vocabulary: tuple[str, ...], name: str) -> int:
    return vocabulary.index(name) + 1 if name in vocabulary else 0


def _manifest(bundle: Bundle) -> dict[str, Any]:
    return {
        "format_version": FORMAT_VERSION,
        "name": bundle.name,
        "code_version": bundle.code_version,
        "config": bundle.config.model_dump(mode="json"),
        "scaler": bundle.scaler.to_dict(),
        "thresholds": {key: value.to_dict() for key, value in bundle.thresholds.items()},
        "instruments": list(bundle.instruments),
        "peers": list(bundle.peers),
        "timeframes": list(bundle.timeframes),
        "borders": bundle.borders.to_dict(),
        "reference": {
            part: {name: getattr(getattr(bundle.reference, part), name) for name in ("scale", "limit")}
            for part in REFERENCES
        },
        "confidence": {task: fitted.to_dict() for task, fitted in bundle.confidence.items()},
        "baselines": bundle.baselines,
        "metrics": bundle.metrics,
        "data_fingerprint": bundle.data_fingerprint,
    }


def _read_manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BundleError(
            f"a model bundle with {MANIFEST}", f"none in {folder}", "train one: python -m core train"
        ) from None
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise BundleError(f"readable JSON in {path}", str(error), "copy the bundle again") from None
    if not isinstance(manifest, Mapping) or not isinstance(manifest.get("format_version"), int):
        raise BundleError(f"a bundle manifest in {path}", "other JSON", "copy the bundle again")
    found = manifest["format_version"]
    if found > FORMAT_VERSION:
        raise BundleError(
            f"a bundle of format {FORMAT_VERSION} or older", f"format {found} in {folder}", "update Lookback"
        )
    files = set(manifest.get("files", {}))
    if manifest.get("digest") != _digest(manifest) or files != {WEIGHTS, *ARRAYS}:
        raise BundleError(
            f"{MANIFEST} as it was written", f"altered content in {folder}", "copy the bundle again"
        )
    return dict(manifest)


def _assemble(folder: Path, manifest: dict[str, Any]) -> Bundle:
    config = _read_config(manifest)
    scaler = FeatureScaler.from_dict(manifest["scaler"])
    return Bundle(
        name=manifest["name"],
        config=config,
        scaler=scaler,
        thresholds={key: SeriesThresholds.from_dict(value) for key, value in manifest["thresholds"].items()},
        instruments=tuple(manifest["instruments"]),
        peers=tuple(manifest.get("peers", manifest["instruments"])),
        timeframes=tuple(manifest["timeframes"]),
        borders=SegmentBorders.from_dict(manifest["borders"]),
        reference=TrainingReference(*(_read_reference(folder, manifest, part) for part in REFERENCES)),
        confidence={
            task: TaskConfidence.from_dict(stored) for task, stored in manifest["confidence"].items()
        },
        baselines=manifest["baselines"],
        metrics=manifest["metrics"],
        data_fingerprint=manifest["data_fingerprint"],
        model=_read_model(folder, manifest, config, scaler),
        code_version=manifest["code_version"],
        version=manifest["digest"][:12],
    )


def _read_config(manifest: dict[str, Any]) -> Config:
    raw = manifest["config"]
    if manifest["format_version"] == 1:
        # Before format 2 there was one kind of border.
        raw = raw | {"labels": raw["labels"] | {"reference": "frozen"}}
    return parse_config(raw)


def _read_model(folder: Path, manifest: dict[str, Any], config: Config, scaler: FeatureScaler) -> Model:
    direct = {task.name: task.direct_columns(scaler.columns) for task in config.tasks}
    counts = len(scaler.columns), config.tasks, len(manifest["instruments"]), len(manifest["timeframes"])
    model = join_members(
        [MarketTransformer(config.model, *counts, direct) for _ in range(config.model.members)]
    )
    try:
        weights = safetensors.torch.load_file(folder / WEIGHTS)
    except safetensors.SafetensorError as error:
        raise BundleError(f"safetensors weights in {folder}", str(error), "copy the bundle again") from None
    if manifest["format_version"] == 1:
        # Its heads had no scale, which is to say 1.
        weights = {f"heads.{task.name}.scale": torch.ones(()) for task in config.tasks} | weights
    model.load_state_dict(weights)
    return model.eval()


def _read_reference(folder: Path, manifest: dict[str, Any], part: str) -> DistanceReference:
    mean, precision = (
        np.load(folder / f"{part}_{name}.npy", allow_pickle=False).astype(np.float64)
        for name in ("mean", "precision")
    )
    numbers = manifest["reference"][part]
    return DistanceReference(mean, precision, float(numbers["scale"]), float(numbers["limit"]))


def _digest(manifest: Mapping[str, Any]) -> str:
    return digest_json({key: value for key, value in manifest.items() if key != "digest"})
