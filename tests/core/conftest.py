"""A home folder commands can work in."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.bundle import save_bundle
from core.data.store import BarStore


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, walks, walk_bundle) -> Path:
    """Two series and one untrained model called small."""
    monkeypatch.setenv("LOOKBACK_HOME", str(tmp_path))
    store = BarStore()
    for bars in walks.values():
        store.upsert(bars)
    save_bundle(walk_bundle, tmp_path / "models" / "small")
    return tmp_path
