"""What the host tells of itself, with nothing made up but a system that tells nothing."""

from __future__ import annotations

import os
import subprocess
import sys

import psutil
import pytest

from engine.models import host as host_room
from engine.models.control_groups import GroupMemory
from engine.models.host import Host, HostReading


def test_this_machine_tells_of_itself() -> None:
    reading = Host().read()
    assert reading.cores == psutil.cpu_count()
    assert reading.usable_cores is not None and 1 <= reading.usable_cores <= reading.cores
    assert reading.memory_total is not None
    assert reading.memory_total <= psutil.virtual_memory().total
    assert 0 < reading.memory_own < reading.memory_used < reading.memory_total
    assert reading.own_share is not None and 0 <= reading.own_share <= 100


def test_work_of_this_process_is_told() -> None:
    host = Host()
    begun = psutil.Process().cpu_times().user
    while psutil.Process().cpu_times().user < begun + 0.2:
        sum(range(10_000))
    reading = host.read()
    assert reading.own_cores is not None and reading.own_cores > 0
    assert reading.use is not None and reading.use > 0


def test_what_the_system_does_not_tell_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    host = Host()

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError

    for name in ("cpu_percent", "virtual_memory", "cpu_count"):
        monkeypatch.setattr(psutil, name, refuse)
    monkeypatch.setattr(psutil, "sensors_temperatures", refuse, raising=False)
    reading = host.read()
    assert (reading.use, reading.memory_total, reading.temperature) == (None, None, None)
    assert reading.cores == 1 and reading.memory_own


def test_a_control_group_that_is_tighter_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    group = GroupMemory(free=2**30, total=3 * 2**30)
    monkeypatch.setattr(host_room, "group_memory", lambda swap: group)
    reading = Host().read()
    assert (reading.memory_used, reading.memory_total) == (2 * 2**30, 3 * 2**30)


@pytest.mark.parametrize(
    "own, usable, use", [(None, 2, None), (1.0, 2, 50), (3.0, 2, 100), (1.0, None, 25)]
)
def test_use_is_of_the_cores_that_may_be_used(own, usable, use) -> None:
    assert HostReading(cores=4, own_cores=own, usable_cores=usable).own_use == use


def test_it_imports_no_torch() -> None:
    code = "import sys; from engine.models.host import Host; Host().read()"
    code += "; print('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**os.environ}
    )
    assert done.stdout.strip() == "False"
