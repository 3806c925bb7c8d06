"""What runs ask for, counted: templates, tokens, images, texts and answers; and their hours.

Counts are the most that a run can ask for: replies that repeat a template or are none are scored
less often, and texts end before their limit.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace

from typing_extensions import TypedDict

from engine.common.record import Count, Seconds
from engine.config import DataConfig, RunConfig
from engine.data.catalogue.table import catalogue
from engine.data.readers.listed import classes_of
from engine.data.registry import load_dataset
from engine.search.registry import find_search


@dataclass(frozen=True, slots=True)
class Sizes:
    """Of a data set."""

    classes: int
    test: int  # images


@dataclass(frozen=True, slots=True)
class Amount:
    """What some runs ask for together, at most."""

    runs: int = 0
    steps: int = 0
    steered_steps: int = 0
    templates: int = 0  # scored on labelled images
    tokens: int = 0  # that the LLM writes
    images: int = 0  # read by the VLM, once for all runs on a data set
    texts: int = 0  # of a template with a class name, encoded by a dual encoder
    train_answers: int = 0  # of an encoder-decoder, on labelled images
    test_answers: int = 0

    def __add__(self, other: Amount) -> Amount:
        return Amount(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(Amount)))


def sizes_of(data: DataConfig) -> Sizes:
    """How large a data set is: as the catalogue says, or as it is read.

    Raises:
        DataError: if it has to be read and can't be.
    """
    entry = catalogue().get(data.dataset)
    if entry is not None:
        return Sizes(len(classes_of(entry).names), entry.test)
    dataset = load_dataset(data)
    return Sizes(len(dataset.class_names), len(dataset.test))


def amount_of(
    config: RunConfig, sizes: Sizes, most_tokens: int, steered: bool, first: bool
) -> Amount:
    """What one run asks for at most.

    Args:
        config: of the run, as it begins.
        sizes: of its data set.
        most_tokens: that a reply may have.
        steered: whether its steps may be.
        first: whether it is the first run on its data set: it reads the images and has the seed
            template answered, and both are kept for the others.
    """
    asks = find_search(config).asks
    given = len(config.search.templates or ())
    steps = config.steps if asks else 0
    tried = steps * config.proposal.candidates
    ensembles = 1 + (steps // config.evaluation.every if config.evaluation.every else 0)
    members = ensembles * config.evaluation.ensemble if asks else given
    labelled = labelled_images(config, sizes)
    amount = Amount(
        runs=1,
        steps=steps,
        steered_steps=steps if steered else 0,
        templates=1 + tried + given,
        tokens=tried * most_tokens,
        images=labelled + sizes.test if first else 0,
    )
    if config.vlm.kind == "dual-encoder":  # nothing is kept of texts: seed, best and ensemble
        texts = amount.templates + 2 + max(1, members)
        return replace(amount, texts=texts * sizes.classes)
    seed = 1 if first or not config.vlm.cache else 0
    others = members + (1 if config.evaluation.select == "greedy" and asks else 0)  # the best
    return replace(
        amount,
        train_answers=(seed + tried + given) * labelled,
        test_answers=(seed + others) * sizes.test,
    )


def labelled_images(config: RunConfig, sizes: Sizes) -> int:
    """Training images that templates are scored on."""
    return config.data.shots * min(sizes.classes, config.data.labelled_classes or sizes.classes)


@dataclass(frozen=True, slots=True)
class Speeds:
    """How long things took in a short measurement, in seconds."""

    loading: float  # of all models, once
    image: float  # one image that the VLM reads
    text: float = 0.0  # one text of a dual encoder
    train_answer: float = 0.0  # one answer on an image that was read before
    test_answer: float = 0.0  # one on an image that was not
    step: float = 0.0  # the replies of a step
    steered_step: float = 0.0
    device: str = ""  # where memory was looked at
    memory: int = 0  # bytes that it had taken at most
    on: str = ""  # the images that it was measured on


def seconds_of(amount: Amount, speeds: Speeds) -> float:
    """How long it takes, without loading."""
    return (
        (amount.steps - amount.steered_steps) * speeds.step
        + amount.steered_steps * speeds.steered_step
        + amount.images * speeds.image
        + amount.texts * speeds.text
        + amount.train_answers * speeds.train_answer
        + amount.test_answers * speeds.test_answer
    )


def total(amounts: Iterable[Amount]) -> Amount:
    """Of all together."""
    return sum(amounts, Amount())


class CostFacts(TypedDict):
    """What is left to do costs so much, at most. Times are from a short measurement."""

    runs: Count
    templates: Count  # scored on labelled images
    tokens: Count  # that the LLM writes
    images: Count  # that the VLM reads
    texts: Count  # that a dual encoder encodes
    answers: Count  # that an encoder-decoder gives
    seconds: Seconds | None  # null: not measured
    another_seed_seconds: Seconds | None
    memory_bytes: Count | None
    memory_of: str | None
    measured_on: str | None  # the data set whose images were read for it


def cost_facts(amount: Amount, another_seed: Amount, speeds: Speeds | None) -> CostFacts:
    """As plain data; ``another_seed`` is what one more seed asks for."""
    return {
        "runs": amount.runs,
        "templates": amount.templates,
        "tokens": amount.tokens,
        "images": amount.images,
        "texts": amount.texts,
        "answers": amount.train_answers + amount.test_answers,
        "seconds": speeds.loading + seconds_of(amount, speeds) if speeds else None,
        "another_seed_seconds": seconds_of(another_seed, speeds) if speeds else None,
        "memory_bytes": speeds.memory if speeds else None,
        "memory_of": speeds.device if speeds else None,
        "measured_on": speeds.on if speeds else None,
    }
