"""The report at one click in the strip: made beside the page, then offered for download."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

import streamlit as st

from app.live import cached as live_cached
from app.report.command import build_body, report_name
from app.report.html import wrap_page
from app.report.material import Records, gather_material
from app.report.sections import name_of
from app.review.notes import draw_notes
from app.shell import cached, controls, jobs, notices
from app.shell.selection import Selection, bar_time
from core.errors import InputError
from core.experiments.walk_forward.records import WalkForwardResult
from core.explain.evidence.store import read_evidence
from core.explain.explanation import pose_question
from core.explain.moment import Moment
from core.predictor import Predictor
from core.progress import Cancelled, Progress
from core.timeframe import known_at

_ASKED = "report_asked"


@dataclass(frozen=True)
class Asked:
    """A report somebody clicked for; the token makes every click a new report of what is known then."""

    chosen: Selection
    token: str


@dataclass(frozen=True)
class Report:
    """A finished report without the drawing library, which is the same in all of them."""

    title: str
    body: str
    size: int

    def to_html(self) -> bytes:
        """The file."""
        return wrap_page(self.title, self.body).encode()


def draw_button(at: controls.Moment) -> None:
    """The button; nothing is computed before it is pressed."""
    st.button(
        "Report", key="report_ask", on_click=_ask, args=(at,),
        help="One file with everything said about this bar and why; opens without server and network",
    )  # fmt: skip


def draw_asked(at: controls.Moment) -> None:
    """Progress of the report asked for and, once it is there, its download; nothing when none was."""
    asked: Asked | None = st.session_state.get(_ASKED)
    if asked is None or asked.chosen != _pinned(at):
        return
    with st.container(border=True, key="report"), notices.guard():
        report = _await(asked, at)
        if report is not None:
            _offer(report, asked.chosen)
            draw_notes(
                cached.predictor(controls.model_key()).bundle, "prediction", name_prediction(asked.chosen)
            )


def _await(asked: Asked, at: controls.Moment) -> Report | None:
    model = controls.model_key()
    predictor, address = cached.predictor(model), _address()
    troubles: tuple[str, ...] = ()
    records: Records = {}
    past: WalkForwardResult | None = None
    try:
        past = live_cached.walk_forward(model)
        records = live_cached.confidence_records(model, known_at(bar_time(at.bar), at.key.timeframe))
    except InputError as error:
        troubles = (str(error),)

    def work(progress: Progress, cancelled: Cancelled) -> Report:
        return make_report(
            predictor, asked.chosen, records, past, troubles, address, progress=progress, cancelled=cancelled
        )

    return jobs.await_result(("report", asked.token, model, at.key), "Making the report", work)


def make_report(
    predictor: Predictor,
    chosen: Selection,
    records: Records,
    walk_forward: WalkForwardResult | None = None,
    troubles: tuple[str, ...] = (),
    address: str | None = None,
    *,
    progress: Progress | None = None,
    cancelled: Cancelled | None = None,
) -> Report:
    """Explain, check and write down what is selected; `chosen` names a bar."""
    at = None if chosen.bar is None else bar_time(chosen.bar)
    moment = Moment.at(predictor, chosen.instrument, chosen.timeframe, at)
    question = pose_question(
        moment, read_evidence(predictor.store.home, predictor.bundle, "planted"), task=chosen.task,
        target=chosen.target, method=chosen.method, reference=chosen.reference, member=chosen.member,
    )  # fmt: skip
    material = gather_material(
        moment, question, records=records, walk_forward=walk_forward, troubles=troubles, address=address,
        progress=progress, cancelled=cancelled,
    )  # fmt: skip
    report = Report(name_of(material), build_body(material), 0)
    return replace(report, size=len(report.to_html()))


def _offer(report: Report, chosen: Selection) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(
            f":material/description: Report of **{report.title}** is ready, {report.size / 1e6:.1f} MB"
        )
        st.download_button(
            "Download", report.to_html, type="primary", icon=":material/download:", mime="text/html",
            file_name=report_name(chosen.instrument, chosen.timeframe, chosen.bar or "", chosen.task),
            on_click="ignore", key="report_download",
        )  # fmt: skip
        st.button(":material/close:", key="report_close", help="Put it away", on_click=_forget)


def name_prediction(chosen: Selection) -> str:
    """What a note on one prediction is about: 'AAPL 1d 2013-03-01 direction'."""
    return f"{chosen.instrument} {chosen.timeframe} {chosen.bar} {chosen.task}"


def _ask(at: controls.Moment) -> None:
    st.session_state[_ASKED] = Asked(_pinned(at), uuid.uuid4().hex)


def _forget() -> None:
    del st.session_state[_ASKED]


def _pinned(at: controls.Moment) -> Selection:
    """What is selected, by name also where the newest bar is followed."""
    return replace(controls.selection(), bar=at.bar)


def _address() -> str | None:
    """Where this person reaches the workbench."""
    seen = urlsplit(st.context.url or "")
    base = str(st.get_option("server.baseUrlPath") or "").strip("/")
    return f"{seen.scheme}://{seen.netloc}/{base}" if seen.netloc else None
