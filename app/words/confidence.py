"""Everything that states how sure the model is, as a person reads it: one table of words, colour and dash."""

from __future__ import annotations

from dataclasses import dataclass

from app.figures.theme import GREY, INDIGO
from app.words.numbers import count_word, percent
from core.confidence.sources import SOURCES


@dataclass(frozen=True)
class Stated:
    """How a confidence is called and drawn.

    Attributes
    ----------
    title
        Short; ``{count}`` stands for the number of sources.
    dash
        Of its line, which tells it apart without colour.
    color
        A hue that no class uses; None is the text's own.
    shown
        Whether the Selective page draws it before anything is chosen.
    question
        What a source answers, as a person would ask.
    compared
        What a source's rank says of a bar: 'steadier than', before '73% of past bars'.
    noun
        A source within a sentence, where that is not its title.
    meaning
        What its numbers mean in one sentence, with the paper where there is one.
    """

    title: str
    dash: str
    color: str | None = None
    shown: bool = False
    question: str = ""
    compared: str = ""
    noun: str = ""
    meaning: str = ""


STATED = {
    "confidence": Stated(
        "final confidence",
        "solid",
        shown=True,
        meaning="The chance that the call comes true, by the one of the forms below that was chosen on bars "
        "held back from training.",
    ),
    "uncalibrated": Stated(
        "before calibration",
        "solid",
        GREY,
        meaning="The network's own probability of the class it calls, before any calibrator has seen it.",
    ),
    "temperature": Stated(
        "temperature",
        "dot",
        "#AA4499",
        meaning="The probability of the class called after all log-odds are divided by one number fitted on "
        "held-back bars (Guo et al. 2017).",
    ),
    "platt": Stated(
        "Platt",
        "dash",
        "#B08D00",
        meaning="The sum of the sources put through a logistic curve fitted on held-back bars (Platt 1999).",
    ),
    "isotonic": Stated(
        "isotonic",
        "dashdot",
        "#3A9A5B",
        meaning="The sum of the sources put through the rising curve that fits held-back bars best "
        "(Zadrozny and Elkan 2002).",
    ),
    "raw": Stated(
        "sum of the {count} sources",
        "dash",
        GREY,
        shown=True,
        meaning="The sources added up with fixed weights, and not calibrated.",
    ),
    "mix": Stated(
        "learned mix of the sources",
        "dash",
        shown=True,
        meaning="The chance that the call comes true by a logistic regression on the sources, fitted on "
        "held-back bars.",
    ),
    "ranked": Stated(
        "sum of the sources' ranks",
        "longdash",
        GREY,
        shown=True,
        meaning="The sum of the sources, each taken as the share of past bars on which it was lower, through "
        "a logistic curve fitted on held-back bars.",
    ),
    "joint": Stated(
        "probability and ranks together",
        "longdashdot",
        shown=True,
        meaning="The chance that the call comes true by a logistic regression on the probability and the "
        "sources' ranks, fitted on held-back bars.",
    ),
    "head_confidence": Stated(
        "the model's own estimate",
        "dashdot",
        GREY,
        meaning="What an output of the network, trained to say whether the call will be right, says before "
        "calibration.",
    ),
    "attention": Stated(
        "attention",
        "dot",
        INDIGO,
        shown=True,
        question="where it looks",
        compared="looks sharper than",
        noun="attention confidence",
        meaning="100% when the last bar looks at one bar alone, 0% when at all alike (one minus the "
        "normalised entropy of its attention).",
    ),
    "ensemble": Stated(
        "agreement of the layers",
        "dash",
        "#44AA99",
        shown=True,
        question="do its layers agree",
        compared="layers agree more than",
        meaning="100% when every layer, read by itself, gives the same probabilities (one minus the "
        "Jensen-Shannon divergence between layers).",
    ),
    "similarity": Stated(
        "similarity to training",
        "dashdot",
        "#999933",
        shown=True,
        question="seen before?",
        compared="more familiar than",
        meaning="How close the window lies to the training data, as the model sees it (Mahalanobis "
        "distance, Lee et al. 2018).",
    ),
    "mc_dropout": Stated(
        "steadiness under dropout",
        "longdash",
        "#CC6677",
        shown=True,
        question="steady under noise",
        compared="steadier than",
        meaning="100% when switching parts of the model off at random changes nothing (one minus the "
        "mutual information of dropout passes, Gal and Ghahramani 2016).",
    ),
}
"""By name, in the order of `core.review.rows.list_stated`; a source's name is that of
`core.confidence.sources.SOURCES`."""


def stated_title(name: str) -> str:
    """What a person calls a confidence."""
    return STATED[name].title.format(count=count_sources())


OF_PAST_BARS = "in percent of the past bars its calibrators were fitted on"
NEVER_MOVED = "the same on every past bar"
NO_RANKS = "as measured: this model keeps no ranks of past bars"


def rank_phrase(name: str, rank: float) -> str:
    """What a source's rank says, in short: 'steadier than 73%', of past bars."""
    return f"{STATED[name].compared or 'higher than'} {percent(rank)}"


def source_noun(name: str) -> str:
    """A source within a sentence."""
    return STATED[name].noun or STATED[name].title


def count_sources(less: int = 0) -> str:
    """How many sources there are, `less` so many left out, as a word: 'four'."""
    return count_word(len(SOURCES) - less)
