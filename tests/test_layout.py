"""The order of imports and the shape of the folders, read from the source of every module."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PATHS = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for top in ("app", "core", "pages")
    for path in sorted((ROOT / top).rglob("*.py"))
}
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in PATHS.items()}
FOLDERS = sorted({path.parent for name, path in PATHS.items() if not name.startswith("pages.")})

# The rooms of core from the ground up, then the screens: each imports from lines above its own alone.
ORDER = """
core core.errors
core.disk core.progress core.device
core.scores core.timeframe core.settings
core.config
core.data core.models
core.prediction core.confidence core.baselines
core.bundle
core.predictor
core.training core.explain
core.experiments
core.trading
core.operations
core.review
core.validation
core.cli
core.__main__ app
pages
"""
LINES = {room: line for line, rooms in enumerate(ORDER.split("\n")) for room in rooms.split()}


def imports(module: str) -> Iterator[tuple[str, str | None]]:
    """Every module of ours that `module` imports from, with the name it takes; None for the module itself."""
    for node in ast.walk(TREES[module]):
        if isinstance(node, ast.ImportFrom):
            assert not node.level, f"{module} imports relatively: write the whole address"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield (whole, None) if whole in TREES else (str(node.module), alias.name)
        elif isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names)


def room(module: str) -> str:
    """`core.data` for ``core.data.store``, `app` and `pages` for whatever lies in them."""
    return ".".join(module.split(".")[: 2 if module.startswith("core") else 1])


def defined(module: str) -> set[str]:
    """What a module defines itself at its top level."""
    found: set[str] = set()
    for statement in TREES[module].body:
        if isinstance(statement, ast.FunctionDef | ast.ClassDef):
            found.add(statement.name)
        elif not isinstance(statement, ast.Import | ast.ImportFrom):
            found |= {
                node.id
                for node in ast.walk(statement)
                if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
            }
    return found


ARROWS = [(m, target, name) for m in TREES for target, name in imports(m) if target in TREES]


def test_every_room_has_its_place_in_the_order() -> None:
    assert {room(module) for module in TREES} - set(LINES) == set()


def test_no_import_runs_back_up() -> None:
    up = {
        f"{module} -> {target}"
        for module, target, _ in ARROWS
        if room(module) != room(target) and LINES[room(target)] >= LINES[room(module)]
    }
    assert up == set()


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph: dict[str, set[str]] = {}
    for module, target, _ in ARROWS:
        graph.setdefault(module, set()).add(target)
    TopologicalSorter(graph).prepare()


def test_every_name_is_imported_from_where_it_is_defined() -> None:
    elsewhere = {f"{m}: {name} of {t}" for m, t, name in ARROWS if name and name not in defined(t)}
    assert elsewhere == set()
    assert [module for module in TREES if "__all__" in defined(module)] == []


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.relative_to(ROOT).as_posix())
def test_a_folder_is_small_and_its_init_lists_what_lies_in_it(folder: Path) -> None:
    files = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    assert len(files) <= 14
    folders = {path.name for path in folder.iterdir() if (path / "__init__.py").is_file()}
    said = ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8"))) or ""
    for title, there in (("Files", files), ("Folders", folders)):
        listed = re.search(rf"^{title}: (.+?)\.$", said, re.MULTILINE | re.DOTALL)
        assert (re.split(r",\s+", listed[1]) if listed else []) == sorted(there)
