"""The engine's memory on its host, for the status line. That of GPUs has a line of its own."""

from __future__ import annotations

REFRESH_SECONDS = 2.0

_last: tuple[float, str] = (float("-inf"), "")


def memory_used(now: float, pid: int | None = None) -> str:
    """A short text such as ``RAM 1.2 GiB``, measured every two seconds.

    Args:
        now: a monotonic clock's reading in seconds.
        pid: of the engine's process; None for this one.
    """
    global _last
    if now - _last[0] >= REFRESH_SECONDS:
        _last = (now, _measure(pid))
    return _last[1]


def _measure(pid: int | None) -> str:
    import psutil

    try:
        used = psutil.Process(pid).memory_info().rss
    except psutil.Error:  # it has ended
        return ""
    if not used:  # it was killed, and is still listed by its number
        return ""
    return f"RAM {used / 2**30:.1f} GiB"
