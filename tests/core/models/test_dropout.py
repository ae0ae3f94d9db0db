import pytest
import torch

from core.models.dropout import Dropout, drop


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_given_share_is_dropped_and_the_rest_scaled_to_keep_the_mean(share, dtype):
    torch.manual_seed(0)
    dropped = drop(torch.ones(1001, 333, dtype=dtype), share, True).float()
    kept = dropped[dropped != 0]
    standard_error = (share * (1 - share) / dropped.numel()) ** 0.5
    assert abs(1 - len(kept) / dropped.numel() - share) < 5 * standard_error + 2**-16
    torch.testing.assert_close(kept, torch.full_like(kept, 1 / (1 - share)), rtol=5e-3, atol=0)


def test_the_gradient_passes_where_the_value_did():
    x = torch.randn(64, 64).requires_grad_()
    y = drop(x, 0.3, True)
    y.sum().backward()
    torch.testing.assert_close(x.grad, (y / x).detach())


def test_draws_follow_the_seed_and_differ_from_each_other():
    x = torch.ones(1000)
    torch.manual_seed(3)
    first, second = drop(x, 0.5, True), drop(x, 0.5, True)
    torch.manual_seed(3)
    assert torch.equal(drop(x, 0.5, True), first)
    assert not torch.equal(first, second)


def test_neighbouring_elements_are_dropped_independently():
    torch.manual_seed(0)
    kept = (drop(torch.ones(400_000), 0.5, True) > 0).float() - 0.5
    for lag in (1, 2, 3, 4, 8):
        assert abs((kept[lag:] * kept[:-lag]).mean() * 4) < 5 / 400_000**0.5


def test_nothing_is_dropped_outside_training_or_at_share_zero():
    x = torch.randn(10)
    assert torch.equal(Dropout(0.5).eval()(x), x)
    assert torch.equal(Dropout(0.0)(x), x)
