"""Telemetry: what is shown and forgotten, so that no journal has it.

A screen that was not there is sent what it missed by ``engine.remote.telemetry``.
"""

from typing import ClassVar, Literal

from engine.common.record import Count, Record, Seconds, Share
from engine.models.gpus import GpuReading, Percent
from engine.models.host import HostReading
from engine.run.event_record import EventRecord
from engine.run.experiment import Experiment, Finding

Phase = Literal[
    "loading",
    "seed template",
    "meta-prompt",
    "steering",
    "proposing",
    "scoring",
    "ensemble",
    "testing",
    "idle",
]


class SampleAnswer(Record):
    """What a VLM that looks at images one by one has just made of one, for people to look at."""

    template: str
    path: str  # of the image, in the data set
    answer: str | None  # None where it writes none
    truth: str  # the name of the true class
    predicted: str | None  # None: the answer names no class
    probability: Share | None = None  # of the predicted class, where no answer is written


class TemplateSoFar(Record):
    """How often a template was right on the ``n`` images that it has seen, of those it will see."""

    template: str
    hits: Count
    n: Count
    of: Count


class Telemetry(EventRecord):
    """What is no fact."""

    is_fact: ClassVar[bool] = False


class Progress(Telemetry):
    """The phase, and ``done`` of ``total`` units in it (0 of 0: not countable)."""

    kind: Literal["progress"] = "progress"
    phase: Phase
    detail: str = ""
    done: Count = 0
    total: Count = 0
    tokens: Count = 0  # of the replies so far, while they are written
    seconds: Seconds = 0.0  # that these took
    answer: SampleAnswer | None = None  # a few times a second a new one, while templates are scored
    so_far: tuple[TemplateSoFar, ...] = ()  # meanwhile, of each of them


class TokensStreamed(Telemetry):
    """What one decoding step added to each reply of the attempt."""

    kind: Literal["tokens-streamed"] = "tokens-streamed"
    step: Count
    attempt: Count
    texts: tuple[str, ...]
    thoughts: tuple[str, ...] = ()  # and to its thought; empty where nothing was added to any


class ExperimentStarted(Telemetry):
    """The steering lab begins; what an earlier experiment found is forgotten."""

    kind: Literal["experiment-started"] = "experiment-started"
    experiment: Experiment


class ExperimentProgress(Telemetry):
    """``done`` of ``total`` decoding steps or readings, and what they have just come to."""

    kind: Literal["experiment-progress"] = "experiment-progress"
    done: Count
    total: Count
    found: Finding | None = None


class ExperimentEnded(Telemetry):
    """The experiment is done, ended by a person, or given up for ``problem``."""

    kind: Literal["experiment-ended"] = "experiment-ended"
    problem: str | None = None
    seconds: Seconds = 0.0


class HostPast(Record):
    """Percentages of the last minute, this one last; null where they were not told."""

    use: tuple[Percent | None, ...] = ()  # of all cores
    own: tuple[Percent | None, ...] = ()  # of the cores that the engine's process may use
    memory: tuple[Percent | None, ...] = ()  # of the memory, that the engine's process has


class MachineMeasured(Telemetry):
    """The machine that the engine runs on, every two seconds."""

    kind: Literal["machine-measured"] = "machine-measured"
    gpus: tuple[GpuReading, ...] = ()
    past: tuple[tuple[Percent | None, ...], ...] = ()  # use of each GPU, of the last minute
    host: HostReading | None = None
    host_past: HostPast = HostPast()
