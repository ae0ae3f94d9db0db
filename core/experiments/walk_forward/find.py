"""Where the walk-forward of a model lies."""

from __future__ import annotations

from pathlib import Path

import core.bundle
from core.experiments.walk_forward.results import SUMMARY

FOLDER = "walk_forward"
"""Of walk-forwards: in the home folder by name, in a model's folder or beside the shipped one its own."""


def find_walk_forward(home: Path, model: Path, name: str) -> Path | None:
    """Folder of a model's own finished walk-forward; None where there is none.

    Parameters
    ----------
    model, name
        Folder and name of the model. Looked for are, in turn: one in its folder, one beside the shipped model
        where it is that, and one of its name in the home folder.
    """
    shipped = core.bundle.SHIPPED
    beside = [shipped.parent / FOLDER] if Path(model) == shipped else []
    for folder in (Path(model) / FOLDER, *beside, Path(home) / FOLDER / name):
        if (folder / SUMMARY).is_file():
            return folder
    return None
