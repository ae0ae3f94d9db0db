"""A second device that computes as the CPU does: tensors left on the wrong one are noticed without a GPU.

Tensors on it carry device `elsewhere`, hold a CPU tensor inside, refuse to meet tensors of the CPU in one
operation as CUDA does, and refuse `.numpy()`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any
from unittest.mock import patch

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing
from torch.utils._pytree import tree_flatten, tree_map
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

NAME = "elsewhere"
# Operations that may meet both devices: copies, and CPU indices into a tensor of the other.
_CROSSING = {"aten::copy_", "aten::_to_copy", "aten::index", "aten::index_put_"}


class _Backend:
    """What torch asks of a device's module."""

    def is_available(self) -> bool:
        return True

    def is_initialized(self) -> bool:
        return True

    def _is_in_bad_fork(self) -> bool:
        return False

    def manual_seed_all(self, seed: int) -> None: ...

    def device_count(self) -> int:
        return 1

    def current_device(self) -> int:
        return 0


class Elsewhere(torch.Tensor):
    """A tensor whose values lie on the CPU and whose device is another."""

    inner: torch.Tensor

    @staticmethod
    def __new__(cls, inner: torch.Tensor) -> Elsewhere:
        made = torch.Tensor._make_wrapper_subclass(
            cls, inner.shape, strides=inner.stride(), dtype=inner.dtype, device=torch.device(NAME, 0)
        )
        made.inner = inner
        return made

    def __deepcopy__(self, memo: dict[int, Any]) -> Elsewhere:
        made = Elsewhere(self.inner.detach().clone()).requires_grad_(self.requires_grad)
        made._is_param = getattr(self, "_is_param", False)
        memo[id(self)] = made
        return made

    def __repr__(self) -> str:
        return f"Elsewhere({self.inner})"

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _compute(func, args, kwargs or {})


class _Factories(TorchDispatchMode):
    """Makes tensors on the second device where one is asked for."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _compute(func, args, kwargs or {})


class _Literals(TorchFunctionMode):
    """Makes on the CPU first what torch makes of Python lists, since it asks no dispatch mode there."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if func is torch.Tensor.__getitem__ and isinstance(args[1], list):
            args = (args[0], torch.tensor(args[1]))
        device = kwargs.pop("device", None) if func is torch.tensor else None
        made = func(*args, **kwargs)
        return made if device is None else made.to(device)


@contextmanager
def second_device() -> Iterator[torch.device]:
    """The device, for as long as the block lasts."""
    if torch._C._get_privateuse1_backend_name() != NAME:
        _setup_privateuseone_for_python_backend(NAME, backend_module=_Backend())
    # Wrapped tensors cannot be views of tensors made outside inference mode.
    with patch.object(torch, "inference_mode", _without_gradients), _Literals(), _Factories():
        yield torch.device(NAME, 0)


def _without_gradients(mode: bool = True) -> Any:
    return torch.no_grad() if mode else nullcontext()


def _compute(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    tensors = [leaf for leaf in tree_flatten((args, kwargs))[0] if isinstance(leaf, torch.Tensor)]
    there = [tensor for tensor in tensors if isinstance(tensor, Elsewhere)]
    here = [tensor for tensor in tensors if not isinstance(tensor, Elsewhere) and tensor.dim()]
    if there and here and func._schema.name not in _CROSSING:
        raise RuntimeError(f"{func} meets tensors of {NAME} and of the CPU")
    inner_args, inner_kwargs = tree_map(_unwrap, (args, kwargs))
    wrap = bool(there)
    if kwargs.get("device") is not None:
        wrap = torch.device(kwargs["device"]).type == NAME
        inner_kwargs["device"] = torch.device("cpu")
    out = func(*inner_args, **inner_kwargs)
    if not wrap:
        return out
    wrapped = tree_map(lambda leaf: Elsewhere(leaf) if isinstance(leaf, torch.Tensor) else leaf, out)
    return return_and_correct_aliasing(func, args, kwargs, wrapped) if there else wrapped


def _unwrap(leaf: Any) -> Any:
    return leaf.inner if isinstance(leaf, Elsewhere) else leaf
