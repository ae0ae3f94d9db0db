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
    "app.live_resources",
    "app.review_controls",
    "app.upload",
    "app.attended_bars",
    "app.attention_comparison",
    "app.head_summaries",
    "app.attribution_choices",
    "app.what_if_editors",
    "app.what_if_result",
    "app.similar",
    "app.strip",
)
"""What the pages import, beginning with the slowest."""


@asynccontextmanager
async def preload(_: st.App) -> AsyncIterator[None]:
    """Import what every page needs; the server answers once this is done."""
    for name in HEAVY:
        importlib.import_module(name)
    yield


app = st.App(Path(__file__).with_name("main.py"), lifespan=preload)
