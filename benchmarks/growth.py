"""How bookkeeping, journal and repaints grow: with steps, classes, candidates and viewers.

    python -m benchmarks.growth              # some minutes
    python -m benchmarks.growth --quick      # under a minute, smaller runs
    python -m benchmarks.growth --only steps classes

The LLM replies at once and the fitness scores at once, so that what is left of a step is the
engine's own: composing, reading, ranking, folding, journaling, publishing. A row is one size; all
else stays as in the first table's first row. ``x`` is the ratio to the row before, and the line
below each table has the exponent of each column from its first row to its last (1: linear, 0: it
does not grow). Goals: no exponent of the engine's own bookkeeping above 1, and repaints by steps
near 0. Times are of the processor, so that others on the machine disturb little.
The last line is JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import itertools
import json
import math
import multiprocessing
import random
import statistics
import tempfile
import time
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple, cast

import psutil

from benchmarks.remote import beside
from engine.config.toml_file import load_config
from engine.llm.absent import NoLLM
from engine.llm.interface import News, Reply, TokenColumn
from engine.remote.server import ControlServer
from engine.run import events as ev
from engine.run.commands import Command
from engine.run.emitting import together
from engine.run.state import RunState
from engine.search.glov import GlovSearch
from engine.search.meta_prompt import load_meta_prompt
from engine.storage.journal import Journal
from engine.storage.summary import Published
from engine.vlm.families import task_of
from engine.vlm.interface import Score, ScoringProgress, TemplateCheck
from glov_tui.cockpit.app import GlovApp

WORDS = ("soft", "light", "crisp", "clean", "edges", "grey", "small", "bright", "old", "blurred")
TOKENS = 20  # of a reply
SHOTS = 1
STEPS_MEASURED = 5
SIZES = {
    "steps": (100, 1000, 10_000),
    "classes": (10, 100, 1000, 21_000),
    "candidates": (5, 10, 100),
    "viewers": (1, 2, 4, 8),
}
SEED = "a photo of a <category>."
LEAST = 0.1
"""What is less counts as so much: it is noise."""


class Size(NamedTuple):
    """What a run is large in."""

    steps: int = 100
    classes: int = 100
    candidates: int = 10
    viewers: int = 0


class InstantLLM(NoLLM):
    """Replies at once with a template that no reply had before, token by token."""

    chats, layers = True, 0

    def propose(
        self, messages: object, sampling: object, seeds: Sequence[int], *_: object, **__: object
    ) -> Generator[News, None, list[Reply]]:
        """One reply per seed."""
        for _token in range(TOKENS):
            yield TokenColumn(tuple(" word" for _ in seeds))
        return [Reply(template(seed), TOKENS, "stop") for seed in seeds]


class InstantFitness:
    """Scores at once; a template's hits follow from its text."""

    name, revision, weights, dataset_name, dataset_description = "instant", "", "", "made", ""
    dataset_fingerprint, cache_entries = "made", ()

    def __init__(self, classes: int) -> None:
        self.class_names = tuple(f"class number {n}" for n in range(classes))

    def size(self, split: str) -> int:
        """Images of all classes."""
        return SHOTS * len(self.class_names)

    def class_sizes(self, split: str) -> tuple[int, ...]:
        """Of each class."""
        return (SHOTS,) * len(self.class_names)

    def fingerprint(self, split: str) -> str:
        """The same for all."""
        return "made"

    def check(self, template: str) -> TemplateCheck:
        """Nothing to say."""
        return TemplateCheck()

    def score(
        self, templates: Sequence[str], **_: object
    ) -> Generator[ScoringProgress, None, list[Score]]:
        """One score per template."""
        yield ScoringProgress(1, 1)
        return [self._score(text) for text in templates]

    def _score(self, text: str) -> Score:
        hits = class_hits(text, len(self.class_names))
        return Score(sum(hits), len(hits), -1.0 - random.Random(text).random(), hits)


