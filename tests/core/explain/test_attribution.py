import copy

import numpy as np
import pytest
import torch
from captum.attr import DeepLift, IntegratedGradients, LayerConductance

from core.errors import InputError, WindowError
from core.explain.attribution import attribute
from core.explain.margin import TaskMargin, evaluate, probability
from core.explain.methods.conductance import layer_conductance
from core.explain.methods.gradients import fejer
from core.explain.methods.registry import METHODS
from core.explain.methods.settings import Settings, players, share_equally
from core.explain.references import ORDINARY, Reference, real_windows, window_mean
from core.progress import Stopped

NAMES = ("a", "b", "c", "d")
GROUPS = {"a": "price", "b": "price", "c": "volume", "d": "volume"}
CELL_METHODS = [name for name, method in METHODS.items() if method.resolution == "cell" and method.signed]
QUICK = Settings(player_block=8, rounds=2)


def explain(margin, window, reference, method, settings=QUICK, **options):
    names = NAMES if window.shape[1] == 4 else tuple("abcde")
    groups = GROUPS | {"e": "other"}
    return attribute(margin, window, reference, names, method, settings, groups=groups, **options)


def test_methods_that_are_wrong_with_layer_normalisation_are_not_offered(linear):
    margin, _, window = linear
    assert not any("deep" in name or "deep" in method.title.lower() for name, method in METHODS.items())
    with pytest.raises(InputError, match="a method out of"):
        explain(margin, window, window_mean(window), "deep_lift")


@pytest.mark.filterwarnings("ignore:Setting forward, backward hooks")
def test_deep_lift_does_not_add_up_where_integrated_gradients_do(margin, market_window):
    target = torch.from_numpy(market_window)[None]
    reference = torch.from_numpy(window_mean(market_window).windows)
    change = float(evaluate(margin, target)[0] - evaluate(margin, reference)[0])

    def missed(method, **options):
        private = copy.deepcopy(margin)
        values = method(private).attribute(target.requires_grad_(), reference, **options)
        return abs(float(values.detach().sum()) - change) / abs(change)

    assert missed(IntegratedGradients, n_steps=64) < 0.01
    assert missed(DeepLift) > 0.1


def test_every_method_explains_itself_in_two_sentences_and_names_its_paper():
    for method in METHODS.values():
        assert method.explanation.count(". ") == 1
        assert method.explanation.endswith(".")
        assert any(character.isdigit() for character in method.paper)


@pytest.mark.parametrize("method", [name for name in CELL_METHODS if name != "gradient_shap"])
def test_a_linear_model_is_shared_out_as_weight_times_distance(linear, method):
    margin, weights, window = linear
    result = explain(margin, window, window_mean(window), method)
    np.testing.assert_allclose(result.values, weights * (window - window.mean(0)), atol=1e-4)


def test_gradient_shap_without_noise_is_exact_on_a_linear_model(linear):
    margin, weights, window = linear
    result = explain(margin, window, window_mean(window), "gradient_shap", Settings(noise=0.0))
    np.testing.assert_allclose(result.values, weights * (window - window.mean(0)), atol=1e-4)


def ordinary(window, count, seed=1):
    """Windows of the same shape, as the past of a series would give them."""
    drawn = np.random.default_rng(seed).uniform(0, 100, (count, *window.shape)).astype(np.float32)
    return real_windows(ORDINARY, drawn, distance=0.5)


@pytest.mark.parametrize("method", CELL_METHODS)
def test_several_references_count_as_their_mean_on_a_linear_model(linear, method):
    margin, weights, window = linear
    reference = ordinary(window, 3)
    result = explain(margin, window, reference, method, Settings(noise=0.0, samples=4000, batch=64))
    expected = weights * (window - reference.windows.mean(0))
    # What is sampled draws its references at random.
    atol = 0.05 * np.abs(expected).max() if METHODS[method].name.startswith(("gradient_s", "shap")) else 1e-4
    np.testing.assert_allclose(result.values, expected, atol=atol)
    assert result.reference == ORDINARY
    assert result.reference_windows == 3
    assert result.reference_distance == 0.5


@pytest.mark.parametrize("method", ["ig", "feature_ablation", "occlusion", "permutation_shap"])
def test_several_references_give_the_mean_of_each_alone(margin, market_window, method):
    reference = ordinary(market_window, 2)
    settings = Settings(first_steps=32, tolerance=1e-4, max_steps=64, player_block=20, rounds=3)
    together = explain(margin, market_window, reference, method, settings).values
    alone = [
        explain(margin, market_window, Reference("one", window[None]), method, settings).values
        for window in reference.windows
    ]
    expected = np.mean(alone, 0)
    np.testing.assert_allclose(together, expected, atol=2e-3 * np.abs(expected).max())


