"""The fitness of a template under a dual encoder such as CLIP (docs/glov.md, 6)."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from engine.common.errors import ModelError, UserError
from engine.common.wording import counted
from engine.data.dataset import Dataset, LabelledImage, Split
from engine.prompts.template import PLACEHOLDER, RejectReason
from engine.vlm.dual_encoder.image_features import ImageFeatures
from engine.vlm.dual_encoder.scoring import NotFiniteError, Part, ensemble_features, score_features
from engine.vlm.dual_encoder.text_context import TextContext
from engine.vlm.dual_encoder.text_features import TextFeatures
from engine.vlm.interface import Score, ScoringProgress, TemplateCheck
from engine.vlm.labelled_images import LabelledImages, ReadImages, choose_images
from engine.vlm.predictions import ImagePredictions, KeptPredictions

OnProgress = Callable[[str, int, int], None]
Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class LabelledFeatures:
    """Image features of one split, on the model's device."""

    features: Tensor  # (n, d) float32, L2-normalised
    labels: Tensor  # (n,) int64
    fingerprint: str = ""  # of which images these are, and of their content
    items: tuple[LabelledImage, ...] = ()


_REMEMBERED = 256
"""Templates of which it is remembered what they made of each image, for more of the images."""


@dataclass(frozen=True, slots=True, eq=False)
class _EachImage:
    """What a template made of each image of a split; all on the CPU, (images,)."""

    labels: Tensor
    right: Tensor  # bool
    own: Tensor  # float64 log-likelihood of the true class, nats

    def score(self, rows: Sequence[int], classes: int) -> Score:
        chosen = torch.tensor(list(rows), dtype=torch.int64)
        right, labels = self.right[chosen], self.labels[chosen]
        hits = torch.bincount(labels[right], minlength=classes)
        margin = min(0.0, round(float(self.own[chosen].mean()), 6))
        return Score(
            hits=int(right.sum()),
            n=len(rows),
            margin=margin,
            class_hits=tuple(hits.tolist()),
            right=tuple(right.tolist()),
            probability=min(1.0, round(float(self.own[chosen].exp().mean()), 6)),
        )


