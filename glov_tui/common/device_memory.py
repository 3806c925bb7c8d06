"""Memory in use, for the status line: of the GPU where there is one, else of the engine."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

REFRESH_SECONDS = 2.0

_last: tuple[float, str] = (float("-inf"), "")


def memory_used(now: float, pid: int | None = None) -> str:
    """A short text such as ``GPU 12.3/79.6 GiB`` or ``RAM 1.2 GiB``, measured every two seconds.

    Args:
        now: a monotonic clock's reading in seconds.
        pid: of the engine's process; None for this one.
    """
    global _last
    if now - _last[0] >= REFRESH_SECONDS:
        _last = (now, _measure(pid))
    return _last[1]


def _measure(pid: int | None) -> str:
    nvml = _nvml()
    if nvml is not None:
        used = total = 0
        for index in range(nvml.nvmlDeviceGetCount()):
            memory = nvml.nvmlDeviceGetMemoryInfo(nvml.nvmlDeviceGetHandleByIndex(index))
            used, total = used + memory.used, total + memory.total
        if total:
            return f"GPU {used / 2**30:.1f}/{total / 2**30:.0f} GiB"
    import psutil

    try:
        used = psutil.Process(pid).memory_info().rss
    except psutil.Error:  # it has ended
        return ""
    return f"RAM {used / 2**30:.1f} GiB"


@lru_cache(maxsize=1)
def _nvml() -> Any | None:
    """The NVML library (extra ``gpu``), None where it or a driver is missing."""
    try:
        import pynvml

        pynvml.nvmlInit()
    except Exception:  # the package raises its own errors, none of them ours to mend
        return None
    return pynvml
