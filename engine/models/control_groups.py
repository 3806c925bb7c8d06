"""What control groups, versions 1 and 2, leave to this process: of CPU time and of memory.

A container sees its own group at the top of what it is shown; a job of SLURM or systemd is in a
group further down, and each group above it limits it too.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

ROOT = Path("/")


class GroupMemory(NamedTuple):
    """Bytes that the tightest groups leave: now, and in all, with what they may swap."""

    free: int
    total: int


def cpu_quota(root: Path = ROOT) -> float | None:
    """Cores' worth of time that the control groups allow, by the tightest; None: no limit.

    ``root`` is where ``proc`` and ``sys`` are.
    """
    found = []
    for folder in _groups(root, "cpu"):
        quota = _quota(folder)
        if quota is not None:
            found.append(quota)
    return min(found, default=None)


def group_memory(swap: int, root: Path = ROOT) -> GroupMemory | None:
    """Memory that the control groups leave to this process; None: they limit nothing.

    What a group has read of files counts as free: it is given back when memory is needed.

    Args:
        swap: bytes of swap space of the machine, of which a group may use what it is allowed to.
        root: where ``proc`` and ``sys`` are.
    """
    found = [memory for folder in _groups(root, "memory") if (memory := _memory(folder, swap))]
    if not found:
        return None
    return GroupMemory(min(one.free for one in found), min(one.total for one in found))


def _groups(root: Path, controller: str) -> Iterator[Path]:
    """Folders of the groups of this process that a controller may be in, and of all above them."""
    try:
        lines = (root / "proc/self/cgroup").read_text(errors="replace").splitlines()
    except OSError:
        return
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, group = rest.partition(":")
        if controllers and controller not in controllers.split(","):
            continue
        base = root / "sys/fs/cgroup" / controllers
        path = PurePosixPath(group.lstrip("/"))
        for inner in (path, *path.parents):
            yield base / inner


def _quota(folder: Path) -> float | None:
    try:
        if (folder / "cpu.max").exists():
            quota, period = (folder / "cpu.max").read_text().split()
        else:
            quota = (folder / "cpu.cfs_quota_us").read_text()
            period = (folder / "cpu.cfs_period_us").read_text()
        cores = float(quota) / float(period)
    except (OSError, ValueError, ZeroDivisionError):  # "max": no limit
        return None
    return cores if cores > 0 else None


def _memory(folder: Path, swap: int) -> GroupMemory | None:
    """Of one group; None where it has no limit, or does not tell."""
    most = _number(folder / "memory.max")
    if most is not None:
        taken, swapped = _number(folder / "memory.current"), _number(folder / "memory.swap.max")
        files = _stat(folder, "inactive_file")
        swap = swap if swapped is None else min(swap, swapped)
    else:
        most, taken = (_number(folder / f"memory.{what}_in_bytes") for what in ("limit", "usage"))
        files = _stat(folder, "total_inactive_file")
        both = _number(folder / "memory.memsw.limit_in_bytes")
        if most is not None and both is not None:  # memory and swap space together
            swap = max(0, min(swap, both - most))
    if most is None:
        return None
    used = max(0, (taken or 0) - files)
    return GroupMemory(max(0, most - used), most + swap)


def _stat(folder: Path, name: str) -> int:
    try:
        lines = (folder / "memory.stat").read_text(errors="replace").splitlines()
        return next((int(line.split()[1]) for line in lines if line.startswith(f"{name} ")), 0)
    except (OSError, ValueError, IndexError):
        return 0


def _number(file: Path) -> int | None:
    """None where it says "max", as version 1 does by a number that no machine reaches."""
    try:
        found = int(file.read_text())
    except (OSError, ValueError):
        return None
    return found if 0 <= found < 2**62 else None
