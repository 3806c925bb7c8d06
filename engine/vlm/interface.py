"""What a run needs of a VLM: scores of its templates, with per-class hits. No heavy import here."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from engine.prompts.template import RejectReason

if TYPE_CHECKING:
    from engine.data.dataset import LabelledImage, Split
    from engine.vlm.predictions import ImagePredictions, KeptPredictions


@dataclass(frozen=True, slots=True)
class Score:
    """The accuracy of one template, or of one ensemble, on one split.

    ``hits`` of ``n`` images were classified right; ``margin`` is the mean log-likelihood of the
    true class in nats (at most 0, higher is better), which breaks ties; ``class_hits`` are
    the hits of each class, in the order of ``Fitness.class_names``. Of ``unnamed`` images the
    answer names no class: they count as wrong. ``right`` has whether each image was right, in the
    order in which they were asked for; empty where all of a split were. ``probability`` is the mean
    probability of the true class, 0 where the answer names none; None where that is not known, of
    scores that an earlier glov made. ``made`` is what was made of each image, of an ensemble, and
    no part of the score: None where it is more than there is room for.
    """

    hits: int
    n: int
    margin: float
    class_hits: tuple[int, ...]
    unnamed: int = 0
    right: tuple[bool, ...] = ()
    probability: float | None = None
    made: ImagePredictions | None = field(default=None, compare=False, repr=False)

    def plus(self, other: Score) -> Score:
        """The score on the images of both, which share none."""
        n = self.n + other.n
        return Score(
            hits=self.hits + other.hits,
            n=n,
            margin=(self.n * self.margin + other.n * other.margin) / n,
            class_hits=tuple(map(sum, zip(self.class_hits, other.class_hits, strict=True))),
            unnamed=self.unnamed + other.unnamed,
            right=self.right + other.right,
            probability=None
            if self.probability is None or other.probability is None
            else round((self.n * self.probability + other.n * other.probability) / n, 6),
        )

    @property
    def accuracy(self) -> float:
        """Share of images classified right, 0 to 1."""
        return self.hits / self.n


@dataclass(frozen=True, slots=True)
class AnsweredImage:
    """What a VLM has just made of an image; a sample, to be looked at."""

    template: str
    path: str  # of the image, in the data set
    answer: str | None  # None where the VLM writes none
    truth: str  # the name of the true class
    predicted: str | None  # None: the answer names no class
    probability: float | None = None  # of the predicted class, where no answer is written


@dataclass(frozen=True, slots=True)
class PartScore:
    """How often a template was right on the ``n`` images that it has seen, of those it will see."""

    template: str
    hits: int
    n: int
    of: int

    def after(self, score: Score) -> PartScore:
        """With the images that it had seen before, which are others."""
        n = score.n
        return PartScore(self.template, self.hits + score.hits, self.n + n, self.of + n)


@dataclass(frozen=True, slots=True)
class ScoringProgress:
    """``done`` of ``total`` units of work (texts encoded) are through."""

    done: int
    total: int
    answered: AnsweredImage | None = None  # in the last of them
    so_far: tuple[PartScore, ...] = ()  # of each template, where images are looked at one by one


@dataclass(frozen=True, slots=True)
class TemplateCheck:
    """What the VLM can make of a template, known before it is scored.

    ``note`` is a clause that a person should read; ``reason`` says why its score would say nothing,
    so that it should not be scored.
    """

    note: str | None = None
    reason: RejectReason | None = None

    @property
    def sentence(self) -> str:
        """The reason, if there is one, and the note."""
        if self.reason is None:
            return self.note or ""
        return f"{self.reason.explanation} ({self.note})" if self.note else self.reason.explanation


class Fitness(Protocol):
    """Scores templates. A score is of a stated split; the search asks for ``train`` only."""

    @property
    def name(self) -> str: ...

    @property
    def revision(self) -> str:
        """What tells the model's files from others (``engine.models.identity``), or nothing."""
        ...

    @property
    def weights(self) -> str:
        """The precision and a hash of the loaded model, with a space between; or nothing."""
        ...

    def fingerprint(self, split: Split) -> str:
        """Hash of which images a score on this split rests on, and of their content."""
        ...

    @property
    def dataset_name(self) -> str: ...

    @property
    def dataset_description(self) -> str:
        """One or two sentences on the images, or nothing."""
        ...

    @property
    def dataset_fingerprint(self) -> str:
        """Hash of the files and splits: accuracies are comparable where it is equal."""
        ...

    @property
    def cache_entries(self) -> tuple[str, ...]:
        """Keys of the entries of the feature cache that scores rest on."""
        ...

    @property
    def class_names(self) -> tuple[str, ...]: ...

    def size(self, split: Split) -> int:
        """Number of images that a score on this split rests on."""
        ...

    def class_sizes(self, split: Split) -> tuple[int, ...]:
        """The same of each class, in the order of ``class_names``; 0 where none is labelled."""
        ...

    def check(self, template: str) -> TemplateCheck:
        """Whether the VLM reads the whole template. What that means is the VLM's family's to say:
        a dual encoder cuts class texts, another may have room for any question.
        """
        ...

    def score(
        self, templates: Sequence[str], *, split: Split, rows: Sequence[int] | None = None
    ) -> Generator[ScoringProgress, None, list[Score]]:
        """One score per template, in order. Each has as many placeholders as the task allows.

        ``rows`` are indices of the images that it is to rest on, each once: then it has ``right``,
        in their order, and whoever asks has what was made of them handed to the store
        (``kept.settle``) when there is no more. What a template makes of an image does not depend
        on the others.
        """
        ...

    def score_ensemble(
        self, templates: Sequence[str], *, split: Split
    ) -> Generator[ScoringProgress, None, Score]:
        """One score for all templates together (docs/glov.md, 5), with what they made of each
        image. An ensemble of one template is that template.
        """
        ...

    @property
    def dataset_root(self) -> Path:
        """The folder that paths of images are relative to."""
        ...

    def images(self, split: Split) -> tuple[LabelledImage, ...]:
        """The images that a score on this split rests on, in the order of predictions."""
        ...

    @property
    def kept(self) -> KeptPredictions:
        """What ``score`` leaves: predictions of templates that were scored, while there is room."""
        ...

    def predictions(self, template: str, split: Split) -> ImagePredictions | None:
        """What a template that was scored made of each image; None where that is not kept."""
        ...


class Judge(Protocol):
    """Says whether an answer declines a question."""

    def __call__(self, question: str, answer: str) -> bool | None:
        """None if its verdict can't be read."""
        ...


@runtime_checkable
class Judged(Protocol):
    """A fitness whose answers another model may judge."""

    def judge_with(self, judge: Judge, revision: str = "") -> None:
        """Have answers judged by this one from now on, before any is scored.

        ``revision`` tells a judge's model from others: scores rest on it as on the VLM's weights.
        """
        ...
