"""What the optimiser needs of a VLM: templates in, scores with per-example hits out."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from engine.prompts.template import RejectReason

Split = Literal["train", "test"]


@dataclass(frozen=True, slots=True)
class Score:
    """The accuracy of one template, or of one ensemble, on one split.

    ``hits`` of ``n`` images were classified right; ``margin`` is the mean log-likelihood of the
    true class in nats (at most 0, higher is better), which breaks ties; ``class_hits`` are
    the hits of each class, in the order of ``Fitness.class_names``.
    """

    hits: int
    n: int
    margin: float
    class_hits: tuple[int, ...]

    @property
    def accuracy(self) -> float:
        """Share of images classified right, 0 to 1."""
        return self.hits / self.n


@dataclass(frozen=True, slots=True)
class ScoringProgress:
    """``done`` of ``total`` units of work (texts encoded) are through."""

    done: int
    total: int


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
        self, templates: Sequence[str], *, split: Split
    ) -> Generator[ScoringProgress, None, list[Score]]:
        """One score per template, in order. Each template contains ``<category>``."""
        ...

    def score_ensemble(
        self, templates: Sequence[str], *, split: Split
    ) -> Generator[ScoringProgress, None, Score]:
        """One score for all templates together (PAPER, The algorithm, 5)."""
        ...
