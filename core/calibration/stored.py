"""Reading calibrators back from the plain numbers a bundle stores."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from core.errors import BundleError


def read_number(stored: Mapping[str, Any], key: str) -> float:
    """A finite number by name.

    Raises
    ------
    BundleError
        When it is missing or no finite number.
    """
    value = stored.get(key) if isinstance(stored, Mapping) else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise BundleError(
            f"a finite number for calibrator field {key!r}", repr(value), "save the bundle again"
        )
    return float(value)


def read_numbers(stored: Mapping[str, Any], key: str, length: int | None = None) -> tuple[float, ...]:
    """Finite numbers by name, `length` of them or else at least one; errors as `read_number`."""
    values = stored.get(key) if isinstance(stored, Mapping) else None
    if not isinstance(values, list | tuple) or len(values) != (length or len(values)) or not values:
        raise BundleError(
            f"{length or 'some'} numbers for calibrator field {key!r}",
            repr(values)[:60],
            "save the bundle again",
        )
    return tuple(read_number({key: value}, key) for value in values)
