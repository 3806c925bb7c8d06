"""The engine measures its machine's GPUs and tells it as telemetry, whoever looks."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.models.gpus import GpuReading
from engine.remote.telemetry import telemetry_since
from engine.run import events as ev
from engine.run.state import RunState
from engine.session import gauges
from tests.support.fake_driver import build, found

RUN = """
import json, sys
from pathlib import Path
from engine.session import gauges
from engine.session.local import LocalSession
from engine.storage.run_folder import EVENTS
from tests.support.small_runs import demo
gauges.SECONDS = 0.05
told = []
folder = Path(sys.argv[-1] if len(sys.argv) > 1 else FOLDER)
session = LocalSession.create(
    demo(), folder, on_event=lambda event, state: told.append((event.kind, state.machine))
)
session.start()
assert session.wait(500)
measured = [machine for kind, machine in told if kind == "machine-measured"]
print(json.dumps({
    "status": session.state.status,
    "last": measured[-1].model_dump(mode="json") if measured else None,
    "after": session.state.machine is not None,
    "journaled": "machine-measured" in (folder / EVENTS).read_text(),
}))
"""


def test_a_run_tells_what_it_measures_and_keeps_nothing_of_it(tmp_path: Path) -> None:
    code = f"FOLDER = {str(tmp_path / 'run')!r}\n{RUN}"
    told = found(code, build(tmp_path / "driver"), FAKE_GPUS="whole,mig")
    assert told["status"] == "finished"
    assert [gpu["use"] for gpu in told["last"]["gpus"]] == [87, None]
    one, other = told["last"]["past"]
    assert set(one) == {87} and set(other) == {None} and len(one) == len(other) <= gauges.KEPT
    assert not told["after"] and not told["journaled"]  # what was is no more once it has ended


def measured(use: int) -> ev.MachineMeasured:
    reading = GpuReading(number=0, name="H200", use=use)
    return ev.MachineMeasured(gpus=(reading,), past=((50, use),))


def test_a_screen_that_comes_late_is_sent_the_last_minute() -> None:
    now = RunState().apply(measured(10)).apply(measured(20))
    (event,) = telemetry_since(RunState(), now)
    assert RunState().apply(event).machine == now.machine
    assert telemetry_since(now, now) == []


@pytest.mark.parametrize("end", [ev.RunFinished, ev.RunStopped])
def test_gauges_end_with_the_run(end: type) -> None:
    assert RunState().apply(measured(10)).apply(end(step=1)).machine is None
