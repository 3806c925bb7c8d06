"""The option whose letter the written answer names: ``vlm.letters = "parsed"``, as FOCI does it.

How a letter is read is ``engine.vlm.encoder_decoder.letters``'s to say. An answer that names none
counts as wrong, and is counted (``unnamed``).
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from PIL import Image

from engine.vlm.encoder_decoder.answer_cache import AnswerCache
from engine.vlm.encoder_decoder.by_choice import ByChoice
from engine.vlm.encoder_decoder.choices import with_options
from engine.vlm.encoder_decoder.greedy import Greedy
from engine.vlm.encoder_decoder.letters import LETTERS, read_letter
from engine.vlm.encoder_decoder.prediction import Predictions, Question
from engine.vlm.encoder_decoder.questions import Questions
from engine.vlm.encoder_decoder.reading import ImagePrefix
from engine.vlm.encoder_decoder.writing import check_writing, written

CHOSEN, OTHER = math.log(0.97), math.log(0.01)
"""Of an option that an answer names, and of the others: the margin then orders as the hits do."""


def digests_with_options(
    digests: Mapping[str, int], class_names: Sequence[str], options: Mapping[str, tuple[int, ...]]
) -> dict[str, int]:
    """By path, what answers are kept by: the same image with other options is asked anew.

    Args:
        digests: hashes of the images' content.
        class_names: of the data set.
        options: of each image, classes in the order of the letters.
    """
    found = {}
    for path, labels in options.items():
        asked = with_options("", [class_names[label] for label in labels])
        both = json.dumps([digests[path], asked]).encode()
        found[path] = int.from_bytes(hashlib.blake2b(both, digest_size=8).digest())
    return found


class ByParsedLetter(ByChoice):
    """``ByChoice`` with written answers."""

    def __init__(
        self,
        model: Any,
        questions: Questions,
        class_names: Sequence[str],
        options: Mapping[str, tuple[int, ...]],
        answers: AnswerCache,
        how: Greedy,
    ) -> None:
        """As ``ByChoice``; ``answers`` are known ones, ``how`` others are written."""
        super().__init__(model, questions, class_names, options)
        self.rests_on = how.rests_on
        self._answers = answers
        self._how = how

    def check(self, image: Image.Image, prefix: ImagePrefix) -> None:
        """As ``Predictor.check``: the first tokens are the most likely ones of a plain reading."""
        text = with_options("Which is it?", ["one", "two", "three", "four"])
        inputs = self._questions.inputs(image, text)
        check_writing(self._model, prefix, self._questions.many([text])[0], inputs, text)

    def known(
        self, images: Sequence[str], question: Question
    ) -> tuple[Sequence[int], Predictions] | None:
        """As ``Predictor.known``: where the answer is known, to the same options."""
        found = self._answers.known(images, question)
        if not found:
            return None
        return list(found), self._read([images[i] for i in found], list(found.values()))

    def predict(
        self, images: Sequence[str], prefixes: Sequence[ImagePrefix], question: Question
    ) -> Predictions:
        """As ``Predictor.predict``; the answers are kept."""
        asked = self.asked(images, question.text)
        self._questions.check_length(images, prefixes, asked, question.text)
        answers = written(self._model, self._questions, prefixes, asked, self._how, question.text)
        self._answers.put(images, question, answers)
        return self._read(images, answers)

    def combine(self, each: Sequence[Predictions]) -> Predictions:
        """The option that most questions got; of equally many, that of the first of them.

        Answers that name none have no vote.
        """
        votes = torch.zeros_like(each[0].log_probabilities)
        for number, one in enumerate(each):
            rows = one.named.nonzero()[:, 0]
            # Less for each later one, and all of that together less than a vote.
            votes[rows, one.classes[rows]] += 1 - number / (len(each) + 1) ** 2
        named = torch.stack([one.named for one in each]).any(dim=0)
        options = each[0].log_probabilities > 2 * OTHER
        winner = votes.argmax(dim=-1)
        found = each[0].log_probabilities.clone()
        found[options] = OTHER
        rows = named.nonzero()[:, 0]
        found[rows, winner[rows]] = CHOSEN
        return Predictions(found, named, (None,) * len(named))

    def _read(self, images: Sequence[str], answers: Sequence[str]) -> Predictions:
        letters = torch.full((len(images), len(LETTERS)), OTHER)
        named = torch.zeros(len(images), dtype=torch.bool)
        for row, (image, answer) in enumerate(zip(images, answers, strict=True)):
            letter = read_letter(answer, self.names(image))
            if letter is not None:
                letters[row, letter] = CHOSEN
                named[row] = True
        return Predictions(self.among_classes(images, letters), named, tuple(answers))
