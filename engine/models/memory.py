"""Running out of memory: how to tell, and how to make room for another try with less."""

from __future__ import annotations

import gc

import torch

from engine.models.control_groups import group_memory

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


def free_bytes(device: torch.device) -> int:
    """That can be allocated on a device now; of the host, within its control groups' limits."""
    if device.type == "cuda":
        unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(torch.cuda.mem_get_info(device)[0]) + unused
    if device.type == "mps":
        taken = torch.mps.driver_allocated_memory() - torch.mps.current_allocated_memory()
        return max(0, torch.mps.recommended_max_memory() - taken)
    import psutil

    free = int(psutil.virtual_memory().available)
    group = group_memory(0)
    return free if group is None else min(free, group.free)
