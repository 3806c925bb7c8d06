"""A model whose halves are on two devices, on a machine that has one: torch's fake tensors.

They have shapes and devices and no numbers, and raise where devices meet that must not. The second
device is called ``cuda:0``; nothing of CUDA is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from accelerate.hooks import AlignDevicesHook, add_hook_to_module
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.overrides import TorchFunctionMode

FIRST, SECOND = torch.device("cpu"), torch.device("cuda:0")


class _FakeDevices(FakeTensorMode):
    """Without CUDA, also where a number that is known moves to the second device."""

    @property
    def avoid_device_init(self) -> bool:
        return True


class _MadeThere(TorchFunctionMode):
    """``torch.tensor`` on the second device, which would look for a driver otherwise."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        given = dict(kwargs or {})
        if func is torch.tensor and torch.device(given.get("device") or FIRST) == SECOND:
            made = func(*args, **{**given, "device": FIRST})
            return torch.empty(tuple(made.shape), dtype=made.dtype, device=SECOND)
        return func(*args, **given)


class _Aligned(AlignDevicesHook):
    """As ``accelerate`` puts on each part of a model; its weights are where they belong."""

    def init_hook(self, module: nn.Module) -> nn.Module:
        return module


@contextmanager
def spread(make: Callable[[], Any], places: dict[str, torch.device]) -> Iterator[Any]:
    """Inside, what ``make`` gives is there with its parts at these places, as a device map has it.

    Everything that is made inside is fake. Numbers can't be asked for.
    """
    with _FakeDevices(), _MadeThere(), torch.inference_mode():
        model = make()
        skip = getattr(model, "_skip_keys_device_placement", None)
        for name, device in places.items():
            part = model.get_submodule(name)
            for module in part.modules():
                for known in (module._parameters, module._buffers):
                    for key, tensor in known.items():
                        if tensor is not None:
                            known[key] = _like(tensor, device)
            add_hook_to_module(part, _Aligned(execution_device=device, skip_keys=skip))
        whole = _Aligned(execution_device=FIRST, io_same_device=True, skip_keys=skip)
        yield add_hook_to_module(model, whole)


def _like(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    made = torch.empty_like(tensor, device=device)
    is_weight = isinstance(tensor, nn.Parameter)
    return nn.Parameter(made, requires_grad=False) if is_weight else made
