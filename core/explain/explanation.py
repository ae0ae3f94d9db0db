"""One explanation from the question to the check, computed once and then read from disk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from core.errors import InputError
from core.explain.attribution import Attribution, attribute
from core.explain.cache import ExplanationCache
from core.explain.causes import Cause, find_causes
from core.explain.faithfulness import (
    LEAST_EFFECT,
    Curve,
    Faithfulness,
    Removal,
    Spread,
    measure_faithfulness,
    remove_top,
)
from core.explain.methods.registry import METHODS, recommend
from core.explain.methods.settings import Settings
from core.explain.moment import Moment
from core.explain.references import ORDINARY, WINDOW_MEAN, Reference, check_name
from core.models.ensemble import choose_member, list_members
from core.progress import Cancelled, Progress

CHECK_STEPS = 8
REMOVED_BARS = 7
_CURVES = {
    "deletion": Curve,
    "insertion": Curve,
    "random_deletions": Spread,
    "random_insertions": Spread,
    "attention_deletion": Curve,
    "attention_insertion": Curve,
}


@dataclass(frozen=True)
class Question:
    """What is asked of one moment.

    Attributes
    ----------
    task, target
        Whose log-odds are explained.
    method, reference
        Keys of `METHODS` and `core.explain.references.REFERENCES`.
    settings
        How hard and how finely the method works.
    member
        Of an ensemble, from 1, whose own log-odds are explained; None is all together.
    """

    task: str
    target: str
    method: str = "ig"
    reference: str = ORDINARY
    settings: Settings = field(default_factory=Settings)
    member: int | None = None


@dataclass(frozen=True)
class Check:
    """Whether one explanation is true of the model.

    Attributes
    ----------
    faithfulness
        Deletion and insertion beside random and attention order.
    removal
        The top bars removed.
    causes
        The strongest, each removed alone.
    """

    faithfulness: Faithfulness
    removal: Removal
    causes: tuple[Cause, ...]


@dataclass(frozen=True)
class Explanation:
    """Everything that is said about why: the moment, the question, the answer and its check."""

    moment: Moment
    question: Question
    attribution: Attribution
    check: Check

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON: times in ISO 8601, UTC; the attribution as T lists of N numbers."""
        moment, found, check = self.moment, self.attribution, self.check
        bundle, faithful = moment.bundle, check.faithfulness
        return {
            "instrument": moment.window.instrument,
            "timeframe": moment.window.timeframe,
            "ts": moment.ts.isoformat(),
            "known_at": moment.prediction.known_at.isoformat(),
            "caveats": list(moment.prediction.caveats),
            "model_name": bundle.name,
            "model_version": bundle.version,
            "segment": moment.prediction.segment,
            "out_of_distribution": moment.prediction.out_of_distribution,
            "distance": moment.prediction.distance,
            "data_fingerprint": moment.prediction.data_fingerprint,
            "task": found.task,
            "class": found.target,
            "method": found.method,
            "member": self.question.member,
            "members": len(list_members(bundle.model)),
            "reference": {
                "name": found.reference,
                "windows": found.reference_windows,
                "probability": found.reference_probability,
                "out_of_distribution": found.out_of_distribution,
                "distance": found.reference_distance,
                "says_the_same": found.says_the_same,
            },
            "settings": asdict(self.question.settings),
            "feature_names": list(found.feature_names),
            "groups": list(found.groups),
            "bar_times": [f"{ts}Z" for ts in moment.window.ts.astype("datetime64[s]")],
            "attribution": [[float(value) for value in row] for row in found.values],
            "unit": "log-odds of the class",
            "output": found.output,
            "probability": found.probability,
            "probability_of_all": moment.prediction.tasks[found.task].probability(found.target),
            "reference_output": found.reference_output,
            "completeness_error": found.completeness_error,
            "steps": found.steps,
            "seconds": found.seconds,
            "deletion_area": faithful.deletion.area,
            "insertion_area": faithful.insertion.area,
            "random_deletion_area": faithful.random_deletions.mean.area,
            "random_insertion_area": faithful.random_insertions.mean.area,
            "deletion_rank": faithful.deletion_rank,
            "insertion_rank": faithful.insertion_rank,
            "random_orders": faithful.random_orders,
            "better_than_random": faithful.better_than_random,
            "effect": faithful.effect,
            "least_effect": LEAST_EFFECT,
            "holds": faithful.holds,
            "beats_attention": faithful.beats_attention,
            "removal": asdict(check.removal) | {"sentence": check.removal.sentence},
            "causes": [_finite(asdict(cause)) for cause in check.causes],
        }


def pose_question(
    moment: Moment,
    planted: Mapping[str, Any] | None,
    *,
    task: str,
    target: str | None = None,
    method: str | None = None,
    reference: str | None = None,
    settings: Settings | None = None,
    member: int | None = None,
) -> Question:
    """A question that can be answered; what is None becomes the class called, the method and reference that
    find planted causes best (`core.explain.methods.registry`), and the usual settings.

    Parameters
    ----------
    planted
        Evidence part "planted"; None where nobody measured it.
    target
        In whatever case.
    member
        From 1; the only transformer of a model that is no ensemble is the model itself.

    Raises
    ------
    InputError
        If the model has no such task, class or member, or no such method or reference is offered.
    """
    found = recommend(planted, method, None if reference is None else check_name(reference))
    if found.method not in METHODS:
        raise InputError(f"a method out of {', '.join(METHODS)}", repr(found.method), "choose one of them")
    model = moment.bundle.model
    if choose_member(model, member) is model:
        member = None
    called = moment.target(task, target)
    return Question(task, called, found.method, found.reference, settings or Settings(), member)


