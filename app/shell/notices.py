"""What a page says when something is missing, wrong or broken."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import streamlit as st

from app.shell import cached, controls
from app.shell.selection import SelectionError
from core.data.ingest.run import ingest_bundled
from core.errors import InputError
from core.progress import Progress

log = logging.getLogger("lookback")


def show_input_error(error: InputError) -> None:
    """The one way a refused input is shown: what was expected, what came, and what to do."""
    with st.container(border=True, key=f"input_error_{uuid.uuid4().hex[:8]}"):
        st.markdown(":material/error: **This cannot be used as it is**")
        st.text(str(error))


def show_unexpected(error: Exception) -> None:
    """A fault of the program: logged with a number, shown without its inner workings."""
    number = uuid.uuid4().hex[:8]
    log.error("fault %s", number, exc_info=error)
    with st.container(border=True, key=f"fault_{number}"):
        st.markdown(":material/bug_report: **Something went wrong in Lookback itself**")
        st.text(
            f"Your data are untouched. The log of the server names the cause under fault {number}. "
            "Reload the page; if it comes back, choose another bar or instrument."
        )


@contextmanager
def guard() -> Iterator[None]:
    """Show whatever the block raises instead of letting it end the page."""
    try:
        yield
    except SelectionError as error:
        show_input_error(error)
        st.button("Back to the latest bar", key=f"way_back_{error.received}", on_click=controls.reset)
    except InputError as error:
        show_input_error(error)
    except Exception as error:  # the outermost edge: nothing above would handle it better
        show_unexpected(error)


def show_empty_store() -> None:
    """No bars yet: why, and both ways to mend it."""
    with st.container(border=True, key="empty_store"):
        st.markdown(":material/inbox: **No bars in the store yet**")
        st.markdown(
            "Lookback predicts from stored bars. Real daily bars of five US stocks and two US indices "
            "come with it; your own files go in on the Data page."
        )
        if st.button("Load the bundled bars", type="primary", key="load_bundled"):
            run_with_progress("Loading", lambda report: ingest_bundled(cached.store(), progress=report))
            cached.forget_data()
            st.rerun()
        st.caption("Or on the command line:")
        st.code("python -m core ingest --bundled", language="bash")


def show_no_model() -> None:
    """Bars but no model: the command that trains one."""
    with st.container(border=True, key="no_model"):
        st.markdown(":material/model_training: **No trained model yet**")
        st.markdown("Nothing can be predicted before a model has been trained on the stored bars:")
        st.code("python -m core train", language="bash")
        st.caption("This page shows it as soon as it is there; reload then.")


def run_with_progress(label: str, work: Callable[[Progress], object]) -> object:
    """Run `work` under a progress bar; it reports (done, total), a total of 0 meaning not known."""
    bar = st.progress(0.0, text=label)

    def report(done: int, total: int) -> None:
        if total > 0:
            share = min(max(done / total, 0.0), 1.0)
            bar.progress(share, text=f"{label}: {100 * share:.0f}%")
        else:
            bar.progress(0.0, text=f"{label}: {done:,}")

    try:
        return work(report)
    finally:
        bar.empty()
