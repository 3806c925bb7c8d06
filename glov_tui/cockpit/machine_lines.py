"""What the machine screen says: CPU, memory, GPUs, tokens per second, where the time went."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.cells import cell_len

from engine.common.wording import counted
from engine.models.gpus import GpuReading
from engine.models.host import HostReading
from engine.run import events as ev
from engine.run.state import RunState
from engine.run.state_facts import ENDED
from engine.run.step_times import STEP_PHASES, StepPhase, StepTimes, sum_of_times
from glov_tui.common.glyphs import Glyphs
from glov_tui.common.progress import format_seconds
from glov_tui.common.text import clean, cut
from glov_tui.widgets.segments import Segment, segments, sparkline
from glov_tui.widgets.spans import Line

GIB = 2**30
SPARK_CELLS = 30
"""Readings of a minute."""
LETTERS: dict[StepPhase, str] = {
    "propose": "P",
    "steer": "V",
    "score": "S",
    "wait": "W",
    "journal": "J",
    "other": "O",
    "test": "T",
}
"""Of the phases in a bar; what is paused is in none, as it would dwarf them."""
NO_GPU = "no GPU that NVIDIA's driver (nvidia-ml-py) tells the engine of"
_LABEL = 8
_BEFORE_SPARK = _LABEL + 6
_LEAST_CELLS = 12
_LONGEST_NAME = 24
_STEPS_OF_SPEED = 60
_SHOWN_PAUSE = 0.5  # seconds
_MINUTE = 59.95  # seconds, from where a tenth of one is no matter


@dataclass(frozen=True, slots=True)
class Look:
    """How it is drawn."""

    width: int  # cells
    glyphs: Glyphs
    colours: bool


# -- the machine ---------------------------------------------------------------------------------


def machine_lines(
    state: RunState, look: Look, live: bool = True, rows: int | None = None
) -> list[Line]:
    """CPU, memory and GPUs now and over the last minute, in ``rows`` lines where they are given.

    ``live``: the present is shown.
    """
    measured = state.machine
    if measured is None or measured.host is None:
        if state.status in ENDED:
            why = "No engine is at work here: what its machine did is not journaled."
        elif live:
            why = "Not measured yet: the engine reads its machine every two seconds."
        else:
            why = "This is an earlier moment: what the machine did then is not journaled."
        return [((why, "dim"),)]
    past, host = measured.host_past, measured.host
    found = [
        _Row("CPU", _use(host.use), past.use, _of_cores(host, look)),
        _Row("engine", _use(host.own_use), past.own, (_own_cores(host),)),
        _Row("memory", _use(host.own_share), past.memory, _memory(host)),
    ]
    shown = max(0, rows - len(found)) if rows is not None else len(measured.gpus)
    if shown < len(measured.gpus):
        shown -= 1  # for the line of those that are left out
    told = list(zip(measured.gpus, measured.past, strict=False))
    for gpu, used in told[: max(0, shown)]:
        found.append(_Row(f"GPU {gpu.number}", _use(gpu.use), used, _gpu(gpu, look)))
    widest = max(cell_len(row.about[0]) for row in found)
    spark = max(_LEAST_CELLS, min(SPARK_CELLS, look.width - _BEFORE_SPARK - widest - 2))
    lines = [row.line(look, spark) for row in found]
    if not measured.gpus:
        lines.append(_noted("GPU", NO_GPU, look))
    elif shown < len(told):
        lines.append(_noted("GPUs", _left_out(measured.gpus[max(0, shown) :], look), look))
    return lines


@dataclass(frozen=True, slots=True)
class _Row:
    """A gauge: its reading, the last minute, and what is said of it, in ever fewer words."""

    name: str
    now: str
    past: Sequence[int | None]
    about: Sequence[str]

    def line(self, look: Look, spark: int) -> Line:
        """All sparks are as wide, so that the same moment is in the same column."""
        room = max(0, look.width - _BEFORE_SPARK - spark - 2)
        told = next((text for text in self.about if cell_len(text) <= room), self.about[-1])
        return (
            (f"{self.name:<{_LABEL}}", "dim"),
            (f"{self.now:>5} ", "strong"),
            (sparkline(self.past, 101, look.glyphs.ramp, spark), "good"),
            (f"  {cut(told, room)}", ""),
        )


def _noted(name: str, text: str, look: Look) -> Line:
    return ((f"{name:<{_LABEL}}", "dim"), (f"  {cut(text, look.width - _LABEL - 2)}", "dim"))


def _left_out(gpus: Sequence[GpuReading], look: Look) -> str:
    """GPUs that there is no room for, in one line."""
    numbers = f"{gpus[0].number} to {gpus[-1].number}" if len(gpus) > 1 else f"{gpus[0].number}"
    use = [gpu.use for gpu in gpus if gpu.use is not None]
    hot = [gpu.temperature for gpu in gpus if gpu.temperature is not None]
    parts = [f"use {_between(use)} %"] if use else []
    parts += [f"{_between(hot)} {look.glyphs.degree}C"] if hot else []
    return ", ".join([f"and {numbers}", *parts])


def _between(values: Sequence[int]) -> str:
    low, high = min(values), max(values)
    return f"{low}" if low == high else f"{low} to {high}"


def _use(percent: int | None) -> str:
    return "-" if percent is None else f"{percent} %"


def _of_cores(host: HostReading, look: Look) -> Sequence[str]:
    degrees = f"{look.glyphs.degree}C"
    hot = "" if host.temperature is None else f", {host.temperature} {degrees}"
    cores = f"of {counted(host.cores, 'core')}"
    on = f" on {cut(clean(host.name), _LONGEST_NAME)}" if host.name else ""
    return (f"{cores}{on}{hot}", f"{cores}{hot}")


def _own_cores(host: HostReading) -> str:
    if host.own_cores is None:
        return ""
    return f"{host.own_cores:.1f} of {counted(host.usable_cores or host.cores, 'core')} it may use"


def _memory(host: HostReading) -> Sequence[str]:
    own = "" if host.memory_own is None else f"engine {host.memory_own / GIB:.1f} GiB"
    if host.memory_used is None or host.memory_total is None:
        return (own,)
    of_all = f"{host.memory_used / GIB:.1f} of {host.memory_total / GIB:.1f} GiB"
    return (f"{own}, all {of_all}" if own else f"all {of_all}", of_all)


def _gpu(gpu: GpuReading, look: Look) -> Sequence[str]:
    memory, own = "", ""
    if gpu.memory_used is not None and gpu.memory_total is not None:
        memory = f"{gpu.memory_used / GIB:.1f} of {gpu.memory_total / GIB:.0f} GiB"
        if gpu.memory_own is not None:
            own = f"{memory} (engine {gpu.memory_own / GIB:.1f})"
    hot = "" if gpu.temperature is None else f"{gpu.temperature} {look.glyphs.degree}C"
    power = short = ""
    if gpu.power is not None:
        short = f"{gpu.power:.0f} W"
        limit = f" of {gpu.power_limit:.0f}" if gpu.power_limit else ""
        power = f"{gpu.power:.0f}{limit} W"
    wordings = (
        (own or memory, hot, power, clean(gpu.name)),
        (own or memory, hot, power),
        (memory, hot, short),
    )
    return [", ".join(filter(None, parts)) for parts in wordings]


# -- tokens per second -----------------------------------------------------------------------------


def tokens_per_second(step: ev.StepFinished) -> float | None:
    """Of a step's replies: while the LLM was asked, or in all of the step where no phase was timed.

    None where nothing was asked, or it took no time.
    """
    seconds = step.times.propose if step.times is not None else step.seconds
    return step.tokens / seconds if step.tokens and seconds > 0 else None


def speed_line(state: RunState, look: Look) -> Line:
    """Tokens per second: of the step under way, the last one, and the median of all."""
    speeds = [tokens_per_second(step) for step in state.steps]
    known = [speed for speed in speeds if speed is not None]
    now = _speed_now(state)
    if not known and now is None:
        return (("tokens/s", "dim"), ("  no step is done yet", "dim"))
    parts = []
    if now is not None:
        parts.append(f"step {state.step}: {now:.0f}")
    if known:
        parts.append(f"last {known[-1]:.0f}")
        parts.append(f"median {statistics.median(known):.0f} of {counted(len(known), 'step')}")
    text = "  " + ", ".join(parts) + "  "
    room = min(_STEPS_OF_SPEED, look.width - len("tokens/s") - len(text))
    drawn = sparkline(speeds, max(known, default=0) * 1.01, look.glyphs.ramp, room).lstrip()
    return (("tokens/s", "dim"), (text, ""), (drawn if len(drawn) > 1 else "", "good"))


def _speed_now(state: RunState) -> float | None:
    progress = state.progress
    if progress is None or progress.phase != "proposing" or state.status != "running":
        return None
    return progress.tokens / progress.seconds if progress.tokens and progress.seconds > 0 else None


# -- where the time went ---------------------------------------------------------------------------


def total_lines(state: RunState, look: Look) -> list[Line]:
    """A bar of all steps, and a key of its parts with their seconds and shares."""
    found = sum_of_times(step.times for step in state.steps)
    if found is None:
        why = (
            "No step is done yet."
            if not state.steps
            else "No step was timed: an earlier glov made this journal."
        )
        return [((why, "dim"),)]
    times, steps = found
    whole = _unpaused(times)
    of = f" of {len(state.steps)}" if steps != len(state.steps) else ""
    head = f"{format_seconds(whole)} in {counted(steps, 'step')}{of}"
    if steps:
        head += f", {whole / steps:.2f} s each"
    head += f"; paused {format_seconds(times.paused)}"
    lines: list[Line] = [
        ((cut(head, look.width), ""),),
        segments(_parts(times), whole, look.width, look.colours),
    ]
    return [*lines, *_key(times, look)]


def _key(times: StepTimes, look: Look) -> Iterator[Line]:
    """The parts, as many in a line as fit."""
    row: list[tuple[str, str]] = []
    used = 0
    parts = [part for part in _parts(times) if part.value > 0]
    for part, share in zip(parts, whole_percents([p.value for p in parts]), strict=True):
        seconds = f"{part.value:.1f} s" if part.value < _MINUTE else format_seconds(part.value)
        text = f" {part.style} {seconds} {share or '<1'} %  "
        if used + len(text) + 1 > look.width and row:
            yield tuple(row)
            row, used = [], 0
        row += [(part.letter, part.style), (text, "")]
        used += len(text) + 1
    if row:
        yield tuple(row)


def step_lines(steps: Sequence[ev.StepFinished], look: Look) -> list[Line]:
    """A bar for each step, the newest first, all on the scale of the longest of them."""
    timed = [(step, step.times) for step in reversed(steps) if step.times is not None]
    longest = max((_unpaused(times) for _, times in timed), default=0.0)
    speeds = [tokens_per_second(step) for step, _ in timed]
    digits = max((len(f"{speed:.0f}") for speed in speeds if speed is not None), default=0)
    notes = [_note(speed, times, digits) for speed, (_, times) in zip(speeds, timed, strict=True)]
    room = max(map(len, notes), default=0) + 1
    width = max(8, look.width - 17 - room)
    return [
        (
            (f"{step.step:>5} ", "dim"),
            (f"{_unpaused(times):>8.2f} s ", ""),
            *segments(_parts(times), longest, width, look.colours),
            (f" {note}", "dim"),
        )
        for (step, times), note in zip(timed, notes, strict=True)
    ]


def _note(speed: float | None, times: StepTimes, digits: int) -> str:
    parts = [] if speed is None else [f"{speed:>{digits}.0f} tok/s"]
    if times.paused >= _SHOWN_PAUSE:
        parts.append(f"paused {format_seconds(times.paused)}")
    return ", ".join(parts)


def whole_percents(values: Sequence[float]) -> list[int]:
    """Shares of their sum as whole percents that add to 100: the largest remainders are rounded up.

    All 0 where there is no sum.
    """
    total = math.fsum(values)
    if total <= 0:
        return [0] * len(values)
    shares = [100 * value / total for value in values]
    found = [int(share) for share in shares]
    by_rest = sorted(range(len(values)), key=lambda i: found[i] - shares[i])
    for i in by_rest[: 100 - sum(found)]:
        found[i] += 1
    return found


def _parts(times: StepTimes) -> list[Segment]:
    return [
        Segment(phase, LETTERS[phase], times.seconds(phase))
        for phase in STEP_PHASES
        if phase in LETTERS
    ]


def _unpaused(times: StepTimes) -> float:
    return times.work + times.test
