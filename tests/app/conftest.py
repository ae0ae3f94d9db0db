"""A home folder the pages can be opened on."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import core.bundle
from core.data.store import BarStore


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, walks, walk_bundle, tmp_path_factory) -> Path:
    """A home folder with two series and one untrained model, none shipped."""
    folder = tmp_path / "home"
    store = BarStore(folder)
    for bars in walks.values():
        store.upsert(bars)
    saved = next(tmp_path_factory.getbasetemp().glob("bundles*/small"))
    shutil.copytree(saved, folder / "models" / walk_bundle.name)
    monkeypatch.setenv("LOOKBACK_HOME", str(folder))
    monkeypatch.setattr(core.bundle, "SHIPPED", tmp_path / "no model")
    return folder
