"""Running out of memory: how to tell, and how to make room for another try with less."""

from __future__ import annotations

import gc

import torch

_SIGNS = (
    "can't allocate memory",  # torch's allocator for the CPU
    "out of memory",  # MPS, and CUDA's own libraries
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether ``error`` says that the device or the host has no memory left."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in _SIGNS)


def free_memory() -> None:
    """Give back what nobody uses. Call it outside ``except``: the error holds on to tensors."""
    gc.collect()
    torch.cuda.empty_cache()  # nothing where CUDA was not used
