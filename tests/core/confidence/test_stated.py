import json

import numpy as np
import pytest
from scipy.special import softmax

from core.confidence.stated import SET_LEVEL, SET_LEVELS, TaskConfidence
from core.errors import InputError


def overconfident_rows(n: int, seed: int):
    """Calls right with probability q, logits twice as sharp as they should be, one informative source."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(n, 3))
    labels = np.array([rng.choice(3, p=p) for p in softmax(logits, axis=1)])
    top = softmax(logits, axis=1).max(axis=1)
    sources = np.column_stack([top, rng.uniform(size=(n, 3))])
    return 2 * logits, labels, sources, sources @ [0.3, 0.25, 0.25, 0.2]


@pytest.fixture(scope="module")
def fitted():
    logits, labels, sources, raw = overconfident_rows(4000, 0)
    return TaskConfidence.fit(logits, labels, sources, raw, np.arange(4000), gap=5)


def test_overconfidence_is_repaired_out_of_sample(fitted):
    logits, labels, sources, raw = overconfident_rows(4000, 1)
    stated = fitted.state(logits, sources, raw)
    correct = logits.argmax(1) == labels
    assert stated.confidence.mean() == pytest.approx(correct.mean(), abs=0.02)
    assert softmax(logits, axis=1).max(1).mean() > correct.mean() + 0.1
    assert fitted.calibration.temperature.temperature == pytest.approx(2, rel=0.1)


def test_the_learned_mix_puts_its_weight_on_the_informative_source(fitted):
    logits, labels, sources, raw = overconfident_rows(4000, 2)
    correct = logits.argmax(1) == labels
    stated = fitted.state(logits, sources, raw)
    loss = {
        name: -np.log(np.where(correct, p, 1 - p)).mean()
        for name, p in (("mix", stated.mix), ("base rate", np.full(4000, correct.mean())))
    }
    assert loss["mix"] < loss["base rate"] - 0.005


def test_sets_cover_the_label_at_the_stated_rate_and_hold_the_call(fitted):
    logits, labels, sources, raw = overconfident_rows(4000, 3)
    members = fitted.state(logits, sources, raw).members
    assert members[np.arange(4000), labels].mean() == pytest.approx(0.9, abs=0.02)
    assert members[np.arange(4000), logits.argmax(1)].all()


@pytest.mark.parametrize("level", SET_LEVELS)
def test_every_level_is_kept_and_covers_at_its_rate(fitted, level):
    logits, labels, sources, raw = overconfident_rows(4000, 6)
    members = fitted.state(logits, sources, raw, level).members
    assert members[np.arange(4000), labels].mean() == pytest.approx(level, abs=0.02)
    if level == SET_LEVEL:
        np.testing.assert_array_equal(members, fitted.state(logits, sources, raw).members)


def test_a_level_that_was_not_fitted_is_refused_with_those_that_were(fitted):
    with pytest.raises(InputError, match=r"80%, 90%, 95%, got 70%"):
        fitted.sets_at(0.7)


def test_what_kept_one_level_is_still_read(fitted):
    stored = json.loads(json.dumps(fitted.to_dict()))
    stored["sets"] = stored["sets"][1]
    restored = TaskConfidence.from_dict(stored)
    assert restored.sets == (fitted.sets_at(0.9),)


def test_what_was_stored_before_ranks_were_kept_has_none_and_its_mix_is_found(fitted):
    logits, _, sources, raw = overconfident_rows(50, 4)
    stored = json.loads(json.dumps(fitted.to_dict()))
    stored["mix"] = stored["calibration"].pop("mix")
    for name in ("ranks", "ranked", "joint", "beside"):
        del stored["calibration"][name]
    older = TaskConfidence.from_dict(
        stored | {"calibration": stored["calibration"] | {"chosen": "temperature"}}
    )
    assert older.state(logits, sources, raw).ranks is None
    np.testing.assert_array_equal(
        older.state(logits, sources, raw).mix, fitted.state(logits, sources, raw).mix
    )


def test_ranks_are_those_among_the_rows_the_calibrators_were_fitted_on(fitted):
    _, _, fitted_on, _ = overconfident_rows(4000, 0)
    logits, _, sources, raw = overconfident_rows(200, 7)
    ranks = fitted.state(logits, sources, raw).ranks
    expected = (fitted_on < sources[:, None]).mean(axis=1)
    np.testing.assert_allclose(ranks, expected, atol=0.005)


def test_plain_numbers_restore_the_same_statements(fitted):
    logits, _, sources, raw = overconfident_rows(50, 4)
    restored = TaskConfidence.from_dict(json.loads(json.dumps(fitted.to_dict())))
    first, second = fitted.state(logits, sources, raw), restored.state(logits, sources, raw)
    for name in ("confidence", "mix", "ranks", "probabilities", "members"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))


def test_a_segment_too_short_to_cross_fit_is_refused():
    logits, labels, sources, raw = overconfident_rows(20, 5)
    with pytest.raises(InputError):
        TaskConfidence.fit(logits, labels, sources, raw, np.arange(20), gap=10)
