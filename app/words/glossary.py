"""Every term of the screen in one sentence, gathered from the tables that hold them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from app.attribution.words import REFERENCE_TITLES
from app.review.words import SCORE_WORDS
from app.words.confidence import STATED, stated_title
from app.words.features import FEATURE_WORDS
from app.words.terms import (
    BARS,
    CHANGED,
    CHECKED,
    FORECASTERS,
    JUDGED,
    LOOKS,
    PREDICTED,
    SURE,
    TERMS,
    WHY,
    Term,
)
from core.explain.methods.registry import METHODS
from core.explain.references import REFERENCES
from core.review.performance import BASELINES

METHOD, COMPARED, FEATURES = "Methods of attribution", "What a window is compared with", "Features"
ROOMS = (
    PREDICTED, SURE, JUDGED, FORECASTERS, LOOKS, WHY, METHOD, COMPARED, CHECKED, CHANGED, BARS, FEATURES,
)  # fmt: skip
"""Headings, in the order a reader meets them."""

_BASELINES = {
    "prior": "The classes' shares among training bars, the same answer at every bar.",
    "persistence": "What was, will be: the rule of the label applied to the bars up to now.",
    "line": "A linear model of the last bar's own inputs, the same that a task may add to the transformer's.",
    "logistic": "Logistic regression on the features of the last bar.",
    "lightgbm": "Gradient-boosted trees on the features of the last bar and of some bars before it.",
    "har": "Volatility ahead by a linear model of its own past over a bar, a week and a month.",
    "plain_transformer": "One transformer of the same size, without attention windows and a bias towards "
    "recent bars.",
}
_PAPERS = {
    "har": "Corsi 2009",
    "lightgbm": "Ke et al. 2017",
    "ordinary_windows": "expected gradients, Erion et al. 2021",
}
STYLE = """<style>
.lb-terms { margin: 0; display: grid; grid-template-columns: minmax(9rem, 15rem) minmax(0, 46rem);
  gap: .25rem 1.2rem; }
.lb-terms dt { font-weight: 600; overflow-wrap: anywhere; }
.lb-terms dd { margin: 0; }
.lb-terms cite { font-style: normal; opacity: .8; }
@media (max-width: 640px) { .lb-terms { grid-template-columns: 1fr; } .lb-terms dd { margin-bottom: .5rem; } }
</style>"""


def list_terms() -> list[Term]:
    """All of them: headings as in `ROOMS`, under each in the order of its table."""
    found = [*TERMS, *_gathered()]
    return [term for room in ROOMS for term in found if term.room == room]


def find_terms(asked: str, terms: Sequence[Term] | None = None) -> list[Term]:
    """Terms in which every word of `asked` occurs, whatever its case; those whose name has them come first.

    Signs around a word count for nothing.

    All of them when nothing is asked.
    """
    words = [word for part in asked.casefold().split() if (word := part.strip(",;:.!?\"'()"))]
    searched = list_terms() if terms is None else list(terms)
    found = [
        one for one in searched if all(w in f"{one.name} {one.meaning} {one.paper}".casefold() for w in words)
    ]
    return sorted(found, key=lambda one: not all(word in one.name.casefold() for word in words))


def define(terms: Sequence[Term]) -> str:
    """Terms as an HTML list of definitions."""
    lines = "".join(
        f"<dt>{escape(one.name)}</dt><dd>{escape(one.meaning)}"
        + (f" <cite>{escape(one.paper)}.</cite>" if one.paper else "")
        + "</dd>"
        for one in terms
    )
    return f'<dl class="lb-terms">{lines}</dl>'


def _gathered() -> Iterator[Term]:
    for name, stated in STATED.items():
        title = stated.noun or stated_title(name)
        yield Term(_capital(title), SURE, stated.meaning)
    for score in SCORE_WORDS.values():
        technical = _capital(score.technical.split(" (")[0].split(",")[0])
        paper = score.technical.partition("(")[2].rstrip(")")
        yield Term(f"{technical}: {score.label}", JUDGED, score.meaning, paper)
    for name, title in BASELINES.items():
        yield Term(_capital(title), FORECASTERS, _BASELINES[name], _PAPERS.get(name, ""))
    for method in METHODS.values():
        yield Term(method.title, METHOD, first_sentence(method.explanation), method.paper)
    for name, meaning in REFERENCES.items():
        title = _capital(REFERENCE_TITLES[name])
        yield Term(title, COMPARED, first_sentence(meaning), _PAPERS.get(name, ""))
    for words in FEATURE_WORDS.values():
        yield Term(_capital(words.label), FEATURES, first_sentence(words.meaning))


def first_sentence(text: str) -> str:
    """Up to the first full stop that ends a sentence."""
    head, stop, _ = text.partition(". ")
    return f"{head}." if stop else text


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
