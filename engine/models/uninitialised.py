"""Building a model whose weights come from a file: without drawing random ones first.

A library that draws them fills memory that is filled again from the file, and where it then casts
the model to 16 bits, twice that memory. Memory that nobody wrote to takes none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode
from torch.utils import serialization

_DRAWS = (torch.Tensor.normal_, torch.Tensor.uniform_, torch.Tensor.erfinv_)


class _NothingDrawn(TorchFunctionMode):
    """Parameters are left as they are where they would be filled with random numbers."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        if func in _DRAWS and isinstance(args[0], nn.Parameter):
            return args[0]
        return func(*args, **(kwargs or {}))


@contextmanager
def filled_from_file(in_pieces: bool) -> Iterator[None]:
    """Inside, a model is built on this thread, and all of its weights loaded.

    ``in_pieces``: a pickled file is not read into memory as a whole (torch raises a RuntimeError
    that speaks of mmap where the file is too old for that).
    """
    config: Any = serialization.config
    with _NothingDrawn(), config.patch({"load.mmap": in_pieces}):
        yield
