"""How long the runs of a table will take: each kind of work is done for some seconds, and timed.

The models are the run's own and are kept for it. Of the data set some images are read, and none of
what is found is kept. Where no data set is there, the demo's images stand in for its own.
"""

from __future__ import annotations

import dataclasses
import itertools
import time
from collections.abc import Callable, Generator, Sequence
from typing import TYPE_CHECKING, Any

from engine.common.generators import result_of
from engine.common.kept import Kept
from engine.config import DataConfig, RunConfig
from engine.config.steered_layers import resolve_layers
from engine.data.catalogue.table import catalogue
from engine.data.dataset import Dataset, LabelledImage
from engine.data.demo_world import DEMO
from engine.data.demo_world.vocabulary import DEFAULT_TASK
from engine.data.readers.listed import classes_of
from engine.data.registry import load_dataset
from engine.run import events as ev
from engine.run.state import RunState
from engine.search.registry import find_search, is_steered
from engine.session.loading import OnProgress, Report, load_scoring, load_search
from engine.steering.direction import Steering
from engine.sweeps.tables.costs import Speeds
from engine.vlm.families import seed_template

if TYPE_CHECKING:
    from engine.search.strategy import Search

LONGEST_SECONDS = 10.0
"""For each kind of work, but for one piece of it that takes longer."""

_CLASSES, _IMAGES = 16, 48  # labelled classes, and test images
_PIECES = 3  # of a kind of work that is not over before
_TIMED = "timed"  # name of the sample, so that nobody takes it for the data set


def measure(
    config: RunConfig, here: bool, kept: Kept, progress: OnProgress, report: Report
) -> Speeds:
    """Load the models and time them.

    Args:
        config: of a run, as it begins; one that steers, if any of the runs does.
        here: whether its data set is on this machine.
        kept: takes the models.
        progress, report: as in ``load_search``.

    Raises:
        UserError: if a model or the data set can't be used; says what to do.
    """
    on = config.data.dataset if here else f"{DEMO}{DEFAULT_TASK}"
    sample = _sample(config.data, here)
    config = _small(config, len(sample.class_names))
    kept.get("data set", config.data, lambda: sample)
    begun = time.monotonic()
    search = load_search(config, progress, report, kept=kept)
    loading = time.monotonic() - begun
    begun = time.monotonic()
    fitness = load_scoring(config, progress, report, kept)  # with the VLM at hand: its images
    reading = time.monotonic() - begun
    images = fitness.size("train") + fitness.size("test")
    progress("timing", 0, 0)
    state = result_of(_begin(search))
    speeds = Speeds(loading=loading, image=reading / images, on=on)
    texts = _templates(config)
    if config.vlm.kind == "dual-encoder":
        one = _time(lambda text: fitness.score([text], split="train"), texts)
        speeds = dataclasses.replace(speeds, text=one / len(fitness.class_names))
    else:
        train = _time(lambda text: fitness.score([text], split="train"), texts)
        test = _time(lambda text: fitness.score([text], split="test"), texts[:1])
        speeds = dataclasses.replace(
            speeds,
            train_answer=train / fitness.size("train"),
            test_answer=test / fitness.size("test"),
        )
    if find_search(config).asks:
        plain = _replies(search, state, None)
        steering = _steering(search, texts[:2]) if is_steered(config) else None
        steered = _replies(search, state, steering) if steering is not None else plain
        speeds = dataclasses.replace(speeds, step=plain, steered_step=steered)
    device, memory = _memory()
    return dataclasses.replace(speeds, device=device, memory=memory)


def _small(config: RunConfig, classes: int) -> RunConfig:
    """The run on a sample, from which nothing is kept on disk."""
    labelled = min(classes, config.data.labelled_classes or classes, _CLASSES)
    data = config.data.model_copy(update={"name": _TIMED, "labelled_classes": labelled})
    vlm = config.vlm.model_copy(update={"cache": False})
    search = config.search.model_copy(update={"racing": False})
    return config.model_copy(update={"data": data, "vlm": vlm, "search": search})


def _sample(data: DataConfig, here: bool) -> Dataset:
    """All classes of a data set, and some of its test images; or the demo's in their place."""
    if here:
        dataset = load_dataset(data)
        step = max(1, len(dataset.test) // _IMAGES)
        test = [dataset.test[i] for i in range(0, len(dataset.test), step)][:_IMAGES]
        return dataclasses.replace(dataset, test=test, known_fingerprint=_TIMED)
    demo = load_dataset(DataConfig(dataset=f"{DEMO}{DEFAULT_TASK}"))
    names = classes_of(catalogue()[data.dataset]).names
    paths = [image.path for image in demo.train]
    train = [LabelledImage(paths[i % len(paths)], i) for i in range(len(names))]
    test = [image._replace(label=i % len(names)) for i, image in enumerate(demo.test[:_IMAGES])]
    return dataclasses.replace(demo, class_names=tuple(names), train=train, test=test)


def _begin(search: Search) -> Generator[Any, Any, RunState]:
    """Step 0, which also makes everything warm."""
    started = ev.RunStarted(run=_TIMED, config=search.config.model_dump(mode="json"), versions={})
    state = RunState().apply_all([started, search.models_loaded(0.0)])
    return (yield from search.begin(state))


def _templates(config: RunConfig) -> list[str]:
    """Texts of about the length that an LLM writes."""
    seed = seed_template(config)
    begins = ("seen from nearby on a fine day,", "in soft light, with some detail,", "as it is,")
    return [f"{begin} {seed}" for begin in begins[:_PIECES]]


def _time(work: Callable[[str], Generator[Any, Any, Any]], texts: Sequence[str]) -> float:
    """Seconds that one text takes: the shortest, as others may be slowed down from outside."""
    found: list[float] = []
    for text in texts:
        begun = time.monotonic()
        result_of(work(text))
        found.append(time.monotonic() - begun)
        if sum(found) > LONGEST_SECONDS:
            break
    return min(found)


def _replies(search: Search, state: RunState, steering: Steering | None) -> float:
    """Seconds that the replies of a step take; of long ones the beginning is timed."""
    sampling = search.config.sampling
    most = search.llm.most_tokens(sampling)
    seeds = range(search.config.proposal.candidates)
    found = []
    for _ in range(1 if search.config.llm.is_served else 2):  # the first makes it warm
        begun, columns = time.monotonic(), 0
        work = search.llm.propose(search.messages(state), sampling, list(seeds), steering)
        for columns in itertools.count(1):
            try:
                next(work)
            except StopIteration:
                columns = most
                break
            if time.monotonic() - begun > LONGEST_SECONDS:
                work.close()
                break
        found.append((time.monotonic() - begun) * max(1.0, most / columns))
        if columns < most:
            break
    return min(found)


def _steering(search: Search, texts: Sequence[str]) -> Steering:
    options = search.config.steering
    layers = resolve_layers(options, search.llm.layers)
    alpha = options.alphas[0] if options.alpha == "auto" else options.alpha
    positive, negative = texts
    direction = search.llm.direction(positive, negative, options.pool, options.mode == "actadd")
    return Steering(direction, layers, alpha, options.mode, options.alpha_unit)


def _memory() -> tuple[str, int]:
    """The GPU that has taken most, and how much at its highest; else this process."""
    import torch

    if torch.cuda.is_available():
        taken = [
            (torch.cuda.max_memory_allocated(i), f"cuda:{i}")
            for i in range(torch.cuda.device_count())
        ]
        most, name = max(taken)
        if most:
            return name, most
    import psutil

    return "this process", int(psutil.Process().memory_info().rss)
