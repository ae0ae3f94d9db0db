"""The one shape in which bad input is refused."""

from __future__ import annotations

from typing import Any


class InputError(ValueError):
    """Something a user gave cannot be used, said in one sentence.

    Parameters
    ----------
    expected
        What would have been accepted.
    received
        What came instead.
    fix
        How to mend it, as an instruction.
    """

    def __init__(self, expected: str, received: str, fix: str) -> None:
        self.expected = expected
        self.received = received
        self.fix = fix
        super().__init__(f"Expected {expected}, got {received}; {fix}.")

    def __reduce__(self) -> tuple[type[InputError], tuple[Any, ...]]:
        return type(self), (self.expected, self.received, self.fix)


class BarsError(InputError):
    """Bars, or a file of bars, that cannot be read or stored."""


class WindowError(InputError):
    """A window the model must not be shown: too short, too gappy, or not there."""


class ShortSeriesError(WindowError):
    """A series with too few bars for one window.

    Parameters
    ----------
    series
        As a person calls it: "AAPL 1d", with the time looked back from where one was asked for.
    needed, found
        Bars of one window, and those there are.
    """

    def __init__(self, series: str, needed: int, found: int) -> None:
        self.series, self.needed, self.found = series, needed, found
        super().__init__(
            f"{needed} bars of {series}",
            str(found),
            f"choose a later bar or ingest {needed - found} more",
        )

    @property
    def short(self) -> int:
        """How many more are needed."""
        return self.needed - self.found

    def __reduce__(self) -> tuple[type[InputError], tuple[Any, ...]]:
        return type(self), (self.series, self.needed, self.found)


class ConfigError(InputError):
    """A configuration key or value that does not exist or is out of range."""


class BundleError(InputError):
    """A model bundle that is missing, corrupt, of another format, or mismatched."""
