"""What an attribution, its causes and its checks say in words; all in Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from app.figures.attribution import depth_label
from app.words.features import FEATURE_WORDS, feature_words, group_title
from app.words.numbers import decimal, percent, signed, unsigned_zero
from core.data.features.table import CALENDAR, feature_groups
from core.explain.attribution import Attribution
from core.explain.causes import Cause
from core.explain.evidence.planted.views import CONDUCTANCE
from core.explain.faithfulness import LEAST_EFFECT, Faithfulness, Removal
from core.explain.methods.registry import METHODS
from core.explain.references import ORDINARY, TYPICAL, WINDOW_MEAN

REFERENCE_TITLES = {
    ORDINARY: "ordinary windows",
    TYPICAL: "a typical window",
    WINDOW_MEAN: "the window's own mean",
}
_USUAL = {
    ORDINARY: "in ordinary windows",
    TYPICAL: "in the typical window",
    WINDOW_MEAN: "over the whole window",
}
VIEW_TITLES = {
    "attention_last_layer": "attention, last layer",
    "attention_mean": "attention, all layers",
    "attention_rollout": "attention, rollout",
    "attention_relevance": "attention, weighted by effect",
}
"""Attention views scored on the planted markets beside the methods."""

NOT_MEASURED = (
    "How well it finds known causes **has not been measured** for this architecture: "
    "run `python -m core evidence --parts planted`."
)


def legend_sentence(method: str, target: str, *, block: int = 1, grouped: bool = False, dark: bool) -> str:
    """What the colours mean, for a person who never met the method."""
    nothing = "cells in the page's own colour" if dark else "white cells"
    cell = f"{'one group of features' if grouped else 'one feature'} at " + (
        "one bar" if block == 1 else f"{block} bars"
    )
    known = METHODS[method]
    if not known.signed:
        return (
            f"**Blue cells mattered for {target}, {nothing} did not; the stronger the colour, the more.** "
            f"This method does not say whether they spoke for or against. A cell is {cell}."
        )
    # Feature ablation hides the bars of a block together, and so tells blocks apart.
    spread = (
        ""
        if known.resolution == "feature" and block > 1
        else {
            "cell": "",
            "feature": " This method tells features apart but not bars: a row's value is spread over it.",
            "bar": " This method tells bars apart but not features: a bar's value is spread over all rows.",
            "block": " This method tells groups of features and stretches of bars apart: each value is "
            "spread evenly over its cells.",
        }[known.resolution]
    )
    return (
        f"**Blue cells pushed the model towards {target}, orange ones against it, {nothing} did nothing; the "
        f"stronger the colour, the more** (in log-odds). A cell is {cell}.{spread}"
    )


def cause_sentence(cause: Cause, labels: Sequence[str], attribution: Attribution) -> str:
    """One cause: what stood there, what is usual, which way it pushes, what happens without it.

    Parameters
    ----------
    labels
        Bar opens as text, T of them.
    """
    when = labels[cause.first]
    if cause.last > cause.first:
        when += f" to {labels[cause.last]}"
    target = attribution.target
    if METHODS[attribution.method].signed:
        pushes = f"pushes **{'towards' if cause.value > 0 else 'against'} {target}**"
    else:
        pushes = f"matters for **{target}**"
    stood = _stood(cause, attribution.reference)
    return f"**{_who(cause)}**, {when}: {stood}{pushes}; {_without(cause, target)}"


def reference_sentence(attribution: Attribution, instrument: str, asked: str | None = None) -> str:
    """What is compared with, what the model says of it, and whether that can explain anything.

    Parameters
    ----------
    instrument
        Whose windows the reference is of.
    asked
        The reference asked for, if it may be another one.
    """
    count = attribution.reference_windows
    name = {
        ORDINARY: f"{count} ordinary window{'s' if count != 1 else ''} of {instrument}",
        TYPICAL: f"a typical window of {instrument}",
        WINDOW_MEAN: "the window's own mean",
    }.get(attribution.reference, attribution.reference)
    there, here = decimal(attribution.reference_probability), decimal(attribution.probability)
    said = f"Reference: {name}, P({attribution.target}) {there}, window {here} before calibration: "
    if asked is not None and asked != attribution.reference:
        said = f"No whole window of {instrument} came before this one. " + said
    if attribution.says_the_same:
        said += "**they say the same, so there is next to nothing to explain.**"
    else:
        said += "this map explains the difference."
    if attribution.out_of_distribution and attribution.reference_distance is not None:
        said += (
            f" **The reference lies {attribution.reference_distance:.1f} times as far out as the model knows "
            "its way: what it says of it, and so this map, may mean little.**"
        )
    return said


def sums_sentence(attribution: Attribution) -> str:
    """Net beside gross: what the cells add up to, and the sums of those towards and of those against.

    Calendar features, where there are any, are named apart. A method without signs has no net.
    """
    values = attribution.values.astype(float)
    calendar = np.array([group == CALENDAR for group in attribution.groups])
    if not METHODS[attribution.method].signed:
        return f"The cells add up to {values.sum():.2f}, without signs."
    towards, against = values[values > 0].sum(), values[values < 0].sum()
    said = (
        f"Net {_sum(values.sum())} log-odds: {_sum(towards)} towards {attribution.target} and "
        f"{_sum(against)} against it."
    )
    if calendar.any():
        part = values[:, calendar].sum()
        said += f" Calendar features, listed last and not among the causes, have {_sum(part)} of the net."
    return said


def causes_text(causes: Sequence[Cause], labels: Sequence[str], attribution: Attribution) -> str:
    """What spoke for the class, then what spoke against it, numbered as on the map; in Markdown."""
    sentences = [
        f"{number}. {cause_sentence(cause, labels, attribution)}" for number, cause in enumerate(causes, 1)
    ]
    split = sum(cause.value > 0 for cause in causes)
    if not METHODS[attribution.method].signed:
        return "\n".join(sentences)
    parts = [
        f"**For {attribution.target}**" if split else f"**Nothing spoke for {attribution.target}**",
        "\n".join(sentences[:split]),
        f"**Against {attribution.target}**" if sentences[split:] else "",
        "\n".join(sentences[split:]),
    ]
    return "\n\n".join(part for part in parts if part)


def _sum(value: float) -> str:
    return unsigned_zero(signed(value))


def _who(cause: Cause) -> str:
    if not cause.features:
        return "All features"
    if len(cause.features) == 1:
        title = feature_words(cause.features[0]).in_markdown
        return title[:1].upper() + title[1:] if cause.features[0] in FEATURE_WORDS else title
    group = feature_groups(cause.features[:1])[cause.features[0]]
    return f"All {len(cause.features)} features of {group_title(group)}"


def _stood(cause: Cause, reference: str) -> str:
    if len(cause.features) != 1 or not np.isfinite(cause.market):
        return ""
    words = feature_words(cause.features[0])
    mean = "" if cause.first == cause.last else " on average"
    usual = words.write(cause.usual) + ("%" if words.scale.said.startswith("%") else "")
    return f"{words.state(cause.market)}{mean} ({usual} {_USUAL[reference]}); "


def _without(cause: Cause, target: str) -> str:
    before, after = _percents(cause.before, cause.after)
    if before == after:
        return f"without it P({target}) stays at {before}."
    moves = "falls" if cause.after < cause.before else "rises"
    return f"without it P({target}) {moves} from {before} to {after}."


def removal_sentence(removal: Removal) -> str:
    """The bars that pushed most, removed together."""
    count = len(removal.removed)
    before, after, by_chance = _percents(removal.before, removal.after, removal.random_after)
    moves = "stays at" if before == after else f"goes from {before} to"
    return (
        f"Without the {count} {removal.unit}s that push most towards it, P({removal.target}) {moves} "
        f"**{after}**; without {count} random ones it is {by_chance}."
    )


def completeness_sentence(attribution: Attribution) -> tuple[str, str]:
    """Verdict and sentence: do the cells add up to what they should."""
    if attribution.completeness_error is None:
        return "no sum promised", (
            "This method promises no sum: its cells need not add up to the change in log-odds."
        )
    change = attribution.output - attribution.reference_output
    error = attribution.completeness_error
    return f"off by {_small_percent(error)}", (
        f"From {REFERENCE_TITLES[attribution.reference]} to this window the log-odds of {attribution.target} "
        f"change by {signed(change)}; the cells add up to that within {_small_percent(error)} (completeness "
        f"error)."
    )


def faithfulness_sentence(found: Faithfulness, target: str) -> tuple[str, str]:
    """Verdict and sentence: does it matter to the model what the map says matters."""
    deleted, random = found.deletion.probability_area, found.random_deletions.mean.probability_area
    inserted, by_chance = found.insertion.probability_area, found.random_insertions.mean.probability_area
    beaten = [rank >= found.needed_rank for rank in (found.deletion_rank, found.insertion_rank)]
    verdict = "yes" if all(beaten) else "not in both" if any(beaten) else "no"
    if verdict == "yes" and not found.holds:
        verdict = "too little to tell"
    sentence = (
        f"Taking cells away, better than {found.deletion_rank} of {found.random_orders} random orders; "
        f"giving them back, than {found.insertion_rank} ({found.needed_rank} of each are needed). "
        f"P({target}) averages {percent(deleted)} while cells are taken away, at random {percent(random)}; "
        f"{percent(inserted)} while they are given back, at random {percent(by_chance)}."
    )
    sentence += (
        f" That is {100 * found.effect:.1f} points better on average, at least {100 * LEAST_EFFECT:.0f} are "
        "needed: where an answer hardly moves, a model that knows nothing passes too."
    )
    if found.attention_deletion is not None:
        by_attention = found.attention_deletion.probability_area
        beats = "**It beats attention**" if found.beats_attention else "It does not beat attention"
        sentence += f" {beats}, in whose order deletion averages {percent(by_attention)}."
    if verdict != "yes":
        sentence += " **Do not lean on this map.**"
    return verdict, sentence


def planted_sentence(planted: Mapping[str, Any] | None, method: str, reference: str) -> tuple[str, str]:
    """Verdict and sentence: how well the method finds causes that are known."""
    score = None if planted is None else planted_score(planted, method, reference)
    if planted is None:
        return "not measured", NOT_MEASURED
    if score is None:
        return "not measured", (
            f"The planted markets were not explained with {METHODS[method].title} against "
            f"{REFERENCE_TITLES[reference]}; every one that was stands below."
        )
    mean, error, prior, count = score
    return f"{decimal(mean)}", (
        f"On {count} planted market{'s' if count != 1 else ''}, where the causes are known, this method and "
        f"reference find them at AUPRC {decimal(mean)} ± {decimal(error)}; guessing scores {decimal(prior)}, "
        f"perfect is 1. {planted['windows']} windows each, a model of this architecture."
    )


def planted_score(
    planted: Mapping[str, Any], method: str, reference: str
) -> tuple[float, float, float, int] | None:
    """Mean AUPRC over the generators, its standard error, the prior and the number of generators."""
    scores = [result["scores"].get(method, {}).get(reference) for result in planted["generators"].values()]
    if not scores or any(score is None for score in scores):
        return None
    error = float(np.sqrt(sum(score["auprc_error"] ** 2 for score in scores))) / len(scores)
    means = (float(np.mean([score[name] for score in scores])) for name in ("auprc", "prior"))
    auprc, prior = means
    return auprc, error, prior, len(scores)


def view_title(name: str) -> str:
    """A method, a depth of the model or an attention view as a table calls it."""
    if name in METHODS:
        return METHODS[name].title
    if name.startswith(CONDUCTANCE):
        return f"layer conductance, {depth_label(int(name.removeprefix(f'{CONDUCTANCE}_')))}"
    return VIEW_TITLES.get(name, name)


def _percents(*shares: float) -> tuple[str, ...]:
    """Probabilities in one form, with a decimal where without it a difference would be lost."""
    whole = tuple(percent(share) for share in shares)
    return whole if len(set(whole)) == len(whole) else tuple(percent(share, 1) for share in shares)


def _small_percent(share: float) -> str:
    return "less than 0.01%" if share < 1e-4 else f"{100 * share:.2g}%"
