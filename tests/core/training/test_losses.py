import pytest
import torch

from core.config import Config, LossConfig
from core.models.heads import HeadOutput
from core.training.losses import (
    MultiTaskLoss,
    balanced_class_weights,
    confidence_brier,
    masked_cross_entropy,
    masked_huber,
    perturb_adversarially,
)

TASKS = Config().tasks
ROWS = 40


def make_head(seed, intensity=False):
    generator = torch.Generator().manual_seed(seed)
    logits, confidence, value = (
        torch.randn(shape, generator=generator).requires_grad_() for shape in ((ROWS, 3), (ROWS,), (ROWS,))
    )
    return HeadOutput(logits, confidence, value if intensity else None)


def make_layers(count=4):
    return [
        {task.name: make_head(10 * layer + index, task.intensity) for index, task in enumerate(TASKS)}
        for layer in range(count)
    ]


def make_labels(seed=5):
    generator = torch.Generator().manual_seed(seed)
    return {task.name: torch.randint(-1, 3, (ROWS,), generator=generator) for task in TASKS}


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weight", [None, torch.tensor([0.5, 2.0, 1.0])])
def test_cross_entropy_is_that_of_the_labelled_rows(weight, smoothing):
    logits, labels = make_head(0).logits, make_labels()["regime"]
    known = labels >= 0
    expected = -(torch.log_softmax(logits, -1)[known, labels[known]])
    if weight is None:
        weight_of = torch.ones(int(known.sum()))
        smooth = -torch.log_softmax(logits, -1)[known].mean(-1)
    else:
        weight_of = weight[labels[known]]
        smooth = -(torch.log_softmax(logits, -1)[known] * weight).mean(-1) / weight_of
    expected = ((1 - smoothing) * expected + smoothing * smooth) * weight_of
    actual = masked_cross_entropy(logits, labels, weight, smoothing)
    torch.testing.assert_close(actual, expected.sum() / weight_of.sum())


def test_without_any_label_every_loss_is_zero_with_a_zero_gradient():
    head = make_head(0, intensity=True)
    labels = torch.full((ROWS,), -1)
    total = (
        masked_cross_entropy(head.logits, labels)
        + masked_cross_entropy(head.logits, labels, torch.ones(3))
        + confidence_brier(head.logits, head.confidence_logit, labels)
        + masked_huber(head.intensity, torch.full((ROWS,), torch.nan))
    )
    total.backward()
    assert total == 0
    for tensor in (head.logits, head.confidence_logit, head.intensity):
        assert torch.count_nonzero(tensor.grad) == 0


def test_an_empty_batch_of_rows_gives_zero():
    empty = torch.empty(0)
    assert masked_cross_entropy(torch.empty(0, 3), empty.long()) == 0
    assert confidence_brier(torch.empty(0, 3), empty, empty.long()) == 0
    assert masked_huber(empty, empty) == 0


def test_the_brier_term_is_lowest_at_the_share_that_is_right_and_moves_no_logit():
    logits = torch.zeros(10, 3)
    logits[:, 1] = 1
    logits.requires_grad_()
    labels = torch.tensor([1, 1, 1, 1, 1, 1, 1, 0, 2, 0])

    def brier(share):
        return confidence_brier(logits, torch.full((10,), share).logit(), labels).item()

    assert brier(0.7) == pytest.approx(0.7 * 0.3**2 + 0.3 * 0.7**2)
    assert brier(0.7) < min(brier(0.65), brier(0.75))
    confidence = torch.zeros(10, requires_grad=True)
    confidence_brier(logits, confidence, labels).backward()
    assert logits.grad is None
    assert torch.count_nonzero(confidence.grad) == 10


def test_huber_is_quadratic_up_to_one_and_linear_beyond_and_leaves_nan_out():
    value = masked_huber(torch.tensor([0.5, 3.0, 9.0]), torch.tensor([0.0, 0.0, torch.nan]))
    assert value.item() == pytest.approx((0.5 * 0.25 + (3 - 0.5)) / 2)


