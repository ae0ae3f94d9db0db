"""The pack at one click on Performance: made beside the page, then offered for download."""

from __future__ import annotations

import uuid
from pathlib import Path

import streamlit as st

from app.shell import cached, controls, jobs, notices
from app.validation.command import write_page
from core.data.store import home_folder
from core.progress import Cancelled, Progress
from core.validation.material import gather_material
from core.validation.pack import JSON, MEASURED, make_pack

_ASKED = "validation_asked"
_STEPS = 100


def draw_pack() -> None:
    """The button and, once it was pressed, the progress of the pack or its download."""
    st.button(
        "Validation pack", key="validation_ask", on_click=_ask, icon=":material/verified:",
        help="Everything measured of this model as one document, each line met, not met or not tested, with "
        "the command that computes it again",
    )  # fmt: skip
    token = st.session_state.get(_ASKED)
    if token is None:
        return
    with st.container(border=True, key="validation"), notices.guard():
        model = controls.model_key()
        bundle = cached.predictor(model).bundle
        folder = home_folder() / "validation" / f"{bundle.name}-{bundle.version}"
        store, name = cached.predictor(model).store, bundle.name

        def work(progress: Progress, cancelled: Cancelled) -> Path:
            def told(stage: str, done: int, total: int) -> None:
                follow_stage(progress, stage, done, total)

            made = gather_material(store, name)
            make_pack(made, folder, progress=told, cancelled=cancelled)
            return write_page(folder)

        page = jobs.await_result(("validation", token, model), "Making the validation pack", work)
        if page is not None:
            _offer(page, bundle.name)


def follow_stage(progress: Progress, stage: str, done: int, total: int) -> None:
    """Carry the progress of one stage into that of all sections, of which sensitivity takes the longest."""
    keys = list(MEASURED)
    if stage == "sensitivity":
        progress(_STEPS * keys.index(stage) + _STEPS * done // max(total, 1), _STEPS * len(keys))
    else:
        progress(_STEPS * done, _STEPS * len(keys))


def _offer(page: Path, name: str) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f":material/verified: The pack is ready, {page.stat().st_size / 1e6:.1f} MB")
        st.download_button(
            "Page", page.read_bytes, type="primary", icon=":material/download:", mime="text/html",
            file_name=f"validation_{name}.html", on_click="ignore", key="validation_page",
        )  # fmt: skip
        st.download_button(
            "Numbers", page.with_name(JSON).read_bytes, icon=":material/download:", mime="application/json",
            file_name=f"validation_{name}.json", on_click="ignore", key="validation_numbers",
        )  # fmt: skip
        st.button(":material/close:", key="validation_close", help="Put it away", on_click=_forget)


def _ask() -> None:
    st.session_state[_ASKED] = uuid.uuid4().hex


def _forget() -> None:
    del st.session_state[_ASKED]
