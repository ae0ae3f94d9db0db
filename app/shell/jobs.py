"""Long work beside the page: progress, time left, cancel; the result stays for everybody who asks for it."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
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

# Two models at work at once on the same cores take longer than one after the other.
_turn = threading.Lock()


@dataclass
class Job:
    """One piece of work in a thread of its own."""

    label: str
    done: int = 0
    planned: int = 0
    started: float = 0.0
    result: Any = None
    error: BaseException | None = None
    stop: threading.Event = field(default_factory=threading.Event)
    finished: threading.Event = field(default_factory=threading.Event)

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

    def run(self, work: Work) -> None:
        """Wait for a turn, do the work and keep what comes of it."""
        try:
            self._await_turn()
            try:
                self.started = time.monotonic()
                self.result = work(self.report, self.stop.is_set)
            finally:
                _turn.release()
        except BaseException as error:  # the page that asked knows how to say it
            self.error = error
        finally:
            self.finished.set()

    def _await_turn(self) -> None:
        # Whoever waits behind a long job must be able to cancel at once.
        while not self.stop.is_set():
            if _turn.acquire(timeout=0.1):
                return
        raise Stopped


class Board:
    """Jobs by key, the least recently asked for forgotten first."""

    def __init__(self) -> None:
        self._jobs: OrderedDict[Hashable, Job] = OrderedDict()
        self._lock = threading.Lock()

    def ask(self, key: Hashable, label: str, work: Work) -> Job:
        """The job of this key, started if there is none."""
        with self._lock:
            job = self._jobs.get(key)
            if job is None:
                job = self._jobs[key] = Job(label)
                threading.Thread(target=job.run, args=(work,), name=label, daemon=True).start()
            self._jobs.move_to_end(key)
            while len(self._jobs) > KEPT:
                _, forgotten = self._jobs.popitem(last=False)
                forgotten.stop.set()
        return job

    def forget(self, key: Hashable) -> None:
        """Start anew when asked for again."""
        with self._lock:
            job = self._jobs.pop(key, None)
        if job is not None:
            job.stop.set()


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
    if not job.finished.wait(PATIENCE):
        st.fragment(_watch, run_every=TICK)(key, job)
        return None
    if isinstance(job.error, Stopped):
        st.caption(f"{label}: stopped.")
        st.button("Start again", key=f"again_{hash(key)}", on_click=board().forget, args=(key,))
        return None
    if job.error is not None:
        board().forget(key)
        raise job.error
    return job.result


def _watch(key: Hashable, job: Job) -> None:
    if job.finished.is_set():
        st.rerun()
    left = job.seconds_left
    when = "waiting for its turn" if not job.started else "" if left is None else f"about {left:.0f} s left"
    bar, cancel = st.columns([0.85, 0.15], vertical_alignment="center")
    bar.progress(job.share, text=f"{job.label} · {when}" if when else job.label)
    cancel.button("Cancel", key=f"cancel_{hash(key)}", on_click=job.stop.set)
