import torch

from core.models.heads import HeadOutput, TaskHead


def test_a_head_reads_any_leading_shape_and_keeps_it():
    head = TaskHead(32, 3, True, 0.1).eval()
    output = head(torch.randn(2, 5, 32))
    assert output.logits.shape == (2, 5, 3)
    assert output.confidence_logit.shape == (2, 5)
    assert output.intensity is not None
    assert output.intensity.shape == (2, 5)
    assert TaskHead(32, 2, False, 0.1)(torch.randn(7, 32)).intensity is None


def test_hidden_layers_are_half_and_a_quarter_of_the_width():
    linear = [layer for layer in TaskHead(256, 3, False, 0.1).hidden if isinstance(layer, torch.nn.Linear)]
    assert [(layer.in_features, layer.out_features) for layer in linear] == [(256, 128), (128, 64)]


def test_probabilities_and_confidence_follow_from_the_logits_in_float32():
    output = HeadOutput(
        torch.tensor([[[0.0, 1.0, 2.0]]], dtype=torch.bfloat16), torch.tensor([[0.0]]), torch.tensor([[3.0]])
    )
    weights = torch.tensor([0.0, 1.0, 2.0]).exp()
    torch.testing.assert_close(output.probabilities[0, 0], weights / weights.sum())
    assert output.confidence.item() == 0.5


def test_positions_are_cut_alike_from_every_output():
    output = TaskHead(16, 3, True, 0.0)(torch.randn(2, 5, 16))
    last = output.at(slice(-1, None))
    assert torch.equal(last.logits, output.logits[:, -1:])
    assert torch.equal(last.confidence_logit, output.confidence_logit[:, -1:])
    assert torch.equal(last.intensity, output.intensity[:, -1:])
