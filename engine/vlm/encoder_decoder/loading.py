"""From a configuration to a loaded encoder-decoder VLM with its images chosen."""

from __future__ import annotations

from collections.abc import Sequence

from engine.common.kept import Kept
from engine.config import RunConfig
from engine.data.dataset import Dataset, LabelledImage
from engine.data.images import UnreadableImageError, file_digest, read_image
from engine.vlm.encoder_decoder.fitness import EncoderDecoder
from engine.vlm.encoder_decoder.image_prefixes import ImagePrefixes
from engine.vlm.encoder_decoder.model import LoadedModel, load_model
from engine.vlm.encoder_decoder.prediction import Predictor
from engine.vlm.encoder_decoder.questions import Questions
from engine.vlm.labelled_images import ReadImages, choose_images
from engine.vlm.loading import OnProgress, Report


def load(
    config: RunConfig, dataset: Dataset, progress: OnProgress, report: Report, kept: Kept
) -> EncoderDecoder:
    """As ``engine.vlm.loading.FamilyLoader``, for ``vlm.kind = encoder-decoder``."""
    loaded = kept.get("VLM", config.vlm, lambda: load_model(config.vlm))
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
    questions = Questions(loaded.processor, loaded.model)
    return EncoderDecoder(
        name=loaded.name,
        revision=loaded.revision,
        weights=loaded.weights,
        dataset=dataset,
        questions=questions,
        images={"train": train, "test": test},
        predictor=_predictor(config, loaded, questions, dataset),
        prefixes=ImagePrefixes(
            loaded.model,
            questions,
            dataset.images,
            batch=min(config.vlm.image_batch, 32),
            sizes=sizes,
            report=report,
        ),
    )


def _predictor(
    config: RunConfig, loaded: LoadedModel, questions: Questions, dataset: Dataset
) -> Predictor:
    """The way to a prediction that ``vlm.answer`` names."""
    match config.vlm.answer:
        case "likelihood":
            from engine.vlm.encoder_decoder.by_likelihood import ByLikelihood

            return ByLikelihood(loaded.model, questions, dataset.class_names, config.vlm.likelihood)
