"""How long work tells how far it is and is told to stop."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[int, int], None]
"""Told (done, planned), in whatever unit the work counts; the plan may grow on the way."""

StageProgress = Callable[[str, int, int], None]
"""Told (what is being done, done, planned) by work of several stages, each with a count of its own."""

Cancelled = Callable[[], bool]
"""Asked before every piece of work; True ends it with `Stopped`."""


class Stopped(Exception):  # noqa: N818 - an event the caller asked for, not an error
    """The caller's `Cancelled` said so."""


class Meter:
    """Counts work, tells its progress and ends it when nobody wants it any more.

    Parameters
    ----------
    planned
        In all; `plan` may change it.

    Attributes
    ----------
    done
        Counted so far.
    """

    def __init__(
        self, progress: Progress | None = None, cancelled: Cancelled | None = None, planned: int = 0
    ) -> None:
        self.done = 0
        self.planned = planned
        self._progress = progress
        self._cancelled = cancelled

    def plan(self, more: int) -> None:
        """Expect about `more` beyond what is done."""
        self.planned = self.done + more

    def check(self) -> None:
        """Call before every piece of work.

        Raises
        ------
        Stopped
            If the caller wants no more.
        """
        if self._cancelled is not None and self._cancelled():
            raise Stopped

    def add(self, count: int) -> None:
        """Count work as done and tell; never more than is planned."""
        self.done += count
        if self._progress is not None:
            self._progress(min(self.done, self.planned), self.planned)

    def finish(self) -> None:
        """Tell that all is done, where the plan was more than it took."""
        self.done = self.planned
        self.add(0)
