"""Why an edit changed the prediction: both windows explained, and the edit itself.

Shapes: T bars, N features.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from core.explain.attribution import Attribution, attribute
from core.explain.baselines import Baseline
from core.explain.explanation import Question, explain_moment
from core.explain.explanation_cache import ExplanationCache
from core.explain.margin import Cancelled, Progress
from core.explain.moment import Moment

ORIGINAL = "original"
"""Name of the baseline that is the window before the edit."""


@dataclass(frozen=True)
class EditExplanation:
    """Two windows explained the same way, and the way from one to the other.

    Attributes
    ----------
    before, after
        Attributions of the original and the edited window, each against its own baseline.
    edit
        Integrated Gradients of the edited window with the original one as baseline: how much each edited cell
        moved the log-odds. Cells nobody edited have 0, and the values add up to the whole change.
    """

    before: Attribution
    after: Attribution
    edit: Attribution

    @property
    def moved(self) -> float:
        """Change of the class's log-odds."""
        return self.edit.output - self.edit.baseline_output

    def by_feature(self) -> list[tuple[str, float, float, float]]:
        """(feature, sum before, sum after, moved by the edit): what moved most first, then what differs."""
        rows = [
            (name, self.before.by_feature[name], self.after.by_feature[name], self.edit.by_feature[name])
            for name in self.before.feature_names
        ]
        return sorted(rows, key=lambda row: (-abs(row[3]), -abs(row[2] - row[1])))


def explain_edit(
    original: Moment,
    edited: Moment,
    question: Question,
    cache: ExplanationCache | None = None,
    *,
    progress: Progress | None = None,
    cancelled: Cancelled | None = None,
) -> EditExplanation:
    """Explain the original, the edited window and the change between them; the first two are kept in `cache`.

    Parameters
    ----------
    original, edited
        The same bar of the same series.

    Raises
    ------
    InputError
        If task, class, method or baseline is unknown.
    ExplanationCancelled
        If `cancelled` said so.
    """
    question = replace(question, target=original.margin(question.task, question.target).target)
    before = explain_moment(original, question, cache, progress=progress, cancelled=cancelled)
    after = explain_moment(edited, question, cache, progress=progress, cancelled=cancelled)
    margin = original.margin(question.task, question.target)
    edit = attribute(
        margin,
        edited.features,
        Baseline(ORIGINAL, np.ascontiguousarray(original.features[None])),
        original.feature_names,
        "ig",
        question.settings,
        progress=progress,
        cancelled=cancelled,
    )
    return EditExplanation(before, after, edit)
