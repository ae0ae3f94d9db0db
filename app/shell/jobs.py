"""Long work beside the page: progress, time left, cancel; the result stays for everybody who asks for it."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any, TypeVar

import streamlit as st

from core.progress import Cancelled, Progress, Stopped

T = TypeVar("T")
Work = Callable[[Progress, Cancelled], T]
"""Reports (done, planned), asks whether it was cancelled and raises `Stopped` then."""

KEPT = 64
PATIENCE = 0.4
"""Seconds a page waits for a result before it shows a progress bar instead."""
TICK = 0.4


@dataclass
class Job:
    """One piece of work, its progress and, in `future`, what comes of it."""

    label: str
    done: int = 0
    planned: int = 0
    started: float = 0.0
    future: Future[Any] = field(init=False)
    _stop: threading.Event = field(default_factory=threading.Event)

    @property
    def share(self) -> float:
        """Progress in [0, 1]."""
        return min(self.done / self.planned, 1.0) if self.planned else 0.0

    @property
    def seconds_left(self) -> float | None:
        """By the pace so far; None before there is one."""
        if not self.started or self.share < 0.02:
            return None
        return (time.monotonic() - self.started) * (1 / self.share - 1)

    def report(self, done: int, planned: int) -> None:
        """Progress of the work."""
        self.done, self.planned = done, planned

    def run(self, work: Work[T]) -> T:
        """Do the work now that it is its turn."""
        self.started = time.monotonic()
        return work(self.report, self._stop.is_set)

    def cancel(self) -> None:
        """Never start the work; where it runs already, ask it to stop."""
        self._stop.set()
        self.future.cancel()


class Board:
    """Jobs by key, done one after the other; the least recently asked for is forgotten first."""

    def __init__(self) -> None:
        self._jobs: OrderedDict[Hashable, Job] = OrderedDict()
        self._lock = threading.Lock()
        # Two models at work at once on the same cores take longer than one after the other.
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="job")

    def ask(self, key: Hashable, label: str, work: Work) -> Job:
        """The job of this key, started if there is none."""
        with self._lock:
            job = self._jobs.get(key)
            if job is None:
                job = self._jobs[key] = Job(label)
                job.future = self._worker.submit(job.run, work)
            self._jobs.move_to_end(key)
            while len(self._jobs) > KEPT:
                _, forgotten = self._jobs.popitem(last=False)
                forgotten.cancel()
        return job

    def forget(self, key: Hashable) -> None:
        """Start anew when asked for again."""
        with self._lock:
            job = self._jobs.pop(key, None)
        if job is not None:
            job.cancel()

    def close(self) -> None:
        """Cancel every job and take no more: Python does not exit while one is at work."""
        with self._lock:
            for job in self._jobs.values():
                job.cancel()
        self._worker.shutdown(wait=False)


@st.cache_resource(show_spinner=False)
def board() -> Board:
    """The one board of this server."""
    return Board()


def await_result(key: Hashable, label: str, work: Work[T]) -> T | None:
    """The work's result, or None while a progress bar stands in its place; the page reruns by itself then.

    Parameters
    ----------
    key
        Of everything the result depends on; sessions that ask for the same share one job.
    label
        What is being done, for a person.
    work
        Runs in a thread: must not call Streamlit.

    Raises
    ------
    InputError
        Whatever the work refuses, in the page that asked.
    """
    job = board().ask(key, label, work)
    # To `wait`, work that was cancelled before its turn is not done until that turn comes.
    if not job.future.done():
        wait([job.future], PATIENCE)
    if not job.future.done():
        st.fragment(_watch, run_every=TICK)(key, job)
        return None
    try:
        return job.future.result()
    except (CancelledError, Stopped):
        st.caption(f"{label}: stopped.")
        st.button("Start again", key=f"again_{hash(key)}", on_click=board().forget, args=(key,))
        return None
    except BaseException:
        board().forget(key)
        raise


def _watch(key: Hashable, job: Job) -> None:
    if job.future.done():
        st.rerun()
    left = job.seconds_left
    when = "waiting for its turn" if not job.started else "" if left is None else f"about {left:.0f} s left"
    bar, cancel = st.columns([0.85, 0.15], vertical_alignment="center")
    bar.progress(job.share, text=f"{job.label} · {when}" if when else job.label)
    cancel.button("Cancel", key=f"cancel_{hash(key)}", on_click=job.cancel)
