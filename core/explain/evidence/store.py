"""What has been measured about the explanations of one model, kept beside it.

Every view says how far it can be trusted by a measurement on the very model it speaks of, so each part
carries the model's fingerprint and is not shown for another one. The planted market speaks of an
architecture, and is shown for every model of that architecture.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from core.bundle import Bundle
from core.config import ASSETS, ModelConfig
from core.disk import digest_parts, write_json
from core.errors import InputError

Part = Literal["planted", "routing", "importance", "moments"]
PARTS: tuple[Part, ...] = ("planted", "routing", "importance", "moments")
"""What can be measured: methods on known causes, attention against removal, global importance, the index of
similar moments."""

FORMATS: dict[Part, int] = {"planted": 2, "importance": 2}
"""Parts whose content has changed since the first form, 1; 2 compares with real windows."""

SHIPPED = ASSETS / "evidence"
_SUFFIX = {"moments": ".npz"}


class EvidenceError(InputError):
    """Evidence that is damaged."""


def model_fingerprint(bundle: Bundle) -> str:
    """Sixteen hex digits that change with anything an explanation depends on: weights, scaling, features.

    Calibrators may be fitted anew without making what was measured of explanations untrue.
    """
    weights = sorted(bundle.model.state_dict().items())
    rest = json.dumps([bundle.scaler.to_dict(), bundle.instruments, bundle.timeframes])
    parts = (part for name, tensor in weights for part in (name.encode(), tensor.cpu().numpy()))
    return digest_parts([*parts, rest.encode()])[:16]


def planted_architecture(config: ModelConfig) -> ModelConfig:
    """The architecture a planted market tells of: the model's, with the usual dropout.

    How hard a model was regularised against the noise of a real market is no part of its architecture, and
    planted windows are drawn anew at every step.
    """
    usual = ModelConfig()
    rates = {"dropout": usual.dropout, "embedding_dropout": usual.embedding_dropout}
    return config.model_copy(update=rates)


def evidence_folder(home: Path, bundle: Bundle) -> Path:
    """Where evidence about `bundle` is written."""
    return Path(home) / "evidence" / model_fingerprint(bundle)


def evidence_path(folder: Path, part: Part) -> Path:
    """The file of one part."""
    return folder / f"{part}{_SUFFIX.get(part, '.json')}"


def find_evidence(home: Path, bundle: Bundle, part: Part) -> Path | None:
    """The file of one part: measured here, else shipped; None when nobody has measured it.

    Whether a file speaks of this model is for its reader to check.
    """
    folders = evidence_folder(home, bundle), SHIPPED
    return next((path for path in (evidence_path(f, part) for f in folders) if path.is_file()), None)


def write_evidence(folder: Path, bundle: Bundle, part: Part, content: dict[str, Any]) -> Path:
    """Write one part that is plain numbers; readers see the old file or the new one, never half of it."""
    path = evidence_path(folder, part)
    form = {"format": FORMATS[part]} if part in FORMATS else {}
    write_json(path, {"model": model_fingerprint(bundle), "model_name": bundle.name} | content | form)
    return path


def read_evidence(home: Path, bundle: Bundle, part: Part) -> dict[str, Any] | None:
    """One part that is plain numbers; None when it was not measured on this model, or in an older form.

    Raises
    ------
    EvidenceError
        If the file is damaged.
    """
    path = find_evidence(home, bundle, part)
    if path is None:
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if part == "planted":
            speaks = planted_architecture(ModelConfig(**content["architecture"])) == planted_architecture(
                bundle.config.model
            )
        else:
            speaks = content["model"] == model_fingerprint(bundle)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EvidenceError(
            f"measurements in {path}", f"a damaged file ({error})", "measure again: python -m core evidence"
        ) from None
    return content if speaks and content.get("format", 1) == FORMATS.get(part, 1) else None
