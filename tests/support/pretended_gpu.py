"""A GPU that is only pretended: tensors that say they are on one and hold nothing.

What a step does with them shows what a real one would refuse while a CUDA graph is recorded:
numbers that are asked for, tensors of the host, copies between the two.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import (
    DataDependentOutputException,
    DynamicOutputShapeException,
    FakeTensorMode,
)
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

WAITS = (DataDependentOutputException, DynamicOutputShapeException)
"""Raised where a number of the device is asked for, or something is to be as large as it says."""


@contextmanager
def pretended_gpu(model: nn.Module) -> Iterator[None]:
    """Inside, the model's tensors are on a pretended GPU; it is of no use afterwards."""
    with FakeTensorMode(allow_non_fake_inputs=False):
        for module in model.modules():
            for name, value in list(module._parameters.items()):
                if value is not None:
                    module._parameters[name] = nn.Parameter(_there(value), requires_grad=False)
            for name, value in list(module._buffers.items()):
                if value is not None:
                    module._buffers[name] = _there(value)
            for name, value in list(vars(module).items()):
                if isinstance(value, Tensor):
                    setattr(module, name, _there(value))
        yield


def _there(value: Tensor) -> Tensor:
    return torch.empty(value.shape, dtype=value.dtype, device="cuda")


class HostUse(TorchDispatchMode):
    """Notes the work that takes a tensor of the host; single numbers are no tensors of it."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        tensors = [t for t in tree_leaves((args, kwargs, out)) if isinstance(t, Tensor)]
        if any(t.device.type == "cpu" and t.dim() > 0 for t in tensors):
            self.seen.append(str(func))
        return out
