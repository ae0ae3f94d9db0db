import pytest

from core.explain.methods.registry import METHODS, planted_scores, recommend


def market(**scores):
    """Scores of one planted market from method__reference=auprc."""
    found = {}
    for pair, auprc in scores.items():
        method, reference = pair.split("__")
        found.setdefault(method, {})[reference] = {"auprc": auprc}
    return {"scores": found}


@pytest.fixture
def planted():
    return {
        "generators": {
            "first": market(
                ig__window_mean=0.6, ig__typical_window=0.9,
                gradient_shap__ordinary_windows=0.8, gradient_shap__window_mean=0.97,
                occlusion__window_mean=0.95, temporal_rescaling__window_mean=0.99, attention_mean__none=1.0,
            ),
            "second": market(
                ig__window_mean=0.8, ig__typical_window=0.3,
                gradient_shap__ordinary_windows=0.64, gradient_shap__window_mean=0.97,
                occlusion__window_mean=0.95, temporal_rescaling__window_mean=0.99, attention_mean__none=1.0,
            ),
        }
    }  # fmt: skip


def test_nothing_measured_gives_the_defaults_without_a_score():
    found = recommend(None)
    assert (found.method, found.reference, found.auprc) == ("ig", "ordinary_windows", None)


def test_scores_are_means_over_the_markets_of_what_can_be_chosen(planted):
    scores = planted_scores(planted)
    assert scores["ig", "typical_window"] == pytest.approx(0.6)
    assert ("attention_mean", "none") not in scores


def test_the_best_method_with_signs_at_every_cell_against_real_windows_is_advised(planted):
    found = recommend(planted)
    assert (found.method, found.reference) == ("gradient_shap", "ordinary_windows")
    assert found.auprc == pytest.approx(0.72)
    assert METHODS[found.method].signed
    assert METHODS[found.method].resolution == "cell"


def test_a_choice_is_kept_and_the_rest_fitted_to_it(planted):
    assert recommend(planted, "occlusion", "window_mean").auprc == pytest.approx(0.95)
    assert recommend(planted, method="ig").reference == "typical_window"
    by_reference = recommend(planted, reference="window_mean")
    assert (by_reference.method, by_reference.auprc) == ("gradient_shap", pytest.approx(0.97))


def test_a_pair_nobody_scored_has_no_score(planted):
    found = recommend(planted, "ig", "ordinary_windows")
    assert (found.method, found.reference, found.auprc) == ("ig", "ordinary_windows", None)


def test_a_pair_missing_from_one_market_is_not_averaged(planted):
    del planted["generators"]["second"]["scores"]["ig"]["window_mean"]
    assert ("ig", "window_mean") not in planted_scores(planted)
