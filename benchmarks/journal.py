"""How journals scale: folding, listing, and what a score by class takes.

    python benchmarks/journal.py [--templates 1000 4000 16000] [--runs 500]

Prints ratios side by side: a fold should cost the same per template however many there are, and
listing a run the same however long it was.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from engine.analysis.run_list import list_runs
from engine.config.toml_file import load_config
from engine.run import events as ev
from engine.storage.journal import Journal, fold_journal, read_journal
from engine.storage.journal_lines import sealed
from engine.storage.run_folder import EVENTS, SUMMARY

REPLIES = 10  # a step; half of them repeat a template
CLASSES = 1000


def facts(templates: int, classes: int = 2) -> Iterator[ev.Event]:
    """A run of as many steps as it takes to find so many templates."""
    config = load_config("demo", [f"steps={templates}"])
    names = tuple(f"class number {n}" for n in range(classes))
    yield ev.RunStarted(run="run", config=config.model_dump(mode="json"), versions={})
    yield ev.ModelsLoaded(
        llm="llm",
        llm_layers=6,
        vlm="vlm",
        dataset_name="d",
        dataset_description="",
        dataset_fingerprint="f",
        class_names=names,
        class_sizes=(1,) * classes,
        train_size=classes,
        test_size=classes,
        seconds=1.0,
    )
    yield scored("a photo of a <category>.", 0, 0, classes, "seed")
    yield tested(classes)
    found, step = 1, 0
    while found < templates:
        step += 1
        yield ev.StepStarted(step=step)
        new = [f"a <category> in picture {found + n}" for n in range(REPLIES // 2)]
        for candidate in range(REPLIES):
            fresh = candidate < len(new)
            text = new[candidate] if fresh else f"a <category> in picture {1 + candidate % found}"
            yield ev.CandidateProposed(
                step=step,
                attempt=1,
                candidate=candidate,
                reply=text,
                tokens=9,
                finish="stop",
                outcome="new" if fresh else "duplicate",
                template=text,
            )
        for candidate, text in enumerate(new):
            yield scored(text, step, candidate, classes, "llm")
        found += len(new)
        yield ev.StepFinished(
            step=step,
            attempts=1,
            new=len(new),
            duplicates=REPLIES - len(new),
            rejected=0,
            tokens=90,
            step_best=0.5,
            step_mean=0.25,
            best=0.5,
            seconds=1.0,
        )
    yield ev.RunFinished(step=step)


def scored(
    text: str, step: int, candidate: int, classes: int, origin: ev.Origin
) -> ev.TemplateScored:
    """A template with some hits."""
    hits = tuple((n * 7919 + step + candidate) % 3 % 2 for n in range(classes))
    return ev.TemplateScored(
        step=step,
        attempt=1,
        candidate=candidate,
        template=text,
        origin=origin,
        hits=sum(hits),
        n=classes,
        margin=-1.0 - candidate / 100,
        class_hits=hits,
    )


def tested(classes: int) -> ev.TestMeasured:
    """The seed template on the test split."""
    return ev.TestMeasured(step=0, subject="seed", templates=("t",), hits=0, n=classes, seconds=1.0)


def timed(call: Callable[[], object]) -> float:
    """Seconds of the fastest of three calls."""
    seconds = []
    for _ in range(3):
        begun = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - begun)
    return min(seconds)


def write(folder: Path, events: list[ev.Event]) -> None:
    """A run's journal, quickly: the same lines as an engine's."""
    folder.mkdir()
    (folder / EVENTS).write_bytes(sealed(events, 0, together=False)[0])


def folding(base: Path, counts: list[int]) -> None:
    print(f"folding, {REPLIES} replies a step, half of them repeats")
    print(
        "templates   steps     MB   read s   fold s   fold us/template   ratio   list s   again s"
    )
    first: float | None = None
    for count in counts:
        events = list(facts(count))
        folder = base / f"fold-{count}"
        folder.mkdir()
        write(folder / "run", events)
        size = (folder / "run" / EVENTS).stat().st_size / 1e6
        read = timed(lambda at=folder: read_journal(at / "run"))  # type: ignore[misc]
        fold = timed(lambda at=folder, facts=events: fold_journal(at, facts))  # type: ignore[misc]
        per = fold / count * 1e6
        first = first or per
        begun = time.perf_counter()
        list_runs([str(folder)])
        once = time.perf_counter() - begun
        again = timed(lambda at=folder: list_runs([str(at)]))  # type: ignore[misc]
        steps = sum(isinstance(event, ev.StepFinished) for event in events)
        print(
            f"{count:>9}  {steps:>5}  {size:>5.1f}  {read:>6.3f}  {fold:>6.3f}  {per:>16.1f}"
            f"  {per / first:>5.2f}  {once:>6.3f}  {again:>7.4f}"
        )


def listing(base: Path, count: int) -> None:
    folder = base / "many"
    folder.mkdir()
    events = list(facts(20))
    for number in range(count):
        write(folder / f"run-{number}", events)
    begun = time.perf_counter()
    list_runs([str(folder)])
    first = time.perf_counter() - begun
    again = timed(lambda: list_runs([str(folder)]))
    size = (folder / "run-0" / SUMMARY).stat().st_size
    print(f"\nlisting {count} runs: first {first:.2f} s, then {again:.3f} s from {size} B each")
    print(f"  ratio {first / again:.1f}; 5,000 runs would take {again * 5000 / count:.2f} s")


def classes(base: Path) -> None:
    """What 100 steps of 10 new templates take at 1,000 classes, by what is written."""
    event = scored("a photo of a <category>, in picture 100.", 1, 0, CLASSES, "llm")
    names = [f"class number {n}" for n in range(CLASSES)]
    now = len(sealed([event], 0)[0])
    named = {name: (hit, 1) for name, hit in zip(names, event.class_hits, strict=True)}
    then = len(event.model_copy(update={"class_hits": ()}).model_dump_json()) + len(str(named))
    print(f"\na score at {CLASSES} classes: {then} B by name (version 1), {now} B by position")
    print(f"  100 steps of 10: {then / 1e3:.1f} MB and {now / 1e3:.1f} MB, ratio {then / now:.1f}")
    journal = Journal.create(base / "append")

    def append() -> None:
        for _ in range(100):
            journal.append(event)

    seconds = timed(append) / 100
    journal.close()
    print(f"  an append takes {seconds * 1e6:.0f} us")


def main() -> None:
    """Print all of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--templates", type=int, nargs="+", default=[1000, 4000, 16000])
    parser.add_argument("--runs", type=int, default=500)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folding(Path(folder), chosen.templates)
        listing(Path(folder), chosen.runs)
        classes(Path(folder))


if __name__ == "__main__":
    main()
