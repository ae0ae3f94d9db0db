"""Monitoring triggers: limits for the model in use, taken from what the walk-forward measured."""

from __future__ import annotations

from typing import Any

import numpy as np

from core.confidence.stated import SET_LEVEL
from core.review.rows import ReviewRows, RowFilter, stretches_of, take_rows
from core.scores.calibration_error import expected_calibration_error, perfect_model_ece
from core.scores.metrics import log_losses
from core.validation.findings import Section, judge, percent
from core.validation.material import Material

TITLE = "Monitoring triggers"
WINDOW = 250
"""Predictions with a known outcome over which each quantity is followed."""
ALARMS = 0.01
"""Share of past windows that each limit would have called an alarm."""
FEWEST_WINDOWS = 4
"""So many windows that do not overlap are needed before a limit can be set."""


def set_triggers(material: Material) -> Section:
    """Limits of log-loss, share right, calibration, set coverage and unfamiliar windows, by task."""
    what = "Limits for monitoring are set from measurements"
    if material.result is None:
        lacking = judge(what, None, "This model has no walk-forward.", material.walk)
        return Section("monitoring", TITLE, (lacking,))
    lines: list[dict[str, Any]] = []
    findings = []
    for task in material.result.config.tasks:
        rows = take_rows(material.result, RowFilter(task.name))
        known = rows.stating("confidence")
        claim = f"{task.name.capitalize()}: limits for monitoring are set from measurements"
        if len(known) < FEWEST_WINDOWS * WINDOW:
            said = f"{len(known):,} predictions make fewer than {FEWEST_WINDOWS} windows of {WINDOW}."
            findings.append(judge(claim, None, said, material.walk))
            continue
        strange = material.result.rows["out_of_distribution"].to_numpy(bool)[known.position]
        found = list_triggers(known, strange)
        lines += [{"task": task.name, **line} for line in found]
        said = "; ".join(f"{line['quantity']} {line['side']} {line['text']}" for line in found)
        said += (
            f", each over {WINDOW} predictions; past alarms at most "
            f"{percent(max(line['past'] for line in found))}."
        )
        findings.append(judge(claim, True, f"Alarm at {said}", material.walk))
    return Section("monitoring", TITLE, tuple(findings), {"triggers": lines})


def list_triggers(rows: ReviewRows, strange: np.ndarray) -> list[dict[str, Any]]:
    """One line a quantity.

    Parameters
    ----------
    rows
        In time order, all stating a confidence; at least `WINDOW`.
    strange
        (n,) whether each was unlike training.

    Returns
    -------
    list of dict
        ``quantity``, ``side`` ("above" or "below") of ``limit`` that is an alarm, ``usual`` (over all rows),
        ``past`` (share of past windows beyond it) and ``text`` of the limit.
    """
    losses = log_losses(rows.probabilities, rows.labels)
    found = [
        _limit("log-loss", losses, "above", "{:.4f}"),
        _limit("share right", rows.correct.astype(float), "below", "{:.1%}"),
        _limit("share unlike training", strange.astype(float), "above", "{:.1%}"),
    ]
    covered = rows.covered.get(SET_LEVEL)
    if covered is not None and (rows.set_size[SET_LEVEL] >= 0).all():
        found.append(
            _limit(f"coverage of the {percent(SET_LEVEL, 0)} sets", covered.astype(float), "below", "{:.1%}")
        )
    stated = rows.stated["confidence"]
    share = WINDOW / len(rows)
    floor = perfect_model_ece(stated, rows.correct, stretches_of(rows), share=share)
    errors = [
        expected_calibration_error(stated[start : start + WINDOW], rows.correct[start : start + WINDOW])
        for start in range(0, len(rows) - WINDOW + 1, WINDOW // 5)
    ]
    if floor.draws.size:
        limit = float(np.quantile(floor.draws, 1 - ALARMS))
        found.append(
            {
                "quantity": "calibration error",
                "side": "above",
                "limit": limit,
                "usual": expected_calibration_error(stated, rows.correct),
                "past": float(np.mean(np.array(errors) > limit)),
                "text": f"{limit:.1%}",
            }
        )
    return found


def _limit(quantity: str, values: np.ndarray, side: str, form: str) -> dict[str, Any]:
    """The quantile of past windows' means that `ALARMS` of them lie beyond."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    means = (sums[WINDOW:] - sums[:-WINDOW]) / WINDOW
    limit = float(np.quantile(means, 1 - ALARMS if side == "above" else ALARMS))
    beyond = means > limit if side == "above" else means < limit
    return {
        "quantity": quantity,
        "side": side,
        "limit": limit,
        "usual": float(values.mean()),
        "past": float(beyond.mean()),
        "text": form.format(limit),
    }
