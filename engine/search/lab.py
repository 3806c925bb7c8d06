"""The experiments of the steering lab, as generators of telemetry: they touch nothing of a run.

    for event in run_experiment(experiment, subject):
        ...

They decode with random numbers of their own, derived from the experiment's seed; every setting of
an experiment gets the same ones. Every yield is a safe point, as in ``engine.search.strategy``.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass

from engine.common.errors import ModelError
from engine.config import SamplingConfig
from engine.llm.interface import LanguageModel, Reply, TokenColumn
from engine.prompts.message import Accept, Message
from engine.prompts.template import normalise
from engine.run import events as ev
from engine.run.experiment import (
    CellMeasured,
    CompareSettings,
    Experiment,
    Finding,
    LensRead,
    ReadLens,
    RepliesCompared,
    ScanSettings,
    SteeringSetting,
)
from engine.search.reading import read_reply
from engine.steering.direction import Direction, Steering
from engine.steering.measures import TracedReply
from engine.steering.soundness import strength
from engine.vlm.interface import Fitness
from engine.vlm.task import Task

Telemetry = Generator[ev.ExperimentProgress, None, None]


@dataclass(frozen=True)
class Subject:
    """What an experiment is made on: models, the prompt, and the two templates of the direction."""

    llm: LanguageModel
    messages: Sequence[Message]
    sampling: SamplingConfig
    positive: str
    negative: str
    task: Task
    fitness: Fitness | None = None  # needed for a scan with fitness only
    accept: Accept = "usable"  # as proposal.accept
    seeds: Sequence[int] = ()  # of replies; none: random numbers of the lab's own


def run_experiment(experiment: Experiment, subject: Subject) -> Telemetry:
    """Yields progress, and what is found with it.

    Raises:
        ModelError: if a layer does not exist, or the LLM can't decode or be read.
    """
    match experiment:
        case CompareSettings():
            yield from _compare(experiment, subject)
        case ScanSettings():
            yield from _scan(experiment, subject)
        case ReadLens():
            direction = subject.llm.direction(subject.positive, subject.negative, experiment.pool)
            lens = LensRead(layers=subject.llm.lens(direction))
            yield ev.ExperimentProgress(done=1, total=1, found=lens)


def _compare(experiment: CompareSettings, subject: Subject) -> Telemetry:
    count = _Count(2 * subject.llm.most_tokens(subject.sampling))
    replies = []
    for setting in (experiment.left, experiment.right):
        steering = _steering(setting, subject)
        found = yield from _replies(subject, steering, experiment.replies, experiment.seed, count)
        replies.append(tuple(_traced(reply) for reply in found))
    yield count.event(RepliesCompared(left=replies[0], right=replies[1]))


def _scan(experiment: ScanSettings, subject: Subject) -> Telemetry:
    cells = len(experiment.layers) * len(experiment.alphas)
    count = _Count(cells * subject.llm.most_tokens(subject.sampling))
    accuracies: dict[str, float] = {}  # by template, for this experiment only
    direction = _direction(experiment.setting, subject)
    for layer in experiment.layers:
        for alpha in experiment.alphas:
            setting = experiment.setting.model_copy(update={"layers": (layer,), "alpha": alpha})
            steering = _steering(setting, subject, direction)
            work = _replies(subject, steering, experiment.replies, experiment.seed, count)
            replies = yield from work
            templates = _templates(replies, subject)
            accuracy, refused = None, list[str]()
            if experiment.fitness and templates:
                scorable, refused = _scorable(templates, subject)
                yield from _score(scorable, accuracies, subject, count)
                if scorable:
                    accuracy = math.fsum(accuracies[text] for text in scorable) / len(scorable)
            traces = [_traced(reply) for reply in replies]
            kl = [value for trace in traces for value in trace.kl]
            fluency = [value for trace in traces for value in trace.log_likelihoods]
            cell = CellMeasured(
                layer=layer,
                alpha=alpha,
                kl=math.fsum(kl) / max(1, len(kl)),
                fluency=math.fsum(fluency) / max(1, len(fluency)),
                templates=len(templates),
                strength=strength(
                    setting.mode, (layer,), alpha, setting.alpha_unit, direction.ratios
                ),
                accuracy=accuracy,
                refused=len(refused),
                why_refused=refused[0] if refused else "",
            )
            yield count.event(cell)


@dataclass
class _Count:
    """Decoding steps done, of at most ``total``: replies may end early."""

    total: int
    done: int = 0

    def event(self, found: Finding | None = None) -> ev.ExperimentProgress:
        return ev.ExperimentProgress(done=min(self.done, self.total), total=self.total, found=found)


def _replies(
    subject: Subject, steering: Steering | None, replies: int, seed: int, count: _Count
) -> Generator[ev.ExperimentProgress, None, list[Reply]]:
    """Replies with their traces, the same random numbers for every setting."""
    seeds = subject.seeds[:replies] or [_reply_seed(seed, i) for i in range(replies)]
    work = subject.llm.propose(subject.messages, subject.sampling, seeds, steering, trace=True)
    until = count.done + subject.llm.most_tokens(subject.sampling)
    try:
        while True:
            if isinstance(next(work), TokenColumn):
                count.done += 1
                yield count.event()
    except StopIteration as finished:
        count.done = until
        yield count.event()
        found: list[Reply] = finished.value
        return found
    finally:
        work.close()


def _scorable(templates: Sequence[str], subject: Subject) -> tuple[list[str], list[str]]:
    """The templates that a run would score, and a sentence on each of the others."""
    checks = {text: _fitness(subject).check(text) for text in templates}
    refused = [check.sentence for check in checks.values() if check.reason is not None]
    return [text for text, check in checks.items() if check.reason is None], refused


def _fitness(subject: Subject) -> Fitness:
    if subject.fitness is None:
        raise ModelError("a scan with fitness needs the images and the VLM of a run")
    return subject.fitness


def _score(
    templates: Sequence[str], accuracies: dict[str, float], subject: Subject, count: _Count
) -> Telemetry:
    missing = [text for text in templates if text not in accuracies]
    if not missing:
        return
    work = _fitness(subject).score(missing, split="train")
    try:
        while True:
            next(work)
            yield count.event()
    except StopIteration as finished:
        for text, score in zip(missing, finished.value, strict=True):
            accuracies[text] = score.hits / score.n
    finally:
        work.close()


def _direction(setting: SteeringSetting, subject: Subject) -> Direction:
    aligned = setting.mode == "actadd"
    return subject.llm.direction(subject.positive, subject.negative, setting.pool, aligned)


def _steering(
    setting: SteeringSetting, subject: Subject, direction: Direction | None = None
) -> Steering | None:
    if setting.mode == "off":
        return None
    return Steering(
        direction or _direction(setting, subject),
        setting.layers,
        setting.alpha,
        setting.mode,
        setting.alpha_unit,
    )


def _templates(replies: Sequence[Reply], subject: Subject) -> list[str]:
    """The distinct templates among the replies, in order."""
    found: dict[str, str] = {}
    for reply in replies:
        template = read_reply(reply, subject.accept, subject.task).template
        if template is not None:
            found.setdefault(normalise(template), template)
    return list(found.values())


def _traced(reply: Reply) -> TracedReply:
    assert reply.trace is not None  # it was asked for
    return reply.trace


def _reply_seed(seed: int, reply: int) -> int:
    digest = hashlib.blake2b(f"lab/{seed}/{reply}".encode(), digest_size=8).digest()
    return int.from_bytes(digest) >> 1
