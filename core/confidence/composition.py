"""What a final confidence is made of, in words that follow from the comparison it was chosen by."""

from __future__ import annotations

import math

from core.confidence.choice import ALONE, METHODS, Method, TaskCalibration
from core.scores.intervals import Interval

FORMS: dict[Method, str] = {
    "temperature": "the probability alone",
    "platt": "the sum of the sources",
    "isotonic": "the sum of the sources in steps",
    "mix": "a learned mix of the sources",
    "ranked": "the sum of the sources' ranks",
    "joint": "the probability and the sources' ranks",
}
"""What each form of the final confidence is made of."""


def describe_choice(calibration: TaskCalibration) -> str:
    """'the probability alone; the sources add nothing that can be shown: ...', without a full stop.

    The numbers are differences in log-loss of being right from that of the probability alone, on stretches
    of the calibrate segment that were held out, with their 95% intervals.
    """
    made_of = FORMS[calibration.chosen]
    if not calibration.beside:
        return f"{made_of}; what the sources add was not measured when this model was trained"
    if calibration.chosen == ALONE:
        best: Method = min(METHODS[1:], key=lambda method: calibration.beside[method].value)
        found = _measured(calibration.beside[best])
        if calibration.beside[best].high < 0:
            return (
                f"{made_of}; with {FORMS[best]} log-loss is {found}, but not surely with every form tried "
                "counted, or right calls are told from wrong ones worse than before"
            )
        return f"{made_of}; the sources add nothing that can be shown: with {FORMS[best]} log-loss {found}"
    beside = _measured(calibration.beside[calibration.chosen])
    return f"{made_of}; against the probability alone this takes log-loss {beside}"


def _measured(found: Interval) -> str:
    text = f"{found.value:+.4f}"
    if math.isfinite(found.low) and math.isfinite(found.high):
        text += f" [{found.low:+.4f}, {found.high:+.4f}]"
    return text.replace("-", "\N{MINUS SIGN}")
