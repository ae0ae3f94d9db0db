"""What to explain and how: task, class, method, reference, member and grouping."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import streamlit as st

from app.attribution import cached as attribution_cached
from app.attribution.cached import Ask
from app.attribution.words import REFERENCE_TITLES
from app.figures.theme import class_sign
from app.shell import cached, controls
from app.shell.choosers import choose_member, chosen_task
from app.shell.jobs import board
from app.shell.selection import SelectionError
from app.shell.view import CHOICES
from app.words.predictions import title_of
from core.explain.methods.registry import METHODS, recommend
from core.explain.references import REFERENCES

BLOCKS, SHOWN = (CHOICES[name].options for name in ("attribution_block", "attribution_shown"))
_ROWS = {"feature": "single features", "source": "groups"}
_UNDER_WAY = "attribution_under_way"


def choose_ask(model: cached.ModelKey, at: controls.Moment) -> Ask:
    """Widgets in one row, which show and change the selection.

    Raises
    ------
    SelectionError
        If a link names a class, method or reference that does not exist.
    """
    bundle = cached.predictor(model).bundle
    tasks = {task.name: list(task.classes) for task in bundle.config.tasks}
    chosen, task = controls.selection(), chosen_task(model)
    predicted = cached.predict(model, at.key, at.bar).tasks[task]
    call, known = predicted.call, ", called" if predicted.no_call is None else ", likeliest"
    target = _known("class", chosen.target or call, tasks[task])
    advised = recommend(attribution_cached.evidence(model, "planted"), chosen.method, chosen.reference)
    method, reference = (
        _known("method", advised.method, list(METHODS)),
        _known("reference", advised.reference, list(REFERENCES)),
    )
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        _pick("task", "Task", list(tasks), task, 115, title_of)
        _pick(
            "target", "Class", tasks[task], target, 155,
            lambda name: f"{class_sign(name)} {name}" + (known if name == call else ""),
        )  # fmt: skip
        # Another method would else bring the reference it does best with, and both would have changed.
        _pick(
            "method", "Method", list(METHODS), method, 205, lambda name: METHODS[name].title,
            kept={"reference": reference},
        )  # fmt: skip
        _pick("reference", "Compared with", list(REFERENCES), reference, 190, REFERENCE_TITLES.__getitem__)
        member = choose_member(model, key="attribution_member")
        rows = st.segmented_control(
            "Rows", list(_ROWS), required=True, key="attribution_rows",
            persist_state="session", format_func=_ROWS.__getitem__,
        )  # fmt: skip
        block = st.selectbox(
            "Bars together", BLOCKS, key="attribution_block", persist_state="session", width=95,
            help="Sums over blocks of so many bars, counted back from the newest. Feature ablation and "
            "occlusion also hide the bars of a block together.",
        )  # fmt: skip
        shown = st.segmented_control(
            "Newest bars in sight", SHOWN, required=True, key="attribution_shown",
            persist_state="session",
        )  # fmt: skip
    return Ask(
        model, at.key, at.bar, task, target, method, reference, member,
        "source" if rows == "source" else "feature", block or 1, shown or 120,
    )  # fmt: skip


def stop_others(ask: Ask) -> None:
    """End what this person asked before and no longer looks at, so that nobody waits for it."""
    wanted = {ask.key(stage) for stage in ("attribution", "check", "depth")}
    for key in st.session_state.get(_UNDER_WAY, set()) - wanted:
        board().forget(key)
    st.session_state[_UNDER_WAY] = wanted


def _pick(
    field: str,
    label: str,
    options: list[str],
    value: str,
    width: int,
    title: Callable[[str], str],
    kept: Mapping[str, str] | None = None,
) -> None:
    """A select box for one field of the selection; a change of it holds on to what is `kept`."""
    key = f"attribution_{field}"
    st.session_state[key] = value

    def follow() -> None:
        controls.change(**{field: st.session_state[key]}, **(kept or {}))

    st.selectbox(label, options, key=key, format_func=title, on_change=follow, width=width)


def _known(what: str, name: str, options: list[str]) -> str:
    if name not in options:
        raise SelectionError(f"a {what} out of {', '.join(options)}", repr(name), "correct the link")
    return name
