"""The workbench as a server that imports everything before its first visitor.

python -m streamlit run app/serve.py
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import streamlit as st

SLOWEST = ("plotly.graph_objects", "app.live.cached")
"""What takes longest to import, and with it the model's own libraries."""
_ENTRIES = ("app.main", "app.serve")


def list_modules() -> list[str]:
    """Everything the pages import: the slowest, then every module of every room."""
    rooms = pkgutil.walk_packages([str(Path(__file__).parent)], "app.")
    names = [found.name for found in rooms if not found.ispkg and found.name not in _ENTRIES]
    return list(dict.fromkeys([*SLOWEST, *names]))


@asynccontextmanager
async def preload(_: st.App) -> AsyncIterator[None]:
    """Import what every page needs; the server answers once this is done, and leaves no work behind."""
    for name in list_modules():
        importlib.import_module(name)
    yield
    from app.shell.jobs import board

    board().close()


app = st.App(Path(__file__).with_name("main.py"), lifespan=preload)
