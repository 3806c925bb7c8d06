"""The fitness of a question under an encoder-decoder VLM: how often its answer names the class."""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from engine.common.errors import ModelError
from engine.common.wording import counted
from engine.data.dataset import Dataset, LabelledImage, Split
from engine.data.images import read_image
from engine.models.memory import is_out_of_memory
from engine.prompts.template import RejectReason
from engine.vlm.encoder_decoder.image_prefixes import ImagePrefixes
from engine.vlm.encoder_decoder.prediction import (
    Predictions,
    Predictor,
    Question,
    in_order,
)
from engine.vlm.encoder_decoder.questions import Questions
from engine.vlm.encoder_decoder.reading import ImagePrefix
from engine.vlm.encoder_decoder.shards import Found, Shards, identity_of
from engine.vlm.interface import AnsweredImage, PartScore, Score, ScoringProgress, TemplateCheck
from engine.vlm.labelled_images import LabelledImages
from engine.vlm.predictions import ImagePredictions, KeptPredictions

_TOKENS_PER_CHARACTER = 4
"""At most: a byte each."""
_HEADER = 256
"""Tokens that a chat template writes around a question, at most."""


@dataclass(slots=True)
class _Asked:
    """A question that is asked, and what came of it so far."""

    question: Question
    labels: Tensor  # (images,) int64, the true classes
    parts: list[tuple[Sequence[int], Predictions]]
    unread: set[int]  # the rows of images that it was not asked of yet
    hits: int = 0

    def add(self, rows: Sequence[int], found: Predictions) -> None:
        self.parts.append((rows, found))
        self.unread.difference_update(rows)
        self.hits += int((found.classes == self.labels[list(rows)]).sum())

    @property
    def so_far(self) -> PartScore:
        images = len(self.labels)
        return PartScore(self.question.text, self.hits, images - len(self.unread), images)


