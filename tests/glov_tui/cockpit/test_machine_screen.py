"""The machine screen: gauges, tokens per second, where the time of the steps went."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from engine.models.gpus import GpuReading
from engine.models.host import Host, HostReading
from engine.run import events as ev
from engine.run.state import RunState
from glov_tui.cockpit.machine_lines import (
    Look,
    machine_lines,
    speed_line,
    step_lines,
    tokens_per_second,
    total_lines,
    whole_percents,
)
from glov_tui.cockpit.screens.machine import Gauges, MachineScreen, TimeBars
from glov_tui.common.glyphs import ASCII, UNICODE
from tests.support.sessions import HeldSession, cockpit, loaded, one_step, settle

GIB = 2**30
PLAIN = Look(100, UNICODE, colours=False)


def measured(**changes: object) -> ev.MachineMeasured:
    host = {
        "cores": 8,
        "use": 63,
        "own_cores": 1.5,
        "usable_cores": 2,
        "memory_used": 5 * GIB,
        "memory_total": 16 * GIB,
        "memory_own": 2 * GIB,
    }
    past = ev.HostPast(use=(0, 30, 63), own=(None, 50, 75), memory=(12, 12, 12))
    return ev.MachineMeasured(host=HostReading(**{**host, **changes}), host_past=past)


def timed(step: int, times: ev.StepTimes | None, tokens: int = 90) -> list[ev.Event]:
    *others, finished = one_step(step, {f"template {step} of a <category>.": 5})
    assert isinstance(finished, ev.StepFinished)
    seconds = times.work if times is not None else 3.0
    changes = {"times": times, "seconds": seconds, "tokens": tokens}
    return [*others, finished.model_copy(update=changes)]


def texts(lines) -> list[str]:
    return ["".join(text for text, _ in line).rstrip() for line in lines]


def state_of(*events: ev.Event) -> RunState:
    return RunState().apply_all([*loaded(), *events])


def test_cpu_and_memory_are_there_without_a_gpu() -> None:
    cpu, engine, memory, gpu = texts(machine_lines(state_of(measured()), PLAIN))
    assert gpu.startswith("GPU  ") and "no GPU that" in gpu and not set(gpu) & set("0123456789")
    assert cpu.startswith("CPU      63 %") and cpu.endswith("▁▃▅  of 8 cores")
    assert engine.startswith("engine   75 %") and "1.5 of 2 cores it may use" in engine
    assert memory.startswith("memory   12 %")
    assert memory.endswith("engine 2.0 GiB, all 5.0 of 16.0 GiB")


def test_a_gpu_has_a_row_of_its_own() -> None:
    gpu = GpuReading(
        number=0, name="NVIDIA H200", use=87, memory_used=12 * GIB, memory_total=140 * GIB,
        memory_own=9 * GIB, temperature=61, power=310.4, power_limit=700.0,
    )  # fmt: skip
    state = state_of(measured().model_copy(update={"gpus": (gpu,), "past": ((10, 87),)}))
    row = texts(machine_lines(state, Look(120, ASCII, colours=False)))[3]
    assert row.startswith("GPU 0    87 %") and ".#" in row
    assert row.endswith("12.0 of 140 GiB (engine 9.0), 61 C, 310 of 700 W, NVIDIA H200")


def gpus(count: int) -> list[GpuReading]:
    return [
        GpuReading(
            number=n, name="NVIDIA H200", use=80 + n, memory_used=12 * GIB, memory_total=140 * GIB,
            memory_own=9 * GIB, temperature=61, power=310.4, power_limit=700.0,
        )
        for n in range(count)
    ]  # fmt: skip


@pytest.mark.parametrize("width", [58, 78, 118])
def test_the_last_minutes_stand_under_each_other_and_a_gpu_is_told_in_words_that_fit(width) -> None:
    past = ((10, 87),) * 2
    state = state_of(measured().model_copy(update={"gpus": tuple(gpus(2)), "past": past}))
    rows = texts(machine_lines(state, Look(width, UNICODE, colours=False)))
    ends = {max(row.rfind(sign) for sign in UNICODE.ramp) for row in rows}
    assert len(ends) == 1
    assert all("61 °C, 310" in row and "12.0 of 140 GiB" in row for row in rows[3:])
    assert all(len(row) <= width and "…" not in row for row in rows)


async def test_many_gpus_leave_the_speed_and_the_bars_in_view(tmp_path: Path) -> None:
    reading = measured().model_copy(update={"gpus": tuple(gpus(8)), "past": ((10, 87),) * 8})
    steps = timed(1, ev.StepTimes(propose=2.0, score=1.0))
    for size in ((60, 20), (80, 24), (100, 30)):
        session = HeldSession(tmp_path, *loaded(), reading, *steps)
        async with cockpit(session, size) as (pilot, app):
            await pilot.press("M")
            await settle(pilot)
            lines = app.screen.query_one(Gauges).plain.splitlines()
            assert len(lines) <= app.screen.query_one(Gauges).size.height <= size[1] // 2
            assert lines[-1].startswith("tokens/s")
            left_out = [line for line in lines if line.startswith("GPUs")]
            assert bool(left_out) == (size[1] < 24)
            if size == (60, 20):
                assert left_out == ["GPUs      and 5 to 7, use 85 to 87 %, 61 °C"]


def test_the_machine_is_named() -> None:
    row = texts(machine_lines(state_of(measured(name="gpu-box\x1b[2J")), PLAIN))[0]
    assert "of 8 cores on gpu-box" in row and "\x1b" not in row
    assert Host().read().name == socket.gethostname()


def test_without_readings_it_is_said_why() -> None:
    (waits,) = texts(machine_lines(state_of(), PLAIN))
    assert "every two seconds" in waits
    (past,) = texts(machine_lines(state_of(), PLAIN, live=False))
    assert "what the machine did then is not journaled" in past
    (over,) = texts(machine_lines(state_of(measured(), ev.RunFinished(step=0)), PLAIN))
    assert "No engine is at work" in over


def test_what_is_not_told_is_left_out() -> None:
    nothing = dict.fromkeys(("use", "own_cores", "memory_used", "memory_total", "memory_own"))
    for line in texts(machine_lines(state_of(measured(**nothing)), PLAIN))[:3]:
        assert "None" not in line and "-" in line


def test_tokens_per_second_are_those_of_the_replies() -> None:
    quick = timed(1, ev.StepTimes(propose=2.0, score=7.0), tokens=90)
    slow = timed(2, ev.StepTimes(propose=9.0, wait=100.0), tokens=90)
    old = timed(3, None, tokens=90)  # 3 s in all
    state = state_of(*quick, *slow, *old)
    assert [tokens_per_second(step) for step in state.steps] == [45, 10, 30]
    writing = ev.Progress(phase="proposing", done=3, total=50, tokens=30, seconds=1.5)
    state = state.apply_all([ev.StepStarted(step=4), writing])
    (line,) = texts([speed_line(state, PLAIN)])
    assert line.startswith("tokens/s  step 4: 20, last 30, median 30 of 3 steps")
    (line,) = texts([speed_line(state.apply(ev.RunPaused(step=4)), PLAIN)])
    assert "step 4" not in line  # nothing is written now


def test_a_step_without_tokens_has_no_speed() -> None:
    step = state_of(*timed(1, ev.StepTimes(score=1.0), tokens=0)).steps[0]
    assert tokens_per_second(step) is None
    assert "0.0" not in texts(step_lines([step], PLAIN))[0].split()[-1]


def test_the_sum_is_of_the_steps_that_were_timed() -> None:
    state = state_of(
        *timed(1, None),
        *timed(2, ev.StepTimes(propose=6.0, score=2.0, test=2.0, paused=300.0)),
        *timed(3, ev.StepTimes(propose=6.0, score=4.0)),
    )
    head, bar, *key = texts(total_lines(state, PLAIN))
    assert head == "20 s in 2 steps of 3, 10.00 s each; paused 5:00"
    assert bar == "P" * 60 + "S" * 30 + "T" * 10
    assert key == ["P propose 12.0 s 60 %  S score 6.0 s 30 %  T test 2.0 s 10 %"]
    assert "earlier glov" in texts(total_lines(state_of(*timed(1, None)), PLAIN))[0]
    assert texts(total_lines(state_of(), PLAIN)) == ["No step is done yet."]


@pytest.mark.parametrize(
    ("values", "shares"),
    [
        ([1, 1, 1], [34, 33, 33]),
        ([72.6, 0.3, 22.7, 1.6, 0.1], [75, 0, 23, 2, 0]),
        ([1, 1, 1, 1, 1, 1], [17, 17, 17, 17, 16, 16]),
        ([0.0, 0.0], [0, 0]),
        ([], []),
    ],
)
def test_shares_add_to_a_hundred(values, shares) -> None:
    assert whole_percents(values) == shares


def test_little_is_not_nothing_and_long_is_read_as_time() -> None:
    state = state_of(*timed(1, ev.StepTimes(propose=7325.0, steer=0.3, score=59.96)))
    *_, key = texts(total_lines(state, PLAIN))
    assert key == "P propose 2:02:05 99 %  V steer 0.3 s <1 %  S score 1:00 1 %"


def test_speeds_stand_in_a_column() -> None:
    steps = [*timed(1, ev.StepTimes(propose=0.5)), *timed(2, ev.StepTimes(propose=9.0))]
    slow, quick = texts(step_lines(state_of(*steps).steps, PLAIN))
    assert slow.endswith("  10 tok/s") and quick.endswith(" 180 tok/s")


def test_bars_of_steps_are_on_one_scale_without_pauses() -> None:
    state = state_of(
        *timed(1, ev.StepTimes(propose=4.0, paused=60.0)), *timed(2, ev.StepTimes(propose=8.0))
    )
    second, first = texts(step_lines(state.steps, PLAIN))
    assert (second.count("P"), first.count("P")) == (61, 30)
    assert first.endswith("paused 1:00")


SIZES = [(200, 50), (120, 40), (100, 30), (80, 24), (60, 20)]


@pytest.mark.parametrize("size", SIZES)
async def test_it_opens_over_the_cockpit_and_follows_the_run(tmp_path: Path, size) -> None:
    steps = timed(1, ev.StepTimes(propose=2.0, score=1.0))
    session = HeldSession(tmp_path, *loaded(), measured(), *steps)
    async with cockpit(session, size) as (pilot, app):
        await pilot.press("M")
        await settle(pilot)
        screen = app.screen
        assert isinstance(screen, MachineScreen)
        gauges, bars = screen.query_one(Gauges), screen.query_one(TimeBars)
        assert "63 %" in gauges.plain and gauges.size.height == 5
        assert "3 s in 1 step" in bars.plain and bars.size.height >= 5
        session.apply(*timed(2, ev.StepTimes(propose=5.0)), measured(use=7))
        await settle(pilot)
        assert "  7 %" in gauges.plain and "8 s in 2 steps" in bars.plain
        assert all(len(line) <= size[0] - 2 for line in gauges.plain.splitlines())
        assert all(len(line) <= size[0] - 2 for line in bars.plain.splitlines())
        await pilot.press("M")
        assert not isinstance(app.screen, MachineScreen)


async def test_without_colours_parts_are_letters(tmp_path, monkeypatch) -> None:
    steps = timed(1, ev.StepTimes(propose=2.0, score=2.0))
    for no_colour in (False, True):
        if no_colour:
            monkeypatch.setenv("NO_COLOR", "1")
        async with cockpit(HeldSession(tmp_path, *loaded(), *steps)) as (pilot, app):
            await pilot.press("M")
            await settle(pilot)
            drawn = app.screen.query_one(TimeBars).plain
            assert ("PPPP" in drawn and "SSSS" in drawn) == no_colour
            assert "P  " in drawn or no_colour


async def test_an_ended_run_and_one_without_a_step_say_so(tmp_path: Path) -> None:
    session = HeldSession(tmp_path, *loaded(), ev.RunStopped(step=0))
    async with cockpit(session) as (pilot, app):
        await pilot.press("M")
        await settle(pilot)
        assert "No engine is at work" in app.screen.query_one(Gauges).plain
        assert "No step is done yet." in app.screen.query_one(TimeBars).plain