class DualEncoder:
    """Scores templates by zero-shot accuracy: ``engine.vlm.interface.Fitness``.

    A template's text is made by putting the class name, literally, in place of every
    ``<category>``. All classes are candidates for every image, also when only some of them have
    labelled images. One thread at a time.

    The result for a template is the same, bit by bit, alone or among others, so a score kept from
    an earlier call can stand in for a new one.
    """

    def __init__(
        self,
        *,
        name: str,
        revision: str = "",
        weights: str = "",
        dataset: Dataset,
        texts: TextFeatures,
        context: TextContext,
        images: dict[Split, LabelledFeatures],
        logit_scale: float,
        cache_entries: Sequence[str] = (),
    ) -> None:
        self._name = name
        self.cache_entries = tuple(cache_entries)
        self._revision, self._weights = revision, weights
        self._dataset = dataset
        self._texts = texts
        self._context = context
        self._images = images
        self._logit_scale = logit_scale
        self.kept = KeptPredictions()
        # Scores of a call that was closed before its end, for the call that asks again.
        self._unfinished: dict[tuple[Split, str], Score] = {}
        self._each_image: dict[tuple[Split, str], _EachImage] = {}

    @property
    def name(self) -> str:
        """The model, as a person would name it."""
        return self._name

    @property
    def revision(self) -> str:
        """Of the model's files; see ``engine.models.identity``."""
        return self._revision

    @property
    def weights(self) -> str:
        """The precision, and a hash of the loaded model."""
        return self._weights

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
    def class_names(self) -> tuple[str, ...]:
        return self._dataset.class_names

    @property
    def dataset_fingerprint(self) -> str:
        """Tells apart data sets and splits: see ``Dataset.fingerprint``."""
        return self._dataset.fingerprint()

    @property
    def dataset_root(self) -> Path:
        return self._dataset.root

    @property
    def cuts_texts(self) -> bool:
        """Whether text batches are cut at their longest text (causal text towers)."""
        return self._texts.cut

    def images(self, split: Split) -> tuple[LabelledImage, ...]:
        """The readable images that a score on this split rests on."""
        return self._images[split].items

    def size(self, split: Split) -> int:
        """Number of readable images that a score on this split rests on."""
        return len(self._images[split].labels)

    def class_sizes(self, split: Split) -> tuple[int, ...]:
        """The same of each class; 0 where none of its images is labelled."""
        labels = self._images[split].labels
        return tuple(torch.bincount(labels, minlength=len(self.class_names)).tolist())

    def check(self, template: str) -> TemplateCheck:
        """Whether the text tower reads the template's class texts to their ends.

        A template is no use where most classes (more than half) can't be told apart any more,
        because their names come after what is read; elsewhere its score is what the VLM makes of
        it, cut as it is.
        """
        fit = self._context.fit(template)
        if not fit.cut:
            return TemplateCheck()
        cut = f"cut for {fit.cut} of {counted(fit.classes, 'class', 'classes')}"
        note = f"the VLM reads {fit.limit} tokens of a text: {cut}"
        if fit.lost:
            note += f", {fit.lost} of them the same as another"
        return TemplateCheck(note, RejectReason.CUT_OFF if 2 * fit.lost > fit.classes else None)

    def score(
        self, templates: Sequence[str], *, split: Split, rows: Sequence[int] | None = None
    ) -> Generator[ScoringProgress, None, list[Score]]:
        """One score per template, in order; equal templates are encoded once.

        Yields between batches of texts. A call that is closed early loses nothing but the
        template it was at: the scores before it are kept for the next call. A template is held
        against all images at once, also where only some of them (``rows``) are asked for.

        Raises:
            UserError: if a template has no ``<category>``.
            ModelError: naming the template if the model gives something that isn't a number.
        """
        if rows is not None:
            return (yield from self._score_rows(templates, split, rows))
        distinct = list(dict.fromkeys(templates))
        total = len(distinct) * len(self.class_names)
        scores: dict[str, Score] = {}
        for index, template in enumerate(distinct):
            known = self._unfinished.get((split, template))
            if known is None:
                done = index * len(self.class_names)
                texts = yield from self._encode(template, done, total)
                known, predicted = self._score(texts, split, template)
                self._unfinished[split, template] = known
                if predicted is not None:
                    self.kept.put(template, split, predicted)
            scores[template] = known
        self._unfinished.clear()
        self.kept.settle()
        return [scores[template] for template in templates]

    def _score_rows(
        self, templates: Sequence[str], split: Split, rows: Sequence[int]
    ) -> Generator[ScoringProgress, None, list[Score]]:
        distinct = list(dict.fromkeys(templates))
        total = len(distinct) * len(self.class_names)
        found: dict[str, _EachImage] = {}
        for index, template in enumerate(distinct):
            known = self._each_image.get((split, template))
            if known is None:
                done = index * len(self.class_names)
                texts = yield from self._encode(template, done, total)
                known = self._of_each_image(texts, split, template)
                self._each_image[split, template] = known
            found[template] = known
        while len(self._each_image) > max(_REMEMBERED, len(distinct)):
            del self._each_image[next(iter(self._each_image))]
        return [found[template].score(rows, len(self.class_names)) for template in templates]

    def score_ensemble(
        self, templates: Sequence[str], *, split: Split
    ) -> Generator[ScoringProgress, None, Score]:
        """The score of the normalised mean of the templates' embeddings.

        A template that is given twice counts twice.

        Raises:
            ValueError: if there is no template.
            UserError, ModelError: as ``score``.
        """
        if not templates:
            raise ValueError("an ensemble needs at least one template")
        distinct = list(dict.fromkeys(templates))
        total = len(distinct) * len(self.class_names)
        features: dict[str, Tensor] = {}
        for index, template in enumerate(distinct):
            done = index * len(self.class_names)
            features[template] = yield from self._encode(template, done, total)
        texts = ensemble_features(torch.stack([features[template] for template in templates]))
        score, made = self._score(texts, split, templates[0])
        return replace(score, made=made)

    def predictions(self, template: str, split: Split) -> ImagePredictions | None:
        """What a template that was scored made of each image; None where that is not kept."""
        return self.kept.of(template, split)

    def _encode(
        self, template: str, done: int, total: int
    ) -> Generator[ScoringProgress, None, Tensor]:
        if PLACEHOLDER not in template:
            raise UserError(f"the template {template!r} has no {PLACEHOLDER}")
        encoding = self._texts.encode(template, self.class_names)
        while True:
            try:
                yield ScoringProgress(done + next(encoding), total)
            except StopIteration as finished:
                features: Tensor = finished.value
                return features

    @torch.inference_mode()
    def _score(
        self, texts: Tensor, split: Split, template: str
    ) -> tuple[Score, ImagePredictions | None]:
        """The score and, where there is room, the predictions."""
        images = self._images[split]
        if not self.kept.takes(len(images.labels), len(texts)):
            return self._on_images(texts, split, template, None), None
        parts: list[Part] = []
        score = self._on_images(texts, split, template, parts)
        found, classes, _ = (torch.cat(some).numpy() for some in zip(*parts, strict=True))
        return score, ImagePredictions.of(found, classes)

    @torch.inference_mode()
    def _of_each_image(self, texts: Tensor, split: Split, template: str) -> _EachImage:
        parts: list[Part] = []
        self._on_images(texts, split, template, parts)
        found, classes, own = (torch.cat(some) for some in zip(*parts, strict=True))
        labels = self._images[split].labels.cpu()
        if self.kept.takes(*found.shape):
            self.kept.put(template, split, ImagePredictions.of(found.numpy(), classes.numpy()))
        return _EachImage(labels, classes == labels, own)

    def _on_images(
        self, texts: Tensor, split: Split, template: str, parts: list[Part] | None
    ) -> Score:
        images = self._images[split]
        try:
            return score_features(
                images.features, images.labels, texts, scale=self._logit_scale, parts=parts
            )
        except NotFiniteError:
            raise ModelError(
                f"the VLM's scores of the template {template!r} are not numbers; "
                "try vlm.precision = 'fp32'"
            ) from None


