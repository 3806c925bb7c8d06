"""The machine's gauges while a run is under way: read by a thread of their own, told as telemetry.

They are of the machine on which the engine runs, wherever screens are.
"""

from __future__ import annotations

import threading
from collections import defaultdict, deque
from collections.abc import Callable

from engine.models.gpus import GpuReading, Gpus
from engine.run import events as ev

SECONDS = 2.0
KEPT = 30
"""Readings of the past that are told with each: a minute."""

Say = Callable[[ev.Event], bool]
"""Tells an event; False if nothing can be told any more."""


class Gauges:
    """Reads what there is every two seconds; nothing where there is no GPU."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self._stopped = threading.Event()
        self._past: dict[int, deque[int | None]] = defaultdict(lambda: deque(maxlen=KEPT))
        self._thread = threading.Thread(target=self._main, name="glov-gauges", daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def stop(self) -> None:
        """Read no more; returns at once."""
        self._stopped.set()

    def _main(self) -> None:
        gpus = Gpus.open()
        while gpus is not None and not self._stopped.is_set():
            if not self._say(self._measured(gpus.read())):
                return
            self._stopped.wait(SECONDS)

    def _measured(self, readings: tuple[GpuReading, ...]) -> ev.GpusMeasured:
        for reading in readings:
            self._past[reading.number].append(reading.use)
        past = tuple(tuple(self._past[reading.number]) for reading in readings)
        return ev.GpusMeasured(gpus=readings, past=past)
