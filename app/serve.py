"""The workbench as a server that imports everything before its first visitor.

python -m streamlit run app/serve.py
"""

from __future__ import annotations

import importlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import streamlit as st

HEAVY = (
    "plotly.graph_objects",
    "app.live.cached",
    "app.review.choices",
    "app.data.upload",
    "app.attention.panels",
    "app.attention.comparison",
    "app.attention.panels",
    "app.attribution.choices",
    "app.what_if.editors",
    "app.what_if.panels",
    "app.similar.panels",
    "app.strip",
)
"""What the pages import, beginning with the slowest."""


@asynccontextmanager
async def preload(_: st.App) -> AsyncIterator[None]:
    """Import what every page needs; the server answers once this is done, and leaves no work behind."""
    for name in HEAVY:
        importlib.import_module(name)
    yield
    from app.shell.jobs import board

    board().close()


app = st.App(Path(__file__).with_name("main.py"), lifespan=preload)
