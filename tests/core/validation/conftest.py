"""An untrained model over two stored series, and a walk-forward that is not its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core.bundle import save_bundle
from core.data.store import BarStore
from core.validation.material import Material, gather_material
from core.validation.pack import make_pack
from tests.core.review.synthetic_review import write_synthetic


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, walks, pair_bundle) -> Iterator[Path]:
    """Two series, the model "pair" and its walk-forward."""
    store = BarStore(tmp_path_factory.mktemp("home"))
    for bars in walks.values():
        store.upsert(bars)
    save_bundle(pair_bundle, store.home / "models" / "pair")
    (store.home / "walk_forward").mkdir()
    write_synthetic(store.home / "walk_forward" / "pair")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOOKBACK_HOME", str(store.home))
        yield store.home


@pytest.fixture(scope="module")
def material(home: Path) -> Material:
    return gather_material(BarStore(home), "pair", windows=3)


@pytest.fixture(scope="module")
def packed(material: Material, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The folder of a whole pack and what it holds."""
    folder = tmp_path_factory.mktemp("pack")
    return folder, make_pack(material, folder, command="typed")