def test_the_total_is_the_sum_of_the_named_terms_as_specified():
    config = LossConfig(calibration=0.3, gate_l1=0.2, intensity=0.4, auxiliary=0.6)
    tasks = [task.model_copy(update={"weight": 0.5 + i}) for i, task in enumerate(TASKS)]
    layers, labels = make_layers(), make_labels()
    intensity = torch.linspace(-2, 2, ROWS)
    gate = torch.tensor([1.0, -3.0])
    with torch.no_grad():
        terms = MultiTaskLoss(tasks, config)(layers, labels, intensity, gate)
    expected = {"gate_l1": 0.2 * 2.0, "calibration": 0.0, "auxiliary": 0.0}
    for task in tasks:
        head, target = layers[-1][task.name], labels[task.name]
        expected[f"{task.name}_cross_entropy"] = task.weight * masked_cross_entropy(head.logits, target)
        expected["calibration"] += (
            0.3 * task.weight * confidence_brier(head.logits, head.confidence_logit, target)
        )
        for layer in layers[:-1]:
            expected["auxiliary"] += (
                0.6 * task.weight * masked_cross_entropy(layer[task.name].logits, target) / 3
            )
    expected["intensity"] = 0.4 * 1.5 * masked_huber(layers[-1]["volatility"].intensity, intensity)
    expected["total"] = sum(expected.values())
    assert set(terms) == set(expected)
    for name, value in expected.items():
        assert terms[name].item() == pytest.approx(torch.as_tensor(value).item(), rel=1e-5)


def test_one_layer_alone_has_no_auxiliary_term():
    terms = MultiTaskLoss(TASKS, LossConfig())(
        make_layers(1), make_labels(), torch.zeros(ROWS), torch.ones(2)
    )
    assert terms["auxiliary"] == 0


def test_class_weights_balance_the_classes_and_average_one_over_the_rows():
    counts = torch.tensor([10, 30, 0, 60])
    weights = balanced_class_weights(counts)
    mass = weights * counts
    torch.testing.assert_close(mass[[0, 1, 3]], torch.full((3,), 100 / 3))
    assert weights[2] == 0
    plain = MultiTaskLoss(TASKS, LossConfig())
    weighted = MultiTaskLoss(TASKS, LossConfig(), {"regime": torch.tensor([1.0, 0.0, 0.0])})
    arguments = make_layers(), make_labels(), torch.zeros(ROWS), torch.ones(2)
    first, second = plain(*arguments), weighted(*arguments)
    assert first["direction_cross_entropy"] == second["direction_cross_entropy"]
    only = make_labels()["regime"].where(make_labels()["regime"] == 0, -1)
    logits = arguments[0][-1]["regime"].logits
    torch.testing.assert_close(second["regime_cross_entropy"], masked_cross_entropy(logits, only))


def test_the_adversarial_step_has_the_stated_size_stays_on_the_scale_and_raises_the_loss():
    torch.manual_seed(0)
    x = torch.rand(8, 5) * 100
    x[0, 0], x[0, 1] = 0.0, 100.0
    x.requires_grad_()
    weight = torch.randn(5, 3)
    labels = torch.randint(0, 3, (8,))
    loss = masked_cross_entropy(x @ weight / 25, labels)
    shifted = perturb_adversarially(x, loss, 2.0)
    assert not shifted.requires_grad
    assert shifted.min() >= 0
    assert shifted.max() <= 100
    moved = (shifted - x.detach()).abs()
    inside = (x.detach() > 2) & (x.detach() < 98)
    torch.testing.assert_close(moved[inside], torch.full_like(moved[inside], 2.0))
    assert masked_cross_entropy(shifted @ weight / 25, labels) > loss
    loss.backward()
    assert x.grad is not None
