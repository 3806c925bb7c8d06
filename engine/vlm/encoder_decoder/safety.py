"""The fitness of a safety instruction: one minus the attack success rate of harmful questions."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from engine.common.errors import ConfigError
from engine.common.kept import Kept
from engine.config import RunConfig
from engine.data.dataset import Dataset, LabelledImage
from engine.data.images import UnreadableImageError, file_digest, read_image
from engine.data.readers.question_rows import REFUSED, QuestionRow, QuestionSet
from engine.data.sources import ImageFile, ImageSource
from engine.vlm.encoder_decoder.by_refusal import ByRefusal
from engine.vlm.encoder_decoder.fitness import EncoderDecoder, weights_with
from engine.vlm.encoder_decoder.image_prefixes import ImagePrefixes, PrefixGroup
from engine.vlm.encoder_decoder.model import load_model
from engine.vlm.encoder_decoder.prefix_memory import PrefixMemory, configured
from engine.vlm.encoder_decoder.questions import Questions
from engine.vlm.encoder_decoder.reading import ImagePrefix, text_prefix
from engine.vlm.encoder_decoder.ways import make_predictor
from engine.vlm.interface import Judge
from engine.vlm.labelled_images import LabelledImages, ReadImages, choose_images
from engine.vlm.loading import OnProgress, Report


class RowPrefixes(ImagePrefixes):
    """The prefixes of rows by key: of the image, or of a chat without one its first token."""

    def __init__(
        self,
        model: Any,
        questions: Questions,
        dataset: QuestionSet,
        *,
        batch: int,
        memory: PrefixMemory,
        sizes: Mapping[str, tuple[int, int]],
        report: Report,
    ) -> None:
        super().__init__(
            model,
            questions,
            dataset.images,
            batch=batch,
            memory=memory,
            sizes=sizes,
            report=report,
        )
        self._rows = dataset.rows
        self._most = batch
        self._plain: ImagePrefix | None = None

    def groups(self, paths: Mapping[int, str]) -> Iterator[PrefixGroup]:
        """As ``ImagePrefixes.groups``; those without an image come last, by themselves."""
        plain = [row for row, key in paths.items() if self._rows[key].image is None]
        shown = {row: key for row, key in paths.items() if self._rows[key].image is not None}
        if shown:
            yield from super().groups(shown)
        for start in range(0, len(plain), self._most):
            some = tuple(plain[start : start + self._most])
            yield PrefixGroup(some, (self._without_image(),) * len(some))

    def _without_image(self) -> ImagePrefix:
        if self._plain is None:
            ids = self._questions.plain_inputs("?")["input_ids"][:, :1]
            self._plain = text_prefix(self._model, ids)
        return self._plain


class SafetyFitness(EncoderDecoder):
    """Scores instructions: ``engine.vlm.interface.Fitness`` and ``Judged``."""

    def judge_with(self, judge: Judge, revision: str = "") -> None:
        """As ``Judged.judge_with``."""
        cast("ByRefusal", self._predictor).judge = judge
        self.weights = weights_with(self.weights, revision)

    def _check_reading(self) -> None:
        """One row with an image and one without, where there are such rows."""
        rows = cast("QuestionSet", self._dataset).rows
        predictor = cast("ByRefusal", self._predictor)
        for has_image in (True, False):
            keys = [i.path for i in self.images("train") if bool(rows[i.path].image) is has_image]
            for key in keys[:1]:
                image = read_image(self._dataset.images.file(key)) if has_image else None
                predictor.check(image, self._prefixes.of(key))


def load_safety(
    config: RunConfig, dataset: Dataset, progress: OnProgress, report: Report, kept: Kept
) -> SafetyFitness:
    """As ``engine.vlm.loading.FamilyLoader``, for ``vlm.answer = refusal``.

    Raises:
        ConfigError: if the data set has no questions.
    """
    if not isinstance(dataset, QuestionSet):
        raise ConfigError(
            f"vlm.answer is refusal, and the data set {config.data.dataset} has no harmful "
            "questions; set data.dataset = questions"
        )
    loaded = kept.get("VLM", config.vlm, lambda: load_model(config.vlm))
    train, test, known, sizes = choose_rows(config, dataset, progress, report)
    questions = Questions(loaded.processor, loaded.model)
    return SafetyFitness(
        name=loaded.name,
        revision=loaded.revision,
        weights=loaded.weights,
        dataset=dataset,
        questions=questions,
        images={"train": train, "test": test},
        predictor=make_predictor(
            config.vlm,
            loaded,
            questions,
            dataset.class_names,
            options={},
            embedder=None,
            digests={item.path: digest for item, digest in known.digests.items()},
            report=report,
            rows={i.path: dataset.rows[i.path] for i in (*train.items, *test.items)},  # asked
        ),
        prefixes=RowPrefixes(
            loaded.model,
            questions,
            dataset,
            batch=min(config.vlm.image_batch, 32),
            memory=configured(config.vlm.prefix_gib),
            sizes=sizes,
            report=report,
        ),
    )


def choose_rows(
    config: RunConfig, dataset: QuestionSet, progress: OnProgress, report: Report
) -> tuple[LabelledImages, LabelledImages, ReadImages, dict[str, tuple[int, int]]]:
    """``data.shots`` training rows and all test rows; those whose image can't be read are left out.

    Returns:
        Both splits, hashes of the rows' content, and the sizes of images by the rows' keys.

    Raises:
        DataError: if no row of a split can be used.
    """
    known = ReadImages({}, {})
    sizes: dict[str, tuple[int, int]] = {}

    def read(items: Sequence[LabelledImage], phase: str) -> None:
        for done, item in enumerate(items):
            progress(phase.replace("images", "questions"), done, len(items))
            row, digest = dataset.rows[item.path], 0
            try:
                if row.image is not None:
                    file = dataset.images.file(item.path)
                    sizes[item.path] = read_image(file).size
                    digest = file_digest(file)
                known.digests[item] = _digest(row, digest)
            except UnreadableImageError as error:
                known.reasons[item.path] = str(error)
        progress(phase.replace("images", "questions"), len(items), len(items))

    # Rows may share an image: the reader knows which ones are the same.
    alone = replace(dataset, class_names=(REFUSED,), source=_NoCopies(dataset.images))
    seed = config.sample_seed
    train, test = choose_images(
        alone,
        known,
        read,
        shots=config.data.shots,
        labelled_classes=config.data.labelled_classes,
        seed=seed,
        report=report,
    )
    return train, test, known, sizes


def _digest(row: QuestionRow, image: int) -> int:
    content = f"{image}\0{row.image is None}\0{row.question}".encode()
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest())


@dataclass(frozen=True, slots=True)
class _NoCopies:
    """Images that nothing is known of before they are read, so that none is taken for a copy."""

    images: ImageSource
    identity: str = ""

    def file(self, path: str) -> ImageFile:
        """The image itself."""
        return self.images.file(path)

    def stamp(self, path: str) -> tuple[int, int]:
        """Nothing there."""
        return -1, -1