def explain_moment(
    moment: Moment,
    question: Question,
    cache: ExplanationCache | None = None,
    *,
    progress: Progress | None = None,
    cancelled: Cancelled | None = None,
) -> Attribution:
    """The attribution alone.

    Raises
    ------
    InputError
        If task, class, method or reference is unknown.
    Stopped
        If `cancelled` said so; nothing is kept then.
    """
    stored = None if cache is None else recall_attribution(moment, question, cache)
    if stored is not None:
        return stored
    found = attribute(
        moment.margin(question.task, question.target, question.member),
        moment.features,
        find_reference(moment, question, cache),
        moment.feature_names,
        question.method,
        question.settings,
        progress=progress,
        cancelled=cancelled,
    )
    if cache is not None:
        fields = asdict(found)
        cache.write(_key("attribution", moment, question), fields, {"values": fields.pop("values")})
    return found


def recall_attribution(moment: Moment, question: Question, cache: ExplanationCache) -> Attribution | None:
    """The attribution if it was computed before; the model is not asked."""
    stored = cache.read(_key("attribution", moment, question))
    if stored is None:
        return None
    fields, arrays = stored
    lists: dict[str, Any] = {name: tuple(fields.pop(name)) for name in ("feature_names", "groups")}
    return Attribution(values=arrays["values"], **fields, **lists)


def check_explanation(
    moment: Moment,
    question: Question,
    found: Attribution,
    cache: ExplanationCache | None = None,
    *,
    progress: Progress | None = None,
    cancelled: Cancelled | None = None,
) -> Check:
    """Deletion, insertion, the top bars removed and the strongest causes removed one by one."""
    stored = None if cache is None else recall_check(moment, question, cache)
    if stored is not None:
        return stored
    margin = moment.margin(question.task, question.target, question.member)
    window = moment.features
    reference = find_reference(moment, question, cache)
    faithfulness = measure_faithfulness(
        margin,
        window,
        found.values,
        reference,
        attention=moment.last_attention(question.member),
        steps=CHECK_STEPS,
        seed=question.settings.seed,
        progress=progress,
        cancelled=cancelled,
    )
    removal = remove_top(margin, window, found.values, reference, REMOVED_BARS, seed=question.settings.seed)
    usual = moment.market_values(reference.windows.mean(0))
    causes = find_causes(found, margin, window, reference, moment.market_values(), usual)
    check = Check(faithfulness, removal, causes)
    if cache is not None:
        cache.write(_key("check", moment, question), *_store_check(check))
    return check


def find_reference(moment: Moment, question: Question, cache: ExplanationCache | None = None) -> Reference:
    """What the question compares with; earlier windows judged before are read from `cache`."""
    return moment.reference(
        question.reference, question.task, question.target, seed=question.settings.seed, cache=cache
    )


def recall_check(moment: Moment, question: Question, cache: ExplanationCache) -> Check | None:
    """The check if it was made before; the model is not asked."""
    stored = cache.read(_key("check", moment, question))
    return None if stored is None else _restore_check(*stored)


def _key(kind: str, moment: Moment, question: Question) -> dict[str, Any]:
    window = moment.window
    return {
        "kind": kind,
        "model": moment.bundle.version,
        "instrument": window.instrument,
        "timeframe": window.timeframe,
        "bar": str(window.ts[-1]),
        # Edited or corrected bars are another input at the same moment.
        "data": moment.data_fingerprint,
        "question": asdict(question),
        # So are other earlier bars to compare with.
        "past": None
        if question.reference == WINDOW_MEAN
        else [str(moment.reach.end), moment.reach.fingerprint],
    }


def _store_check(check: Check) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    arrays = {}
    for name in _CURVES:
        curve: Curve | Spread | None = getattr(check.faithfulness, name)
        if curve is not None:
            arrays[f"{name}_shares"], arrays[f"{name}_margins"] = curve.shares, curve.margins
    fields = {
        "unit": check.faithfulness.unit,
        "removal": asdict(check.removal),
        "causes": [_finite(asdict(cause)) for cause in check.causes],
    }
    return fields, arrays


def _restore_check(fields: dict[str, Any], arrays: dict[str, np.ndarray]) -> Check:
    curves = {
        name: kind(arrays[f"{name}_shares"], arrays[f"{name}_margins"])
        if f"{name}_shares" in arrays
        else None
        for name, kind in _CURVES.items()
    }
    removal = fields["removal"]
    removed = tuple(tuple(cell) if isinstance(cell, list) else cell for cell in removal.pop("removed"))
    return Check(
        Faithfulness(**curves, unit=fields["unit"]),  # pyright: ignore[reportArgumentType]
        Removal(removed=removed, **removal),
        tuple(_restore_cause(cause) for cause in fields["causes"]),
    )


def _restore_cause(stored: dict[str, Any]) -> Cause:
    fields: dict[str, Any] = {name: float("nan") if v is None else v for name, v in stored.items()}
    fields["features"] = tuple(stored["features"])
    return Cause(**fields)


def _finite(fields: dict[str, Any]) -> dict[str, Any]:
    """JSON has no NaN: what does not exist is null."""
    return {
        name: None if isinstance(value, float) and not np.isfinite(value) else value
        for name, value in fields.items()
    }