class EncoderDecoder:
    """Scores questions by the classes of images: ``engine.vlm.interface.Fitness``.

    How a class is read out of the model is the ``predictor``'s. A question may name no class; where
    ``<category>`` stands in it, it is asked as it is. One thread at a time.
    """

    def __init__(
        self,
        *,
        name: str,
        revision: str,
        weights: str,
        dataset: Dataset,
        questions: Questions,
        images: Mapping[Split, LabelledImages],
        predictor: Predictor,
        prefixes: ImagePrefixes,
        shards: Shards | None = None,
    ) -> None:
        """``shards``: other processes that read some of the images.

        Raises:
            ModelError: if the predictor's fast reading is not that of a plain one, or a shard has
                another model or other images.
        """
        self.name, self.revision = name, revision
        self.weights = weights_with(weights, f"{questions.rests_on} {predictor.rests_on}")
        self.cache_entries: tuple[str, ...] = ()
        self._dataset = dataset
        self._questions = questions
        self._images = images
        self._predictor = predictor
        self._prefixes = prefixes
        self._unfinished: dict[tuple[Split, str, tuple[str, ...]], _Asked] = {}
        self.kept = KeptPredictions()
        self._shards = shards
        self._check_reading()
        if shards is not None:
            shards.check(identity_of(self))

    def _check_reading(self) -> None:
        item = self._images["train"].items[0]
        image = read_image(self._dataset.images.file(item.path))
        self._predictor.check(image, self._prefixes.of(item.path))

    # -- what it is ------------------------------------------------------------------------

    def fingerprint(self, split: Split) -> str:
        """Hash of which images a score on this split rests on, and of their content."""
        return self._images[split].fingerprint

    @property
    def dataset_name(self) -> str:
        return self._dataset.name

    @property
    def dataset_description(self) -> str:
        return self._dataset.description

    @property
    def dataset_fingerprint(self) -> str:
        return self._dataset.fingerprint()

    @property
    def class_names(self) -> tuple[str, ...]:
        return self._dataset.class_names

    @property
    def dataset_root(self) -> Path:
        return self._dataset.root

    def images(self, split: Split) -> tuple[LabelledImage, ...]:
        """The readable images that a score on this split rests on."""
        return self._images[split].items

    def size(self, split: Split) -> int:
        """Number of readable images that a score on this split rests on."""
        return len(self._images[split].items)

    def class_sizes(self, split: Split) -> tuple[int, ...]:
        """The same of each class; 0 where none of its images is labelled."""
        labels = torch.tensor([item.label for item in self._images[split].items])
        return tuple(torch.bincount(labels, minlength=len(self.class_names)).tolist())

    def check(self, template: str) -> TemplateCheck:
        """Whether image and question, with what goes behind it, fit into the model's context, by
        the images read so far.
        """
        context, before = self._questions.context, self._prefixes.longest
        asked = self._predictor.longest(template)
        if context is None or before + _TOKENS_PER_CHARACTER * len(asked) + _HEADER <= context:
            return TemplateCheck()
        tokens = len(self._questions.question(asked))
        if before + tokens <= context:
            return TemplateCheck()
        image = counted(before, "token")
        note = f"an image of {image} and a question of {tokens}; the VLM reads {context}"
        return TemplateCheck(note, RejectReason.TOO_LONG)

    # -- scores ----------------------------------------------------------------------------

    def score(
        self, templates: Sequence[str], *, split: Split, rows: Sequence[int] | None = None
    ) -> Generator[ScoringProgress, None, list[Score]]:
        """One score per question, in order; equal questions are asked once.

        Yields between batches of images. A call that is closed early keeps what it has.
        """
        found = yield from self._predictions(list(dict.fromkeys(templates)), split, rows)
        scores = {}
        for template, predictions in found.items():
            scores[template] = self._score(predictions, split, template, rows)
            made = predictions.of_images()
            if rows is not None:
                made = made.placed(rows, self.size(split), self.kept.of(template, split))
            self.kept.put(template, split, made)
        self._unfinished.clear()
        if rows is None:
            self.kept.settle()
        return [scores[template] for template in templates]

    def score_ensemble(
        self, templates: Sequence[str], *, split: Split
    ) -> Generator[ScoringProgress, None, Score]:
        """The score of the questions together, as the predictor combines them.

        Raises:
            ValueError: if there is no template.
        """
        if not templates:
            raise ValueError("an ensemble needs at least one template")
        found = yield from self._predictions(list(dict.fromkeys(templates)), split)
        self._unfinished.clear()
        each = [found[template] for template in templates]
        together = self._predictor.combine(each) if len(each) > 1 else each[0]
        score = self._score(together, split, templates[0])
        takes = self.kept.takes(*together.log_probabilities.shape)
        return replace(score, made=together.of_images() if takes else None)

    def predictions(self, template: str, split: Split) -> ImagePredictions | None:
        """What a template that was scored made of each image; None where that is not kept."""
        return self.kept.of(template, split)

    def _predictions(
        self, templates: Sequence[str], split: Split, only: Sequence[int] | None = None
    ) -> Generator[ScoringProgress, None, dict[str, Predictions]]:
        """Of each image of the split, or of ``only`` some rows of it, in order, by template.

        All templates are asked of some images before the next images are read: so an image is read
        once a call, also where there is no room to keep it.
        """
        items = self._images[split].items
        chosen = range(len(items)) if only is None else only
        paths = [items[row].path for row in chosen]
        labels = torch.tensor([items[row].label for row in chosen])
        asked = [self._asked(template, split, paths, labels) for template in templates]
        total = len(templates) * len(paths)
        done = total - sum(len(one.unread) for one in asked)
        if done:
            yield ScoringProgress(done, total, so_far=tuple(one.so_far for one in asked))
        rows = sorted(set().union(*(one.unread for one in asked)))
        elsewhere, held = self._begin_elsewhere(asked, rows, chosen, split)
        yield from self._read_here(asked, [r for r in rows if r not in held], chosen, split)
        for news in elsewhere:
            if news is not None:
                _take(asked, news, held)
            yield _progress(asked)
        lost = sorted(set().union(*(one.unread for one in asked)))  # of shards that are no more
        yield from self._read_here(asked, lost, chosen, split)
        return {one.question.text: in_order(one.parts) for one in asked}

    def read(
        self, templates: Sequence[str], split: Split, rows: Sequence[int]
    ) -> Generator[ScoringProgress, None, dict[str, Predictions]]:
        """What distinct templates make of some images, in the order of ``rows``; none is kept."""
        found = yield from self._predictions(templates, split, rows)
        self._unfinished.clear()
        return found

    def _begin_elsewhere(
        self, asked: Sequence[_Asked], rows: Sequence[int], chosen: Sequence[int], split: Split
    ) -> tuple[Iterator[Found | None], dict[int, int]]:
        """Have other processes read their shards of the images; what comes of that, and which
        ``rows`` these are, by the row of the split.
        """
        if self._shards is None:
            return iter(()), {}
        place = {chosen[row]: row for row in rows}
        others = self._shards.others(list(place))
        templates = [one.question.text for one in asked if one.unread]
        elsewhere = self._shards.read(templates, split, others)
        next(elsewhere)  # asks
        return elsewhere, {place[row]: row for some in others.values() for row in some}

    def _read_here(
        self, asked: Sequence[_Asked], rows: Sequence[int], chosen: Sequence[int], split: Split
    ) -> Generator[ScoringProgress, None, None]:
        items = self._images[split].items
        paths = {row: items[chosen[row]].path for row in rows}
        for group in self._prefixes.groups(paths) if paths else ():
            # Reading images is the longest stretch: the run can pause behind it.
            yield _progress(asked)
            for one in asked:
                places = [i for i, row in enumerate(group.rows) if row in one.unread]
                if not places:
                    continue
                own = [group.rows[i] for i in places]
                prefixes = [group.prefixes[i] for i in places]
                found = self._asked_of([paths[row] for row in own], prefixes, one.question)
                one.add(own, found)
                answered = self._answered(one.question, split, chosen[own[-1]], found)
                yield _progress(asked, answered)

    def _answered(
        self, question: Question, split: Split, row: int, found: Predictions
    ) -> AnsweredImage:
        """What is made of the last image of ``found``, the split's ``row``."""
        answer, predicted = found.answers[-1], int(found.classes[-1])
        image, names = self._images[split].items[row], self.class_names
        taken = names[predicted] if predicted >= 0 else None
        share = None
        if answer is None and taken is not None:
            share = min(1.0, float(found.log_probabilities[-1, predicted].exp()))
        return AnsweredImage(question.text, image.path, answer, names[image.label], taken, share)

    def _asked(self, template: str, split: Split, paths: Sequence[str], labels: Tensor) -> _Asked:
        """A template, with what is known of its predictions from a call that was closed early, or
        by the predictor.
        """
        key = (split, template, tuple(paths))
        if key not in self._unfinished:
            question = Question(template, tuple(self._questions.question(template)))
            asked = _Asked(question, labels, [], set(range(len(paths))))
            if known := self._predictor.known(paths, question):
                asked.add(*known)
            self._unfinished[key] = asked
        return self._unfinished[key]

    def _asked_of(
        self, images: Sequence[str], prefixes: Sequence[ImagePrefix], question: Question
    ) -> Predictions:
        """The predictor's, of fewer images at once where memory runs out.

        Raises:
            ModelError: if image and question are longer than the model's context.
        """
        self._questions.check_length(images[:1], prefixes[:1], [question.tokens], question.text)
        try:
            return self._predictor.predict(images, prefixes, question)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        self._prefixes.after_out_of_memory(len(images))
        half = (len(images) + 1) // 2
        ways = [slice(0, half), slice(half, None)] if half < len(images) else [slice(None)]
        rows = range(len(images))
        return in_order([(rows[w], self._asked_of(images[w], prefixes[w], question)) for w in ways])

    def _score(
        self,
        found: Predictions,
        split: Split,
        template: str,
        rows: Sequence[int] | None = None,
    ) -> Score:
        if not torch.isfinite(found.log_probabilities).all():
            raise ModelError(
                f"the VLM's scores of the template {template!r} are not numbers; "
                "try vlm.precision = 'fp32'"
            )
        labels = torch.tensor([item.label for item in self._images[split].items])
        if rows is None:
            return found.score(labels)
        labels = labels[list(rows)]
        right = tuple((found.classes == labels).tolist())
        return replace(found.score(labels), right=right)


def _progress(asked: Sequence[_Asked], answered: AnsweredImage | None = None) -> ScoringProgress:
    so_far = tuple(one.so_far for one in asked)
    return ScoringProgress(
        sum(part.n for part in so_far), sum(part.of for part in so_far), answered, so_far
    )


def _take(asked: Sequence[_Asked], news: Found, held: Mapping[int, int]) -> None:
    """What a shard has made of some images, whose rows here are those of ``held``."""
    place = {row: here for here, row in held.items()}
    rows, found = news
    for one in asked:
        if one.question.text in found:
            new = [i for i, row in enumerate(rows) if place[row] in one.unread]
            if new:
                one.add([place[rows[i]] for i in new], found[one.question.text].of(new))


def weights_with(weights: str, others: str) -> str:
    """The VLM's weights and what else its predictions rest on, as one precision and hash."""
    if not others:
        return weights
    precision, _, own = weights.partition(" ")
    return f"{precision} {hashlib.sha256(f'{own} {others}'.encode()).hexdigest()}"
