"""Several claims judged together, so that few of those made are by chance."""

from __future__ import annotations

from typing import Any

import scipy.stats

LEVEL = 0.05


def control_discoveries(lines: list[dict[str, Any]], level: float = LEVEL) -> None:
    """Add ``adjusted`` and ``off`` to lines with a ``p`` (None where it is unknown), in place.

    ``off`` marks those of which no more than `level` are expected to be by chance (Benjamini and Hochberg
    1995).
    """
    known = [line for line in lines if line["p"] is not None]
    adjusted = scipy.stats.false_discovery_control([line["p"] for line in known]) if known else []
    for line in lines:
        line |= {"adjusted": None, "off": False}
    for line, value in zip(known, adjusted, strict=True):
        line |= {"adjusted": float(value), "off": bool(value <= level)}
