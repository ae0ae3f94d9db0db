"""Whose evidence a walk-forward is, and what the pages say of it."""

from __future__ import annotations

import pytest

from app.review.words import evidence_sentence
from core.review.evidence import describe_evidence, find_differences
from tests.conftest import small_config
from tests.core.review.synthetic_review import write_synthetic


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    return write_synthetic(tmp_path_factory.mktemp("evidence") / "synthetic", bars=120)


def test_a_walk_forward_is_described_by_what_it_tested(result) -> None:
    found = describe_evidence(result)
    assert (found.folds, found.scheme, found.series) == (2, "expanding", ("AAA 1d", "BBB 1d"))
    assert (found.first, found.last) == (result.rows["ts"].min(), result.rows["ts"].max())
    said = evidence_sentence(found, "2020-01-02", "lookback abc", ())
    for part in ("2 expanding folds of AAA 1d and BBB 1d", "2015-01-01", "2020-01-02", "lookback abc"):
        assert part in said
    assert "warning" not in said


def test_what_was_made_otherwise_is_named_and_marked(result) -> None:
    tested = small_config()
    assert find_differences(tested, tested) == ()
    other = tested.model_copy(
        update={
            "name": "another",
            "labels": tested.labels.model_copy(update={"horizon": tested.labels.horizon + 1}),
            "model": tested.model.model_copy(update={"members": tested.model.members + 1}),
        }
    )
    assert find_differences(tested, other) == ("labels", "architecture")
    said = evidence_sentence(describe_evidence(result), None, "lookback abc", find_differences(tested, other))
    assert "not of the chosen model, lookback abc" in said
    assert "other labels and architecture" in said
    assert "finished" not in said


def test_segments_and_names_make_no_other_model() -> None:
    tested = small_config()
    split = tested.split.model_copy(update={"train_share": tested.split.train_share - 0.1})
    assert find_differences(tested, tested.model_copy(update={"name": "another", "split": split})) == ()


def test_without_a_model_no_claim_is_made_of_one(result) -> None:
    assert "No model is chosen" in evidence_sentence(describe_evidence(result), None, "", ())