def class_hits(text: str, classes: int) -> tuple[int, ...]:
    """Of each class, 0 or 1."""
    pick = random.Random(text)
    bits = pick.getrandbits(classes) & pick.getrandbits(classes)
    return tuple(bits >> n & 1 for n in range(classes))


def template(seed: int) -> str:
    """One of very many."""
    pick = random.Random(seed)
    return f"a {' '.join(pick.choices(WORDS, k=4))} picture {seed:x} of a <category>."


def search_of(size: Size) -> GlovSearch:
    """The real search, over models that take no time."""
    values = [f"steps={size.steps + 100}", "steering.mode=off", "evaluation.every=0"]
    values += [f"proposal.candidates={size.candidates}", f"data.shots={SHOTS}"]
    config = load_config("demo", values)
    meta_prompt = load_meta_prompt(config.proposal.template_file, task_of(config.vlm))
    fitness = cast(Any, InstantFitness(size.classes))
    return GlovSearch(config, cast(Any, InstantLLM("glov")), fitness, meta_prompt)


def facts(search: GlovSearch, size: Size) -> Iterator[ev.Event]:
    """What a run of so many steps has journaled, made without its search."""
    classes = len(search.fitness.class_names)
    config = search.config.model_dump(mode="json")
    yield ev.RunStarted(run="grown", config=config, versions={})
    yield search.models_loaded(seconds=0.0)
    yield _scored(SEED, 0, 0, (0,) * classes, "seed")
    yield ev.TestMeasured(step=0, subject="seed", templates=(SEED,), hits=0, n=classes, seconds=0.0)
    hits = [class_hits(f"template {n}", classes) for n in range(50)]
    keys = (SEED, SEED)
    for step in range(1, size.steps + 1):
        yield ev.StepStarted(step=step)
        yield ev.MetaPromptComposed(
            step=step, attempt=1, messages=({"role": "user", "content": "?"},), best=keys, worst=()
        )
        texts = [template(-step * 1000 - candidate) for candidate in range(size.candidates)]
        for candidate, text in enumerate(texts):
            yield ev.CandidateProposed(
                step=step, attempt=1, candidate=candidate, reply=text, tokens=TOKENS,
                finish="stop", outcome="new", template=text,
            )  # fmt: skip
        for candidate, text in enumerate(texts):
            yield _scored(text, step, candidate, hits[(7 * step + candidate) % 50], "llm")
        yield ev.StepFinished(
            step=step, attempts=1, new=len(texts), duplicates=0, rejected=0,
            tokens=TOKENS * len(texts), step_best=0.5, step_mean=0.25, best=0.5, seconds=1.0,
        )  # fmt: skip


def _scored(
    text: str, step: int, candidate: int, hits: tuple[int, ...], origin: ev.Origin
) -> ev.TemplateScored:
    margin = -9.0 if origin == "seed" else -1.0 - random.Random(text).random()
    return ev.TemplateScored(
        step=step, attempt=1, candidate=candidate, template=text, origin=origin,
        hits=sum(hits), n=len(hits), margin=margin, class_hits=hits, probability=0.5,
    )  # fmt: skip


class GrownSession:
    """A ``Session`` and its engine in one: a step is run when it is asked for."""

    def __init__(self, folder: Path, size: Size) -> None:
        self.folder, self.ended, self.size = folder, False, size
        self.search = search_of(size)
        self._journal = Journal.create(folder)
        before = _resident()
        begun = time.perf_counter()
        state = RunState()
        for event in facts(self.search, size):
            state = state.apply(event)
        self.fold_seconds = time.perf_counter() - begun
        self.resident_mib = (_resident() - before) / 2**20
        self.published = Published(0, state)
        self._journal.append(*itertools.islice(facts(self.search, size), 4))

    @property
    def state(self) -> RunState:
        """The latest state."""
        return self.published.state

    def start(self) -> None:
        """Nothing to start."""

    def send(self, command: Command) -> None:
        """Nobody drives."""

    def wait(self, seconds: float | None = None) -> bool:
        """It never ends."""
        return False

    def step(self) -> None:
        """One step of the search: every event is folded and published, facts are journaled."""
        work = self.search.step(self.state)
        emitted = next(work)
        with contextlib.suppress(StopIteration):
            while True:
                for event in together(emitted):
                    if event.is_fact:
                        self._journal.append(event)
                    self.published = Published(self._journal.size, self.state.apply(event))
                emitted = work.send(self.state)

    @property
    def journaled(self) -> int:
        """Bytes."""
        return self._journal.size