@pytest.mark.parametrize("count", [1, 2, 5, 16])
def test_expected_gradients_add_up_to_the_mean_change(margin, market_window, count):
    reference = ordinary(market_window, count)
    result = explain(margin, market_window, reference, "ig")
    change = evaluate(margin, market_window[None])[0] - evaluate(margin, reference.windows).mean()
    assert result.completeness_error <= Settings().tolerance + 1e-3
    assert result.values.sum() == pytest.approx(change, abs=0.012 * max(abs(change), 0.01))
    assert result.reference_probability == pytest.approx(
        probability(evaluate(margin, reference.windows)).mean()
    )


def test_references_share_the_steps(linear, margin, market_window):
    straight, _, window = linear
    assert explain(straight, window, ordinary(window, 1), "ig").steps == 15
    assert explain(straight, window, ordinary(window, 16), "ig").steps == 16
    one, many = (explain(margin, market_window, ordinary(market_window, n), "ig").steps for n in (1, 16))
    assert many < 16 * one / 2


def test_the_order_of_the_references_changes_nothing(margin, market_window):
    reference = ordinary(market_window, 5)
    turned = Reference(ORDINARY, reference.windows[::-1].copy())
    settings = Settings(tolerance=1e-6, max_steps=64)
    one, other = (explain(margin, market_window, each, "ig", settings).values for each in (reference, turned))
    np.testing.assert_allclose(one, other, atol=1e-4 * np.abs(one).max())


def test_what_hides_cells_takes_the_most_ordinary_windows_alone_and_says_how_many(margin, market_window):
    reference = ordinary(market_window, 6)
    result = explain(margin, market_window, reference, "feature_ablation")
    assert result.reference_windows == METHODS["feature_ablation"].most_windows == 4
    few = explain(margin, market_window, reference.first(4), "feature_ablation")
    np.testing.assert_array_equal(result.values, few.values)


@pytest.mark.parametrize(
    ("distance", "step", "strange", "same"), [(0.5, 0.0, False, True), (1.2, 40.0, True, False)]
)
def test_a_reference_that_explains_nothing_says_so(linear_margin, distance, step, strange, same):
    weights = np.zeros((24, 4))
    weights[5, 1] = 0.05
    window = np.full((24, 4), 50, dtype=np.float32)
    window[5, 1] += step
    reference = Reference(ORDINARY, np.full((1, 24, 4), 50, dtype=np.float32), distance)
    result = explain(linear_margin(weights, bias=-2.5), window, reference, "ig")
    assert result.reference_probability == pytest.approx(0.5)
    assert result.probability == pytest.approx(probability(0.05 * step), abs=1e-6)
    assert (result.out_of_distribution, result.says_the_same) == (strange, same)


def test_hiding_a_feature_of_a_linear_model_loses_its_whole_sum(linear):
    margin, weights, window = linear
    expected = (weights * (window - window.mean(0))).sum(0)
    result = explain(margin, window, window_mean(window), "feature_ablation")
    np.testing.assert_allclose(list(result.by_feature.values()), expected, atol=1e-3)
    grouped = explain(margin, window, window_mean(window), "feature_ablation", Settings(grouping="source"))
    assert grouped.by_group["price"] == pytest.approx(expected[:2].sum(), abs=1e-3)
    assert grouped.by_feature["a"] == pytest.approx(grouped.by_feature["b"])


def test_occlusion_one_bar_at_a_time_loses_that_bar(linear):
    margin, weights, window = linear
    result = explain(margin, window, window_mean(window), "occlusion", Settings(occlusion_block=1))
    np.testing.assert_allclose(result.by_bar, (weights * (window - window.mean(0))).sum(1), atol=1e-3)


def test_shap_on_groups_equals_the_sum_of_a_linear_models_cells(linear):
    margin, weights, window = linear
    cells = weights * (window - window.mean(0))
    result = explain(margin, window, window_mean(window), "permutation_shap")
    np.testing.assert_allclose(result.values[-8:, :2].sum(), cells[-8:, :2].sum(), atol=1e-3)
    assert result.completeness_error < 1e-4


@pytest.mark.parametrize("method", ["ig", "permutation_shap"])
def test_symmetric_cells_of_a_product_share_equally_and_dummies_get_nothing(product_margin, method):
    window = np.full((24, 4), 50, dtype=np.float32)
    window[3, 0], window[20, 2], window[10, 1] = 90, 90, 80
    reference = Reference("given", np.full((1, 24, 4), 50, dtype=np.float32))
    result = explain(product_margin((3, 0), (20, 2)), window, reference, method)
    first, second = result.values[:8, :2].sum(), result.values[16:, 2:].sum()
    assert first == pytest.approx(second, rel=1e-4)
    assert first + second == pytest.approx(16.0, rel=1e-3)
    assert np.abs(result.values[8:16]).max() < 1e-5


