"""A way from an image and a question to a class: what it is given, and what it gives.

The fitness holds the splits, the images' prefixes, the scores and the progress. How an image's
class is read out of the model is a ``Predictor``'s: one room each beside this one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from PIL import Image
from torch import Tensor

from engine.vlm.encoder_decoder.reading import ImagePrefix
from engine.vlm.interface import Score
from engine.vlm.predictions import ImagePredictions


@dataclass(frozen=True, slots=True)
class Question:
    """A template as it is asked of every image."""

    text: str
    tokens: tuple[int, ...]  # from behind the image to where the answer begins


@dataclass(frozen=True, slots=True, eq=False)
class Predictions:
    """What was made of some images, in their order; all tensors are on the CPU.

    A row of ``log_probabilities`` says nothing where ``named`` is false: its answer names no class,
    and counts as wrong whatever the truth is.
    """

    log_probabilities: Tensor  # (images, classes) float32, nats
    named: Tensor  # (images,) bool
    answers: tuple[str | None, ...]  # None where the model writes none

    @property
    def classes(self) -> Tensor:
        """The class of each image, -1 where its answer names none, (images,) int64."""
        return self.log_probabilities.argmax(dim=-1).where(self.named, -1)

    def of(self, places: Sequence[int]) -> Predictions:
        """Those of some of the images."""
        chosen = list(places)
        answers = tuple(self.answers[place] for place in chosen)
        return Predictions(self.log_probabilities[chosen], self.named[chosen], answers)

    def of_images(self) -> ImagePredictions:
        """The same, as it is kept."""
        return ImagePredictions.of(
            self.log_probabilities.float().numpy(), self.classes.numpy(), self.answers
        )

    def score(self, labels: Tensor) -> Score:
        """Against the true classes, (images,) int64."""
        classes = self.log_probabilities.shape[1]
        hits = torch.bincount(labels[self.classes == labels], minlength=classes)
        own = self.log_probabilities[torch.arange(len(labels)), labels]
        return Score(
            hits=int(hits.sum()),
            n=len(labels),
            margin=min(0.0, round(float(own.double().mean()), 6)),
            class_hits=tuple(hits.tolist()),
            unnamed=int((~self.named).sum()),
            probability=min(1.0, round(float(own.double().exp().where(self.named, 0).mean()), 6)),
        )


def in_order(parts: Sequence[tuple[Sequence[int], Predictions]]) -> Predictions:
    """Predictions of rows that came in parts, in the order of the rows: each once, none missing."""
    rows = torch.tensor([row for some, _ in parts for row in some])
    order = rows.argsort()
    answers = [answer for _, part in parts for answer in part.answers]
    return Predictions(
        torch.cat([part.log_probabilities for _, part in parts])[order],
        torch.cat([part.named for _, part in parts])[order],
        tuple(answers[place] for place in order.tolist()),
    )


def mean_logits(each: Sequence[Predictions]) -> Tensor:
    """Log-probabilities (images, classes) of an ensemble whose questions count alike.

    The mean of the logits, as a dual encoder's ensemble has it: with the mean of the probabilities
    no other question could ever be a better companion of the likeliest one than itself.
    """
    found = torch.stack([one.log_probabilities for one in each])
    return found.mean(dim=0).log_softmax(dim=-1)


class Predictor(Protocol):
    """Reads the class of images out of an encoder-decoder VLM. One thread at a time."""

    @property
    def rests_on(self) -> str:
        """What tells its other models and its way of writing from others; may be empty."""
        ...

    def check(self, image: Image.Image, prefix: ImagePrefix) -> None:
        """Hold its fast reading against a plain one, on one image.

        Raises:
            ModelError: if they are not the same.
        """
        ...

    def longest(self, template: str) -> str:
        """The longest text that is asked with a template: with what is put behind it."""
        ...

    def known(
        self, images: Sequence[str], question: Question
    ) -> tuple[Sequence[int], Predictions] | None:
        """The indices of the images whose predictions need no reading, and these; None if none is
        known. ``images`` are paths in the data set.
        """
        ...

    def predict(
        self, images: Sequence[str], prefixes: Sequence[ImagePrefix], question: Question
    ) -> Predictions:
        """Of images whose prefixes have one length and one next position."""
        ...

    def combine(self, each: Sequence[Predictions]) -> Predictions:
        """The predictions of an ensemble, from those of its questions about the same images."""
        ...
