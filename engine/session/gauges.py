"""The machine's gauges while a run is under way: read by a thread of their own, told as telemetry.

They are of the machine on which the engine runs, wherever screens are.
"""

from __future__ import annotations

import threading
from collections import defaultdict, deque
from collections.abc import Callable

from engine.models.gpus import GpuReading, Gpus, Percent
from engine.models.host import Host, HostReading
from engine.run import events as ev

SECONDS = 2.0
FIRST_SECONDS = 0.5  # before the first reading: use is that of a time
KEPT = 30
"""Readings of the past that are told with each: a minute."""

Say = Callable[[ev.Event], bool]
"""Tells an event; False if nothing can be told any more."""


class _Past:
    """The last readings of gauges, by name; each is a percentage or was not told."""

    def __init__(self) -> None:
        self._kept: dict[str, deque[Percent | None]] = defaultdict(lambda: deque(maxlen=KEPT))

    def with_now(self, name: str, now: Percent | None) -> tuple[Percent | None, ...]:
        """All that is kept of a gauge, this one last."""
        self._kept[name].append(now)
        return tuple(self._kept[name])


class Gauges:
    """Reads what there is every two seconds."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self._stopped = threading.Event()
        self._past = _Past()
        self._thread = threading.Thread(target=self._main, name="glov-gauges", daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def stop(self) -> None:
        """Read no more; returns at once."""
        self._stopped.set()

    def _main(self) -> None:
        gpus, host = Gpus.open(), Host()
        seconds = min(FIRST_SECONDS, SECONDS)
        while not self._stopped.wait(seconds):
            read = gpus.read() if gpus is not None else ()
            if not self._say(self._measured(host.read(), read)):
                return
            seconds = SECONDS

    def _measured(self, host: HostReading, gpus: tuple[GpuReading, ...]) -> ev.MachineMeasured:
        past = self._past.with_now
        return ev.MachineMeasured(
            gpus=gpus,
            past=tuple(past(f"gpu {reading.number}", reading.use) for reading in gpus),
            host=host,
            host_past=ev.HostPast(
                use=past("use", host.use),
                own=past("own", host.own_use),
                memory=past("memory", host.own_share),
            ),
        )
