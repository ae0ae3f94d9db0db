"""What the commands of validation do: the pack of one model, and reviewers' notes.

Modules are imported inside, so that ``--help`` does not wait for torch.
"""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

from core.cli.command import AddCommand, show_stages
from core.cli.output import table
from core.errors import InputError


def add_commands(command: AddCommand) -> None:
    """Add this file's commands and their arguments."""
    added = command(
        "validate",
        validate,
        show_validation,
        "Write the validation pack of a model: page, numbers, tables; goes on after a kill.",
    )
    added.add_argument("--model", metavar="NAME")
    added.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    added.add_argument(
        "--walk-forward", type=Path, metavar="FOLDER", help="results that speak of the model; default its own"
    )
    added.add_argument(
        "--windows", type=int, default=40, metavar="N", help="test windows the model itself is asked about"
    )

    added = command("note", note, show_notes, "Add a reviewer's note and verdict, or list those there are.")
    added.add_argument("--model", metavar="NAME")
    added.add_argument("--verdict", metavar="VERDICT", help="accepted, 'to be fixed' or rejected")
    added.add_argument("--text", help="plain text; without it the notes are listed")
    added.add_argument("--subject", default="model", help="model, slice or prediction")
    added.add_argument("--about", default="", help="which slice, or which prediction: 'AAPL 1d 2013-03-01'")
    added.add_argument("--by", metavar="NAME", help="default: who is logged in")


def validate(options: argparse.Namespace) -> dict[str, Any]:
    """Measure and write the pack of one model."""
    from core.data.store import BarStore
    from core.validation.material import gather_material
    from core.validation.pack import HTML, JSON, make_pack

    material = gather_material(BarStore(), options.model, options.walk_forward, options.windows)
    typed = ["python", "-m", "core", *sys.argv[1:]]
    pack = make_pack(material, options.out, command=shlex.join(typed), progress=show_stages())
    _draw(options.out)
    return {
        "model": pack["model"],
        "counts": pack["counts"],
        "files": {name: str(options.out / name) for name in (HTML, JSON)},
        "sections": [
            {"section": section["title"], **{key: finding[key] for key in ("status", "what", "said")}}
            for section in pack["sections"]
            for finding in section["findings"]
        ],
    }


def show_validation(result: dict[str, Any]) -> str:
    """Every finding that is not met, the counts, and where the pack lies."""
    counts = ", ".join(f"{count} {status}" for status, count in result["counts"].items())
    lines = [f"Model {result['model']['name']} {result['model']['version']}: {counts}.", ""]
    for line in result["sections"]:
        if line["status"] == "not met":
            lines += [f"NOT MET  {line['section']}: {line['what']}", f"         {line['said']}"]
    return "\n".join([*lines, "", *result["files"].values()])


def note(options: argparse.Namespace) -> dict[str, Any]:
    """Append one note, or read them all."""
    from dataclasses import asdict

    from core.bundle import find_model, load_bundle
    from core.data.store import home_folder
    from core.review.notes import append_note, make_note, read_notes

    home = home_folder()
    bundle = load_bundle(find_model(home, options.model))
    if options.text is not None:
        if options.verdict is None:
            raise InputError("a verdict with the note", "none", "add --verdict accepted")
        made = make_note(
            bundle.name, bundle.version, options.verdict, options.text,
            subject=options.subject, about=options.about, who=options.by,
        )  # fmt: skip
        append_note(home, made)
    return {"model": bundle.name, "notes": [asdict(one) for one in read_notes(home, bundle.name)]}


def show_notes(result: dict[str, Any]) -> str:
    """Notes on one model, one a row."""
    kept = ("when", "who", "verdict", "subject", "about", "version", "text")
    rows = [{name: one[name] for name in kept} for one in result["notes"]]
    return table(rows, f"No note on {result['model']} yet.")


def _draw(folder: Path) -> None:
    # Charts belong to the workbench, which core does not import.
    done = subprocess.run(
        [sys.executable, "-m", "app.validation.command", f"--folder={folder}"],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        said = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise InputError(
            "a page of the pack",
            said[-1].removeprefix("lookback: ").rstrip("."),
            "mend that and run it again",
        )
