"""What the host tells of itself and of this process: CPU, memory, temperature. No torch.

``psutil`` is imported at the first reading: by a thread that can wait.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Annotated, Any, TypeVar

from pydantic import Field

from engine.common.record import Count, Positive, Record
from engine.models.control_groups import GroupMemory, group_memory
from engine.models.gpus import Percent

T = TypeVar("T")
Cores = Annotated[float, Field(ge=0, le=2**20)]
_SENSORS = ("coretemp", "k10temp", "zenpower", "cpu_thermal", "cpu-thermal", "acpitz")


class HostReading(Record):
    """The machine and the engine's process on it now; null is what it does not tell."""

    cores: Positive  # of the machine
    use: Percent | None = None  # of all cores, since the reading before
    own_cores: Cores | None = None  # that the engine's process kept busy since then
    usable_cores: Positive | None = None  # that it may use
    memory_used: Count | None = None  # bytes, of all processes of it
    memory_total: Count | None = None  # bytes, of the machine or the tightest control group
    memory_own: Count | None = None  # bytes, of the engine's process, resident
    temperature: int | None = None  # of the hottest core, degrees Celsius
    name: str = ""  # of the machine, as it calls itself

    @property
    def own_use(self) -> int | None:
        """Percent of the cores that the engine's process may use."""
        if self.own_cores is None:
            return None
        return min(100, round(100 * self.own_cores / (self.usable_cores or self.cores)))

    @property
    def own_share(self) -> int | None:
        """Percent of the memory that the engine's process has."""
        if self.memory_own is None or not self.memory_total:
            return None
        return min(100, round(100 * self.memory_own / self.memory_total))


class Host:
    """This machine, by psutil. One thread at a time."""

    def __init__(self) -> None:
        import psutil

        from engine.models.threads import usable_cores

        self._psutil: Any = psutil
        self._process: Any = psutil.Process()
        self._usable = _told(usable_cores)
        self._name = _told(socket.gethostname) or ""
        # The first answers are of no time at all.
        _told(psutil.cpu_percent)
        _told(self._process.cpu_percent)

    def read(self) -> HostReading:
        """All that it tells; use is that since the last reading."""
        ask = self._psutil
        memory, own = self._memory(), _told(self._process.memory_info)
        use, busy = _told(ask.cpu_percent), _told(self._process.cpu_percent)
        return HostReading(
            cores=max(1, _told(ask.cpu_count) or 1),
            use=None if use is None else min(100, max(0, round(use))),
            own_cores=None if busy is None else max(0.0, round(busy / 100, 2)),
            usable_cores=self._usable or None,
            memory_used=None if memory is None else max(0, memory.total - memory.free),
            memory_total=None if memory is None else memory.total,
            memory_own=None if own is None else int(own.rss),
            temperature=self._temperature(),
            name=self._name,
        )

    def _memory(self) -> GroupMemory | None:
        """Of the machine, or what a control group leaves of it: a container's, a job's."""
        found = _told(self._psutil.virtual_memory)
        if found is None:
            return None
        whole = GroupMemory(int(found.available), int(found.total))
        group = _told(lambda: group_memory(0))
        return group if group is not None and group.total < whole.total else whole

    def _temperature(self) -> int | None:
        sensors = _told(getattr(self._psutil, "sensors_temperatures", dict)) or {}
        told = [one.current for name in _SENSORS for one in sensors.get(name, ())]
        return round(max(told)) if told else None


def _told(ask: Callable[[], T]) -> T | None:
    """What the system answers; None where it does not: a gauge is worth no run."""
    try:
        return ask()
    except Exception:
        return None
