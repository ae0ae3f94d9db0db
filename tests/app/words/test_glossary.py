"""Whatever the screen names, the glossary explains in one sentence."""

from __future__ import annotations

import re

import pytest

from app.attribution.words import REFERENCE_TITLES
from app.review.words import SCORE_WORDS
from app.words.confidence import STATED, stated_title
from app.words.features import FEATURE_WORDS
from app.words.glossary import ROOMS, Term, define, find_terms, list_terms
from core.config import Config
from core.explain.methods.registry import METHODS
from core.review.performance import BASELINES
from tests.app.workbench import assert_accepted, open_page, said

NAMES = {term.name.casefold() for term in list_terms()}
SHOWN = [
    *map(stated_title, STATED),
    *(method.title for method in METHODS.values()),
    *REFERENCE_TITLES.values(),
    *BASELINES.values(),
    *(task.name for task in Config().tasks),
    *(name for task in Config().tasks for name in task.classes),
    *(words.label for words in FEATURE_WORDS.values()),
]


@pytest.mark.parametrize("name", SHOWN)
def test_what_the_tables_name_has_its_entry(name: str) -> None:
    assert name.casefold() in NAMES


@pytest.mark.parametrize("name", STATED)
def test_every_confidence_is_explained(name: str) -> None:
    assert STATED[name].meaning in {term.meaning for term in list_terms()}


@pytest.mark.parametrize("score", SCORE_WORDS.values(), ids=list(SCORE_WORDS))
def test_a_score_is_found_by_the_words_of_the_screen_and_by_its_technical_name(score) -> None:
    technical = score.technical.split(" (")[0].split(",")[0]
    for asked in (score.label, technical):
        assert score.meaning in {term.meaning for term in find_terms(asked)}


@pytest.mark.parametrize("term", list_terms(), ids=lambda term: term.name)
def test_a_term_is_one_sentence_under_a_heading(term: Term) -> None:
    assert term.room in ROOMS
    assert term.name
    assert term.meaning.endswith(".")
    assert not re.search(r"[.!?] [A-Z]", term.meaning)
    assert not term.paper.endswith(".")


def test_no_term_is_explained_twice() -> None:
    assert len(NAMES) == len(list_terms())


def test_all_words_asked_for_must_be_there_in_any_case_and_names_come_first() -> None:
    terms = [
        Term("Fold", "a", "One training of a walk-forward."),
        Term("Walk-Forward", "a", "Several trainings.", "Nobody 1999"),
        Term("Bar", "a", "A stretch of time."),
    ]
    assert [one.name for one in find_terms("walk-forward", terms)] == ["Walk-Forward", "Fold"]
    assert [one.name for one in find_terms("TRAINING several", terms)] == ["Walk-Forward"]
    assert [one.name for one in find_terms('"Fold"?', terms)] == ["Fold"]
    assert [one.name for one in find_terms("nobody", terms)] == ["Walk-Forward"]
    assert find_terms("  ", terms) == terms
    assert find_terms("nowhere", terms) == []


def test_what_a_term_holds_is_text_on_the_page() -> None:
    drawn = define([Term("<b>", "a", "x < y & z.", "A & B 2000")])
    assert "<dt>&lt;b&gt;</dt><dd>x &lt; y &amp; z. <cite>A &amp; B 2000.</cite></dd>" in drawn


def test_the_page_opens_without_bars_or_model_and_says_when_nothing_is_found(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("LOOKBACK_HOME", str(tmp_path / "home"))
    app = open_page("glossary")
    assert_accepted(app)
    assert "Walk-forward" in said(app)
    assert "Integrated Gradients" in said(app)
    app.text_input(key="term").set_value("planted").run()
    assert "Planted market" in said(app)
    assert "Integrated Gradients" not in said(app)
    app.text_input(key="term").set_value("qwertz").run()
    assert_accepted(app)
    assert "No term has all of" in said(app)