@pytest.mark.parametrize("method", [name for name, method in METHODS.items() if method.signed])
def test_a_feature_the_model_never_reads_gets_nothing(linear_margin, linear, method):
    _, weights, window = linear
    blind = weights.copy()
    blind[:, 2] = 0
    groups = {name: name for name in NAMES}
    result = attribute(linear_margin(blind), window, window_mean(window), NAMES, method, QUICK, groups=groups)
    if METHODS[method].resolution != "bar":
        assert np.abs(result.values[:, 2]).max() < 1e-5
    assert np.abs(result.values).max() > 1e-3


def test_integrated_gradients_is_complete_on_the_market_transformer(margin, market_window):
    result = explain(margin, market_window, window_mean(market_window), "ig")
    whole = result.output - result.reference_output
    assert abs(result.values.sum() - whole) <= 0.01 * max(abs(whole), 0.01) + 1e-5
    assert result.completeness_error <= 0.011
    assert result.steps in (15, 31, 63, 127)


def test_integrated_gradients_agrees_with_captum(margin, market_window):
    reference = window_mean(market_window)
    result = explain(margin, market_window, reference, "ig", Settings(first_steps=64))
    oracle = IntegratedGradients(margin).attribute(
        torch.from_numpy(market_window)[None], torch.from_numpy(reference.windows), n_steps=200
    )
    np.testing.assert_allclose(result.values, oracle[0].numpy(), atol=2e-3 * np.abs(result.values).max())


def test_steps_stop_at_the_limit_and_the_error_is_reported(margin, market_window):
    settings = Settings(first_steps=2, max_steps=4, tolerance=1e-12)
    result = explain(margin, market_window, window_mean(market_window), "ig", settings)
    assert result.steps == 3
    assert result.completeness_error > 1e-12


@pytest.mark.parametrize("intervals", [2, 4, 16])
def test_quadrature_is_exact_for_polynomials_and_nested(intervals):
    points, weights = fejer(intervals)
    for degree in range(intervals):
        assert weights @ np.array(points) ** degree == pytest.approx(1 / (degree + 1), abs=1e-12)
    assert set(points) <= set(fejer(2 * intervals)[0])


def test_the_margin_is_the_log_odds_of_the_class(margin, market_window):
    x = torch.from_numpy(market_window)[None]
    share = margin.logits(x).softmax(-1)[0, 0].item()
    assert probability(evaluate(margin, market_window[None]))[0] == pytest.approx(share, rel=1e-5)
    margins = [TaskMargin(margin.model, margin.task, name, margin.classes) for name in margin.classes]
    total = sum(probability(evaluate(one, market_window[None]))[0] for one in margins)
    assert total == pytest.approx(1, abs=1e-5)


def test_no_gradient_is_left_on_the_models_weights(margin, market_window):
    for method in METHODS:
        explain(margin, market_window, window_mean(market_window), method)
    assert all(parameter.grad is None for parameter in margin.parameters())
    assert not margin.model.training


def test_bars_an_encoder_cannot_see_get_nothing(model, market_window):
    from core.config import ModelConfig, TaskConfig
    from core.models.transformer import MarketTransformer

    torch.manual_seed(1)
    config = ModelConfig(sequence_length=40, d_model=16, num_attention_heads=2, ffn_dim=32, windows=[4, 4])
    tasks = [TaskConfig(name="direction", classes=["x", "y"], label="direction")]
    near = TaskMargin(MarketTransformer(config, 5, tasks, 1, 1), "direction", "x", ("x", "y"))
    result = explain(near, market_window, window_mean(market_window), "ig")
    assert np.abs(result.values[:-7]).max() == 0
    assert np.abs(result.values[-7:]).min(1).max() > 0
    changed = market_window.copy()
    changed[:-7] = changed[:-7][::-1]
    again = explain(near, changed, Reference("given", window_mean(market_window).windows), "ig")
    np.testing.assert_allclose(again.values, result.values, atol=1e-6)


def test_a_seed_gives_the_same_values_and_leaves_the_global_generators_alone(margin, market_window):
    reference = window_mean(market_window)
    np.random.seed(5)
    expected = np.random.uniform()
    np.random.seed(5)
    first = explain(margin, market_window, reference, "gradient_shap").values
    assert np.random.uniform() == expected
    np.testing.assert_array_equal(first, explain(margin, market_window, reference, "gradient_shap").values)
    other = explain(margin, market_window, reference, "gradient_shap", Settings(seed=1)).values
    assert np.abs(first - other).max() > 0


