import pytest

from core.explain.methods.registry import METHODS, planted_scores, recommend


def market(**scores):
    """Scores of one planted market from method__baseline=auprc."""
    found = {}
    for pair, auprc in scores.items():
        method, baseline = pair.split("__")
        found.setdefault(method, {})[baseline] = {"auprc": auprc}
    return {"scores": found}


@pytest.fixture
def planted():
    return {
        "generators": {
            "first": market(
                ig__window_mean=0.6, ig__training_median=0.9, gradient_shap__window_mean=0.8,
                occlusion__window_mean=0.95, temporal_rescaling__window_mean=0.99, attention_mean__none=1.0,
            ),
            "second": market(
                ig__window_mean=0.8, ig__training_median=0.3, gradient_shap__window_mean=0.64,
                occlusion__window_mean=0.95, temporal_rescaling__window_mean=0.99, attention_mean__none=1.0,
            ),
        }
    }  # fmt: skip


def test_nothing_measured_gives_the_defaults_without_a_score():
    found = recommend(None)
    assert (found.method, found.baseline, found.auprc) == ("ig", "window_mean", None)


def test_scores_are_means_over_the_markets_of_what_can_be_chosen(planted):
    scores = planted_scores(planted)
    assert scores["ig", "training_median"] == pytest.approx(0.6)
    assert ("attention_mean", "none") not in scores


def test_the_best_method_with_signs_at_every_cell_is_advised(planted):
    found = recommend(planted)
    assert (found.method, found.baseline) == ("gradient_shap", "window_mean")
    assert found.auprc == pytest.approx(0.72)
    assert METHODS[found.method].signed
    assert METHODS[found.method].resolution == "cell"


def test_a_choice_is_kept_and_the_rest_fitted_to_it(planted):
    assert recommend(planted, method="occlusion").auprc == pytest.approx(0.95)
    by_baseline = recommend(planted, baseline="training_median")
    assert (by_baseline.method, by_baseline.auprc) == ("ig", pytest.approx(0.6))


def test_a_pair_nobody_scored_has_no_score(planted):
    found = recommend(planted, "ig", "multi_reference")
    assert (found.method, found.baseline, found.auprc) == ("ig", "multi_reference", None)


def test_a_pair_missing_from_one_market_is_not_averaged(planted):
    del planted["generators"]["second"]["scores"]["ig"]["window_mean"]
    assert ("ig", "window_mean") not in planted_scores(planted)
