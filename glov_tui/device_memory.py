"""Memory in use, for the status line: of the GPU where there is one, else of this process."""

from __future__ import annotations

import os
from functools import lru_cache
from typing import Any

REFRESH_SECONDS = 2.0

_last: tuple[float, str] = (float("-inf"), "")


def memory_used(now: float) -> str:
    """A short text such as ``GPU 12.3/79.6 GiB`` or ``RAM 1.2 GiB``, measured every two seconds.

    ``now`` is a monotonic clock's reading in seconds.
    """
    global _last
    if now - _last[0] >= REFRESH_SECONDS:
        _last = (now, _measure())
    return _last[1]


def _measure() -> str:
    nvml = _nvml()
    if nvml is not None:
        used = total = 0
        for index in range(nvml.nvmlDeviceGetCount()):
            memory = nvml.nvmlDeviceGetMemoryInfo(nvml.nvmlDeviceGetHandleByIndex(index))
            used, total = used + memory.used, total + memory.total
        if total:
            return f"GPU {used / 2**30:.1f}/{total / 2**30:.0f} GiB"
    import psutil

    return f"RAM {psutil.Process(os.getpid()).memory_info().rss / 2**30:.1f} GiB"


@lru_cache(maxsize=1)
def _nvml() -> Any | None:
    """The NVML library (extra ``gpu``), None where it or a driver is missing."""
    try:
        import pynvml

        pynvml.nvmlInit()
    except Exception:  # the package raises its own errors, none of them ours to mend
        return None
    return pynvml
