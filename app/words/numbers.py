"""Numbers as a person reads them: percent, signs, intervals, lists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

MINUS = "\N{MINUS SIGN}"
_COUNTS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def true_minus(text: str) -> str:
    """The same with minus signs, which are as wide as a plus, in place of hyphens."""
    return text.replace("-", MINUS)


def signed(value: float, form: str = ".2f") -> str:
    """A number with its sign: '+0.31', '−2.00'; `form` is a format without sign."""
    return true_minus(f"{value:+{form}}")


def unsigned_zero(text: str) -> str:
    """A written number, without its sign where it was rounded to zero: '+0.00' becomes '0.00'."""
    return text if any(digit in text for digit in "123456789") else text.lstrip(f"+-{MINUS}")


def percent(share: float, digits: int = 0) -> str:
    """A share in [0, 1] as percent: '57%'."""
    return f"{100 * share:.{digits}f}%"


def span(low: float, high: float, digits: int = 0) -> str:
    """An interval of a share behind its percent: '[52, 61]'."""
    return f"[{100 * low:.{digits}f}, {100 * high:.{digits}f}]"


def with_interval(value: float, low: float, high: float, scale: float = 100, digits: int = 1) -> str:
    """A value and its interval in brackets; the value alone without one, a dash without a value."""
    if not np.isfinite(value):
        return "–"
    text = f"{scale * value:.{digits}f}"
    return f"{text} [{scale * low:.{digits}f}, {scale * high:.{digits}f}]" if np.isfinite(low) else text


def decimal(value: float) -> str:
    """A score in [-1, 1] without its leading zero: '.78', '−.05'."""
    return true_minus(unsigned_zero(f"{value:.2f}")).replace("0.", ".", 1)


def correlation(measured: Mapping[str, float | None]) -> str:
    """A correlation's ``mean`` with its interval from ``low`` to ``high``, if any: '.21 [.15, .27]'."""
    mean, low, high = (measured[name] for name in ("mean", "low", "high"))
    text = "–" if mean is None else decimal(mean)
    return text if low is None or high is None else f"{text} [{decimal(low)}, {decimal(high)}]"


def listed(names: Sequence[str]) -> str:
    """One or more names as a sentence has them: 'a', 'a and b', 'a, b and c'."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def count_word(count: int) -> str:
    """A small count as a word: 'four'; from eleven on in digits."""
    return _COUNTS[count] if count < len(_COUNTS) else str(count)
