"""Where a model computes: on the CPU, or on a CUDA device where there is one."""

from __future__ import annotations

import os

import torch
from torch import nn

from core.errors import ConfigError

_SETTINGS = {"auto": None, "cpu": "cpu", "cuda": "cuda", "gpu": "cuda"}


def choose_device(wanted: str = "auto", setting: str = "device") -> torch.device:
    """The device a configured value stands for.

    Parameters
    ----------
    wanted
        "cpu"; "cuda", which training's configuration calls "gpu"; or "auto": CUDA where torch can use it,
        else the CPU.
    setting
        The configuration's key, for the error.

    Raises
    ------
    ConfigError
        If the value is unknown, or asks for CUDA where there is none.
    """
    if wanted not in _SETTINGS:
        raise ConfigError(f"{setting} out of {', '.join(_SETTINGS)}", repr(wanted), f"set {setting}=auto")
    kind = _SETTINGS[wanted]
    available = torch.cuda.is_available()
    if kind == "cuda" and not available:
        raise ConfigError(
            f"a CUDA device for {setting}={wanted}", "none that torch can use", f"set {setting}=cpu"
        )
    return torch.device(kind or ("cuda" if available else "cpu"))


def serving_device(configured: str = "auto") -> torch.device:
    """The device of predictions and explanations: LOOKBACK_DEVICE where it is set, else what is configured.

    Parameters
    ----------
    configured
        `serve.device` of the model's configuration.

    Raises
    ------
    ConfigError
        As `choose_device`.
    """
    override = os.environ.get("LOOKBACK_DEVICE")
    return (
        choose_device(override, "LOOKBACK_DEVICE") if override else choose_device(configured, "serve.device")
    )


def device_of(module: nn.Module) -> torch.device:
    """Where the module's parameters live, and so where its inputs must; the CPU if it has none."""
    parameter = next(module.parameters(), None)
    return torch.device("cpu") if parameter is None else parameter.device