def _resident() -> int:
    gc.collect()
    return int(psutil.Process().memory_info().rss)


def measured(size: Size, base: Path, screens: bool) -> dict[str, float]:
    """A row: of a run of this size."""
    with tempfile.TemporaryDirectory(dir=base) as folder, contextlib.ExitStack() as stack:
        session = GrownSession(Path(folder) / "run", size)
        row = {"state MiB": session.resident_mib}
        if size.viewers:
            stack.enter_context(ControlServer(cast(Any, session)))
            for _ in range(size.viewers):
                stack.enter_context(beside("a screen that reads", session.folder))
        wrote = session.journaled
        seconds = []
        for _ in range(STEPS_MEASURED):
            begun = time.thread_time()
            session.step()
            seconds.append(time.thread_time() - begun)
        row["step ms"] = 1000 * statistics.median(seconds)
        row["journal KiB"] = (session.journaled - wrote) / STEPS_MEASURED / 1024
        if screens:
            for cells in ((80, 24), (200, 50)):
                row[f"repaint {cells[0]}x{cells[1]} ms"] = asyncio.run(repaint(session, cells))
        events = sum(1 for _ in facts(session.search, size._replace(steps=1)))
        row["fold us"] = 1e6 * session.fold_seconds / (events * max(1, size.steps))
    return row


async def repaint(session: GrownSession, cells: tuple[int, int]) -> float:
    """Milliseconds of processor time from a new state to all panes being drawn: the median."""
    app = GlovApp(session)
    async with app.run_test(size=cells) as pilot:
        await pilot.pause()
        seconds = []
        for _ in range(STEPS_MEASURED):
            session.step()
            begun = time.process_time()
            app._announce(session.state)
            app._repaint(session.state, by_user=True)
            await pilot.pause()
            seconds.append(time.process_time() - begun)
    return 1000 * statistics.median(seconds)


def table(name: str, sizes: Sequence[Size], base: Path) -> dict[str, Any]:
    """Measure and print the rows of one quantity, each in a process of its own."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn, max_tasks_per_child=1) as processes:
        found = list(
            processes.map(measured, sizes, itertools.repeat(base), [name != "viewers"] * len(sizes))
        )
    rows = [{name: getattr(size, name), **row} for size, row in zip(sizes, found, strict=True)]
    columns = list(rows[0])
    print("\n" + "".join(f"{column:>20}" for column in columns))
    for before, row in zip([None, *rows], rows, strict=False):
        cells = [f"{row[name]:,}"]
        for column in columns[1:]:
            known = before is not None and before[column] > 0
            ratio = f" ({row[column] / before[column]:.1f}x)" if before and known else ""
            cells.append(f"{row[column]:.2f}{ratio}")
        print("".join(f"{cell:>20}" for cell in cells))
    span = math.log(rows[-1][name] / rows[0][name])
    exponents = {
        column: math.log(max(rows[-1][column], LEAST) / max(rows[0][column], LEAST)) / span
        for column in columns[1:]
    }
    print(
        "".join(f"{cell:>20}" for cell in ("exponent", *map("{:.2f}".format, exponents.values())))
    )
    return {"rows": rows, "exponents": exponents}


def main() -> None:
    """Print all of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", nargs="+", choices=list(SIZES), default=list(SIZES))
    chosen = parser.parse_args()
    found = {}
    with tempfile.TemporaryDirectory() as base:
        for name in chosen.only:
            values = SIZES[name][:-1] if chosen.quick else SIZES[name]
            found[name] = table(name, [Size()._replace(**{name: n}) for n in values], Path(base))
    print(json.dumps({"benchmark": "growth", **found}))


if __name__ == "__main__":
    main()
