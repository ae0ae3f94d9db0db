"""What the commands share: how one is added, times, the model asked for, a progress bar."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

import pandas as pd

from core.errors import InputError
from core.progress import Progress, StageProgress

if TYPE_CHECKING:
    from core.predictor import Predictor


class AddCommand(Protocol):
    """Adds one command: its name, what it does, how its answer reads, and one sentence of help."""

    def __call__(
        self,
        name: str,
        run: Callable[[argparse.Namespace], dict[str, Any]],
        show: Callable[[dict[str, Any]], str],
        help: str,
    ) -> argparse.ArgumentParser: ...


def parse_time(text: str) -> pd.Timestamp:
    """Read a time; without an offset it is UTC.

    Raises
    ------
    InputError
        If it is no time.
    """
    try:
        ts = pd.Timestamp(text)
    except ValueError:
        ts = pd.NaT
    if not isinstance(ts, pd.Timestamp):
        raise InputError("a time such as 2013-03-01 or 2013-03-01T14:00", repr(text), "write it that way")
    return ts.tz_localize("UTC") if ts.tz is None else ts.tz_convert("UTC")


def open_predictor(model: str | None) -> Predictor:
    """The named model, the default one for None, over the bars of the home folder."""
    from core.bundle import find_model, load_bundle
    from core.data.store import BarStore
    from core.predictor import Predictor

    store = BarStore()
    return Predictor(load_bundle(find_model(store.home, model)), store)


def show_progress(name: str) -> Progress:
    """A bar on stderr that is told (done, total) and closes itself; silent where nobody watches."""
    from tqdm import tqdm

    bar = tqdm(desc=name, file=sys.stderr, leave=False, disable=None, unit_scale=True)

    def advance(done: int, total: int) -> None:
        bar.total = total
        bar.update(done - bar.n)
        if done >= total:
            bar.close()

    return advance


def show_stages() -> StageProgress:
    """Progress of one stage after another, each with a bar of its own."""
    bars: dict[str, Progress] = {}

    def advance(stage: str, done: int, total: int) -> None:
        if stage not in bars:
            bars[stage] = show_progress(stage)
        bars[stage](done, total)

    return advance