def collect_features(
    dataset: Dataset,
    images: ImageFeatures,
    *,
    shots: int,
    labelled_classes: int | None,
    seed: int,
    device: torch.device,
    progress: OnProgress,
    report: Report,
) -> dict[Split, LabelledFeatures]:
    """Features of the few-shot train sample and of all test images: see ``choose_images``.

    Raises:
        DataError: if a labelled class, or the test split, has no readable image.
        ModelError: if the model can't encode an image.
    """
    known = ReadImages({}, {})
    features: dict[LabelledImage, Tensor] = {}

    def encode(items: Sequence[LabelledImage], phase: str) -> None:
        paths = [item.path for item in items]
        some = images.of(dataset.images, paths, lambda done, total: progress(phase, done, total))
        rows = torch.from_numpy(some.features)
        assert some.digests is not None  # ImageFeatures gives them
        for row, index in enumerate(some.kept.tolist()):
            features[items[index]] = rows[row]
            known.digests[items[index]] = int(some.digests[row])
        for index, reason in some.unreadable.items():
            known.reasons[items[index].path] = reason

    train, test = choose_images(
        dataset,
        known,
        encode,
        shots=shots,
        labelled_classes=labelled_classes,
        seed=seed,
        report=report,
    )

    def stacked(chosen: LabelledImages) -> LabelledFeatures:
        return LabelledFeatures(
            torch.stack([features[item] for item in chosen.items]).to(device),
            torch.tensor([i.label for i in chosen.items], dtype=torch.int64, device=device),
            chosen.fingerprint,
            chosen.items,
        )

    return {"train": stacked(train), "test": stacked(test)}
