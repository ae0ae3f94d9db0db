"""The validation pack of one model: every section measured, kept once finished, and written as one whole.

A folder holds ``validation.json`` (everything), ``tables/SECTION_TABLE.csv`` and, made from the first by
the workbench, ``validation.html``. While a pack is being made its finished sections lie under ``parts``; a
run that was killed goes on with them, as long as no input has changed.
"""

from __future__ import annotations

import getpass
import json
import platform
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from core import __version__
from core.disk import digest_json, hold_lock, plain, remove_leftovers, write_json, write_text
from core.errors import InputError
from core.progress import Cancelled, StageProgress, Stopped
from core.validation.findings import Section, count_statuses
from core.validation.material import Material
from core.validation.requirements import ANSWERS, REQUIREMENTS
from core.validation.sections.backtest import measure_backtest
from core.validation.sections.calibration import measure_calibration
from core.validation.sections.defects import search_defects
from core.validation.sections.explanations import measure_explanations
from core.validation.sections.fit import measure_fit
from core.validation.sections.limits import state_limits
from core.validation.sections.monitoring import set_triggers
from core.validation.sections.notes import list_notes
from core.validation.sections.origin import (
    describe_changes,
    describe_data,
    describe_labels,
    describe_purpose,
)
from core.validation.sections.outcomes import measure_outcomes
from core.validation.sections.sensitivity import measure_sensitivity
from core.validation.sections.slices import measure_slices
from core.validation.sections.stability import measure_stability

JSON, HTML, PARTS, TABLES = "validation.json", "validation.html", "parts", "tables"
FORMAT_VERSION = 1

Measure = Callable[[Material], Section]


class PackError(InputError):
    """A pack that cannot be written or read."""


MEASURED: dict[str, Measure] = {
    "purpose": describe_purpose,
    "data": describe_data,
    "labels": describe_labels,
    "outcomes": measure_outcomes,
    "calibration": measure_calibration,
    "slices": measure_slices,
    "stability": measure_stability,
    "sensitivity": measure_sensitivity,
    "explanations": measure_explanations,
    "fit": measure_fit,
    "defects": search_defects,
    "backtest": measure_backtest,
    "monitoring": set_triggers,
    "changes": describe_changes,
}
"""Sections that are measured by themselves, in the order they are; limits and notes are made from these."""


def make_pack(
    material: Material,
    out: Path,
    *,
    command: str = "",
    progress: StageProgress | None = None,
    cancelled: Cancelled | None = None,
) -> dict[str, Any]:
    """Measure every section that is not there yet, and write the pack without its page.

    Parameters
    ----------
    out
        Folder; made where it is absent.
    command
        What was typed, for the head.

    Returns
    -------
    dict
        What ``validation.json`` holds: ``made`` (who, when, with which command; all that differs between two
        runs on the same inputs), ``model``, ``inputs`` (SHA-256 by name), ``counts`` of findings by status,
        ``requirements`` and ``sections``.

    Raises
    ------
    InputError
        If the folder cannot be written or another run is writing it.
    Stopped
        If `cancelled` said so; finished sections are kept.
    """
    out = Path(out)
    try:
        (out / PARTS).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PackError(
            "a folder to write the pack to", f"{out}: {error.strerror}", "choose another"
        ) from None
    busy = PackError("a folder of its own", f"another run writing {out}", "wait for it or choose another")
    with hold_lock(out / ".lock", 0, busy):
        hashes = material.hash_inputs()
        stamp = digest_json([FORMAT_VERSION, __version__, hashes, material.windows])
        sections: dict[str, Section] = {}
        for done, (key, measure) in enumerate(MEASURED.items()):
            if cancelled is not None and cancelled():
                raise Stopped
            if progress is not None:
                progress("sections", done, len(MEASURED))
            path = out / PARTS / f"{key}.json"
            kept = _read_part(path, stamp)
            if kept is None:
                if key == "sensitivity":
                    told = None if progress is None else partial(progress, "sensitivity")
                    kept = measure_sensitivity(material, told, cancelled)
                else:
                    kept = measure(material)
                kept = _as_stored(kept)
                write_json(path, {"stamp": stamp, "section": kept.to_dict()})
            sections[key] = kept
        sections["limits"] = _as_stored(state_limits(material, sections))
        sections["notes"] = _as_stored(list_notes(material))
        if progress is not None:
            progress("sections", len(MEASURED), len(MEASURED))
        pack = _assemble(material, hashes, [sections[key] for key in ANSWERS], command)
        _write(out, pack)
    return pack


def read_pack(out: Path) -> dict[str, Any]:
    """What ``validation.json`` of a folder holds.

    Raises
    ------
    PackError
        If there is none, or it cannot be read.
    """
    path = Path(out) / JSON
    try:
        pack = json.loads(path.read_text(encoding="utf-8"))
        assert pack["format_version"] == FORMAT_VERSION
        for raw in pack["sections"]:
            Section.from_dict({name: raw[name] for name in ("key", "title", "findings", "tables", "facts")})
    except (OSError, ValueError, KeyError, TypeError, AssertionError) as error:
        raise PackError(
            f"a finished pack in {out}", str(error) or "another format", "run python -m core validate"
        ) from None
    return pack


def _assemble(
    material: Material, hashes: dict[str, str], sections: list[Section], command: str
) -> dict[str, Any]:
    bundle = material.bundle
    return {
        "format_version": FORMAT_VERSION,
        "made": {
            "by": getpass.getuser(),
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "command": command,
            "python": platform.python_version(),
        },
        "model": {"name": bundle.name, "version": bundle.version, "code": __version__},
        "inputs": hashes,
        "counts": count_statuses(sections),
        "requirements": {
            key: asdict(asked) | {"sections": [name for name, keys in ANSWERS.items() if key in keys]}
            for key, asked in REQUIREMENTS.items()
        },
        "sections": [section.to_dict() for section in sections],
    }


def _write(out: Path, pack: dict[str, Any]) -> None:
    written = set()
    for section in pack["sections"]:
        for name, rows in section["tables"].items():
            path = out / TABLES / f"{section['key']}_{name}.csv"
            write_text(path, pd.DataFrame(rows).to_csv(index=False, lineterminator="\n") if rows else "")
            written.add(path)
    for path in (out / TABLES).glob("*.csv"):
        if path not in written:
            path.unlink()
    write_json(out / JSON, pack)
    # A run that came to its end is not gone on with: the next one measures anew.
    for path in (out / PARTS).glob("*.json"):
        path.unlink()
    remove_leftovers(out / PARTS)


def _as_stored(section: Section) -> Section:
    """A section as it is read back, so that one gone on with is the same as one measured at once."""
    return Section.from_dict(json.loads(json.dumps(plain(section.to_dict()))))


def _read_part(path: Path, stamp: str) -> Section | None:
    """A section that an interrupted run finished on the same inputs; None otherwise."""
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        return Section.from_dict(raw["section"]) if raw["stamp"] == stamp else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
