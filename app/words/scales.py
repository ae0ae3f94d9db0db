"""How numbers of features are written, by kind."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from app.words.numbers import true_minus, unsigned_zero


@dataclass(frozen=True)
class Scale:
    """How numbers of one kind are written.

    Attributes
    ----------
    unit
        Short, for axes and labels.
    said
        Follows the number in a sentence.
    digits
        Decimals.
    signed
        Whether a plus sign is written.
    number
        Feature values to the numbers a person reads.
    """

    unit: str
    said: str
    digits: int = 1
    signed: bool = False
    number: Callable[[np.ndarray], np.ndarray] = np.asarray


@dataclass(frozen=True)
class FeatureWords:
    """One feature in words.

    Attributes
    ----------
    title
        Short, as a row of a chart.
    meaning
        One sentence.
    """

    title: str
    meaning: str
    scale: Scale

    @property
    def unit(self) -> str:
        """Short unit of `numbers`."""
        return self.scale.unit

    @property
    def label(self) -> str:
        """Title and unit."""
        return f"{self.title} ({self.unit})"

    @property
    def in_markdown(self) -> str:
        """The title where Markdown is read: a user's column may be called anything."""
        return _SPECIAL.sub(r"\\\1", self.title)

    def numbers(self, values: np.ndarray | float) -> np.ndarray:
        """Feature values (`core.data.features.table`) as the numbers a person reads, in `unit`; any shape."""
        return self.scale.number(np.asarray(values, dtype=float))

    def write(self, value: float) -> str:
        """A feature value as the bare number: '1.8'."""
        number = float(self.numbers(value))
        if not math.isfinite(number):
            return "unknown"
        text = f"{number:{'+' if self.scale.signed else ''}.{self.scale.digits}f}"
        return true_minus(unsigned_zero(text))

    def state(self, value: float) -> str:
        """A feature value with its unit, as in a sentence: '1.8 sigma'."""
        text = self.write(value)
        return text if text == "unknown" else f"{text}{self.scale.said}"


_SPECIAL = re.compile(r"([\\`*_{}\[\]()<>#+!$|~:])")


def _hundredfold(values: np.ndarray) -> np.ndarray:
    return 100 * values


def _volatility_percent(values: np.ndarray) -> np.ndarray:
    return 100 * np.exp(values)


MOVE = Scale("σ", " sigma", signed=True)
SIZE = Scale("σ", " sigma")
PERCENT = Scale("%", "%", 0, number=_hundredfold)
SIGNED_PERCENT = Scale("%", "%", 0, signed=True, number=_hundredfold)
POINTS = Scale("0–100", " of 100", 0)
SIGNED_POINTS = Scale("−100–100", " of ±100", 0, signed=True)
UNIT = Scale("−1–1", "", 2, signed=True)
VOLATILITY = Scale("% a bar", "% a bar", 2, number=_volatility_percent)
LOG_TIMES = Scale("times", " times", 2, number=np.exp)
LOG_POINTS = Scale("log points", " log points", 2)
HALF_BANDS = Scale("half bands", " half band widths", 1, signed=True)
ROBUST = Scale("robust sd", " robust standard deviations", signed=True)
PLAIN_TIMES = Scale("times", " times", 2)
