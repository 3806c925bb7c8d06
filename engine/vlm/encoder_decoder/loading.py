"""From a configuration to a loaded encoder-decoder VLM with its images chosen."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace

from engine.common.kept import Kept
from engine.config import RunConfig
from engine.data.dataset import Dataset, LabelledImage, Split
from engine.data.images import UnreadableImageError, file_digest, read_image
from engine.data.options import WrongOptions, find_options
from engine.vlm.encoder_decoder.fitness import EncoderDecoder
from engine.vlm.encoder_decoder.image_prefixes import ImagePrefixes
from engine.vlm.encoder_decoder.model import LoadedModel, load_model
from engine.vlm.encoder_decoder.prediction import Predictor
from engine.vlm.encoder_decoder.questions import Questions
from engine.vlm.labelled_images import LabelledImages, ReadImages, choose_images
from engine.vlm.loading import OnProgress, Report

Options = Mapping[str, tuple[int, ...]]
"""Of each image by its path: four classes in the order of the letters."""


def load(
    config: RunConfig, dataset: Dataset, progress: OnProgress, report: Report, kept: Kept
) -> EncoderDecoder:
    """As ``engine.vlm.loading.FamilyLoader``, for ``vlm.kind = encoder-decoder``."""
    wrong = None
    if config.vlm.answer == "choice":  # said before a model is loaded
        wrong = find_options(dataset, config.data.options, config.data.test_fraction)
        dataset = wrong.dataset
    loaded = kept.get("VLM", config.vlm, lambda: load_model(config.vlm))
    images, sizes = _images(config, dataset, progress, report)
    options: Options = {}
    if wrong is not None:
        images, options = _with_options(images, wrong)
    questions = Questions(loaded.processor, loaded.model)
    return EncoderDecoder(
        name=loaded.name,
        revision=loaded.revision,
        weights=loaded.weights,
        dataset=dataset,
        questions=questions,
        images=images,
        predictor=_predictor(config, loaded, questions, dataset, options),
        prefixes=ImagePrefixes(
            loaded.model,
            questions,
            dataset.images,
            batch=min(config.vlm.image_batch, 32),
            sizes=sizes,
            report=report,
        ),
    )


def _images(
    config: RunConfig, dataset: Dataset, progress: OnProgress, report: Report
) -> tuple[dict[Split, LabelledImages], dict[str, tuple[int, int]]]:
    """The images of each split, and the width and height of all that were read."""
    known = ReadImages({}, {})
    sizes: dict[str, tuple[int, int]] = {}

    def read(items: Sequence[LabelledImage], phase: str) -> None:
        for done, item in enumerate(items):
            progress(phase, done, len(items))
            file = dataset.images.file(item.path)
            try:
                sizes[item.path] = read_image(file).size
                known.digests[item] = file_digest(file)
            except UnreadableImageError as error:
                known.reasons[item.path] = str(error)
        progress(phase, len(items), len(items))

    train, test = choose_images(
        dataset,
        known,
        read,
        shots=config.data.shots,
        labelled_classes=config.data.labelled_classes,
        seed=config.seed if config.data.sample_seed is None else config.data.sample_seed,
        report=report,
    )
    return {"train": train, "test": test}, sizes


def _with_options(
    images: Mapping[Split, LabelledImages], wrong: WrongOptions
) -> tuple[dict[Split, LabelledImages], Options]:
    """The images of each split, known by their options too, and the options."""
    options: dict[str, tuple[int, ...]] = {}
    found: dict[Split, LabelledImages] = {}
    for split, some in images.items():
        dealt = wrong.in_order(some.items)
        options |= dealt.by_image
        both = f"{some.fingerprint}\0{dealt.fingerprint()}"
        found[split] = replace(some, fingerprint=hashlib.sha256(both.encode()).hexdigest()[:16])
    return found, options


def _predictor(
    config: RunConfig,
    loaded: LoadedModel,
    questions: Questions,
    dataset: Dataset,
    options: Options,
) -> Predictor:
    """The way to a prediction that ``vlm.answer`` names."""
    names = dataset.class_names
    match config.vlm.answer:
        case "choice":
            from engine.vlm.encoder_decoder.by_choice import ByChoice

            return ByChoice(loaded.model, questions, names, options)
        case _:
            from engine.vlm.encoder_decoder.by_likelihood import ByLikelihood

            return ByLikelihood(loaded.model, questions, names, config.vlm.likelihood)