@pytest.mark.parametrize("method", METHODS)
def test_work_reports_progress_to_its_end_and_can_be_cancelled(margin, market_window, method):
    seen = []
    explain(
        margin, market_window, window_mean(market_window), method, progress=lambda *pair: seen.append(pair)
    )
    assert seen[-1][0] == seen[-1][1]
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    with pytest.raises(Stopped):
        explain(margin, market_window, window_mean(market_window), method, cancelled=lambda: True)


def test_conductance_adds_up_at_every_depth_and_is_integrated_gradients_at_the_first(margin, market_window):
    reference = window_mean(market_window)
    result = layer_conductance(margin, market_window, reference.windows)
    assert result.values.shape == (3, 40)
    assert result.completeness_error.max() <= Settings().tolerance
    change = result.output - result.reference_output
    np.testing.assert_allclose(result.values.sum(1), change, rtol=0.02, atol=2e-4)
    by_bar = explain(margin, market_window, reference, "ig", Settings(first_steps=64)).by_bar
    np.testing.assert_allclose(result.values[0], by_bar, atol=0.02 * np.abs(by_bar).max())
    assert all(not module._forward_hooks and not module._forward_pre_hooks for module in margin.modules())


def test_conductance_walked_forth_and_back_needs_fewer_steps_than_one_way(margin, market_window):
    reference = window_mean(market_window).windows
    target, start = torch.from_numpy(market_window)[None], torch.from_numpy(reference)

    def one_way(steps):
        values = LayerConductance(margin, margin.model.blocks[1]).attribute(
            target, start, n_steps=steps, attribute_to_layer_input=True
        )
        return values[0].sum(-1).detach().double().numpy()

    both = layer_conductance(margin, market_window, reference, steps=8, max_steps=8).values[1]
    limit = one_way(2000)
    assert np.abs(both - limit).max() < 0.2 * np.abs(one_way(16) - limit).max()


def test_conductance_that_cannot_be_completed_says_by_how_much(margin, market_window):
    reference = window_mean(market_window).windows
    settings = Settings(tolerance=1e-9)
    result = layer_conductance(margin, market_window, reference, settings, steps=2, max_steps=4)
    missing = np.abs(result.values.sum(1) - (result.output - result.reference_output))
    change = max(abs(result.output - result.reference_output), 0.01)
    assert result.steps == 4
    np.testing.assert_allclose(result.completeness_error, missing / change)
    assert result.completeness_error.max() > 1e-9


def test_players_cover_every_cell_once_and_sharing_keeps_sums():
    assignment = players(10, ["p", "q", "p"], grouping="source", block=4)
    assert assignment.max() == 5
    assert (assignment[-4:] == assignment[-1]).all()
    np.testing.assert_array_equal(assignment[:, 0], assignment[:, 2])
    values = np.arange(6.0)
    assert share_equally(values, assignment).sum() == pytest.approx(values.sum())


def test_sums_by_group_and_block_keep_the_total(linear):
    margin, _, window = linear
    result = explain(margin, window, window_mean(window), "ig")
    total = result.values.sum()
    assert sum(result.by_group.values()) == pytest.approx(total, rel=1e-5)
    assert result.by_block(10).sum() == pytest.approx(total, rel=1e-5)
    assert len(result.by_block(10)) == 3
    assert result.by_block(10)[-1] == pytest.approx(result.by_bar[-10:].sum(), rel=1e-5)


def test_unusable_input_is_refused_in_a_sentence(model, linear):
    margin, _, window = linear
    with pytest.raises(InputError, match="class"):
        TaskMargin(model, "direction", "Sideways", ("Up", "Down", "Flat"))
    with pytest.raises(InputError, match="task"):
        TaskMargin(model, "mood", "Up", ("Up", "Down", "Flat"))
    with pytest.raises(WindowError, match="finite"):
        window_mean(np.full((4, 2), np.nan))
    with pytest.raises(WindowError, match="reference windows"):
        real_windows(ORDINARY, np.zeros((0, 3, 4)))
    with pytest.raises(InputError, match="references of shape"):
        explain(margin, window, real_windows(ORDINARY, np.zeros((2, 3, 4))), "ig")
    with pytest.raises(InputError, match="names"):
        attribute(margin, window, window_mean(window), ("a",))
    with pytest.raises(InputError, match="even"):
        Settings(first_steps=3)
    with pytest.raises(InputError, match="samples=0"):
        Settings(samples=0)
