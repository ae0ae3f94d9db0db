"""What a page says when something is missing, wrong or broken."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import streamlit as st
from streamlit.errors import StreamlitDuplicateElementKey

from app.shell import cached, controls
from app.shell.selection import SelectionError
from app.words.predictions import in_sample_sentence
from core.data.ingest.run import ingest_bundled
from core.data.store import SeriesSummary
from core.errors import InputError, ShortSeriesError
from core.prediction import Prediction
from core.progress import Progress

log = logging.getLogger("lookback")
OFFERED = 6
"""Series named to somebody whose own has too few bars."""


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
    except ShortSeriesError as error:
        show_short_series(error)
    except InputError as error:
        show_input_error(error)
    except Exception as error:  # the outermost edge: nothing above would handle it better
        show_unexpected(error)


def show_short_series(error: ShortSeriesError) -> None:
    """Too few bars: how many are missing, and what can be opened instead."""
    with st.container(border=True, key=f"short_series_{uuid.uuid4().hex[:8]}"):
        st.markdown(
            f":material/hourglass_empty: **{error.short:,} bars short**: the model reads "
            f"{error.needed:,} bars at once, and of {error.series} there are {error.found:,}."
        )
        same = (controls.selection().instrument, controls.selection().timeframe)
        works = [one for one in cached.series() if one.bars >= error.needed]
        works.sort(key=lambda one: (one.instrument != same[0], one.instrument, one.timeframe))
        if any((one.instrument, one.timeframe) == same for one in works):
            _offer("Latest bar", "short_latest", controls.reset)
        elif works:
            st.caption("Series that work:")
        with st.container(horizontal=True):
            for one in [one for one in works if (one.instrument, one.timeframe) != same][:OFFERED]:
                name = f"{one.instrument} {one.timeframe}"
                _offer(name, f"short_{name}", lambda one=one: _open_series(one))
        st.caption("Or bring more bars of this one on the Data page.")


def _offer(label: str, key: str, act: Callable[[], None]) -> None:
    # A page in two columns may be refused twice: the way out is offered once.
    with suppress(StreamlitDuplicateElementKey):
        if st.button(label, key=key):
            act()


def _open_series(one: SeriesSummary) -> None:
    controls.change(instrument=one.instrument, timeframe=one.timeframe, bar=None)
    st.rerun()


def show_in_sample(prediction: Prediction) -> None:
    """Say so where what came of the bar helped to make the model; nothing where it did not."""
    said = in_sample_sentence(prediction)
    if said:
        st.info(said, icon=":material/school:")


def show_empty_store() -> None:
    """No bars yet: why, and both ways to mend it."""
    with st.container(border=True, key="empty_store"):
        st.markdown(":material/inbox: **No bars in the store yet**")
        st.markdown(
            "Lookback predicts from stored bars. Real daily bars of eight US stocks and two US indices, and "
            "hourly ones of EURUSD, come with it; your own files go in on the Data page."
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
