"""The device follows the setting and the machine, and a model's inputs follow its parameters."""

import pytest
import torch

from core.device import choose_device, device_of, serving_device
from core.errors import ConfigError


@pytest.fixture(params=[False, True], ids=["without", "with CUDA"])
def has_cuda(request, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: request.param)
    return request.param


def test_the_cpu_is_always_there(has_cuda):
    assert choose_device("cpu") == torch.device("cpu")


def test_auto_takes_cuda_where_it_is(has_cuda):
    assert choose_device("auto").type == choose_device().type == ("cuda" if has_cuda else "cpu")


@pytest.mark.parametrize("wanted", ["cuda", "gpu"])
def test_cuda_is_given_or_refused_naming_the_setting(wanted, has_cuda):
    if has_cuda:
        assert choose_device(wanted).type == "cuda"
    else:
        with pytest.raises(ConfigError, match=r"set serve\.device=cpu"):
            choose_device(wanted, "serve.device")


def test_an_unknown_device_is_refused(has_cuda):
    with pytest.raises(ConfigError, match="out of auto, cpu, cuda"):
        choose_device("tpu")


def test_the_environment_goes_before_the_configuration(has_cuda, monkeypatch):
    found = "cuda" if has_cuda else "cpu"
    monkeypatch.delenv("LOOKBACK_DEVICE", raising=False)
    assert serving_device().type == serving_device("auto").type == found
    assert serving_device("cpu").type == "cpu"
    monkeypatch.setenv("LOOKBACK_DEVICE", "auto")
    assert serving_device("cpu").type == found
    monkeypatch.setenv("LOOKBACK_DEVICE", "cpu")
    assert serving_device("cuda").type == "cpu"


def test_a_device_that_is_not_there_is_refused_by_the_name_it_was_asked_by(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setenv("LOOKBACK_DEVICE", "cuda")
    with pytest.raises(ConfigError, match=r"CUDA device for LOOKBACK_DEVICE=cuda.*set LOOKBACK_DEVICE=cpu"):
        serving_device("cpu")
    monkeypatch.delenv("LOOKBACK_DEVICE")
    with pytest.raises(ConfigError, match=r"set serve\.device=cpu"):
        serving_device("cuda")


def test_inputs_belong_where_the_parameters_are():
    assert device_of(torch.nn.Linear(2, 2, device="meta")) == torch.device("meta")
    assert device_of(torch.nn.ReLU()) == torch.device("cpu")
