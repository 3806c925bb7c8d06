"""From a configuration to a loaded encoder-decoder VLM with its images chosen."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import transformers

from engine.common.cache_folder import seen_folder
from engine.common.kept import Kept
from engine.config import RunConfig
from engine.data.dataset import Dataset, LabelledImage, Split
from engine.data.images import READER_VERSION, UnreadableImageError, file_digest, read_image
from engine.data.options import WrongOptions, find_options
from engine.vlm.encoder_decoder.fitness import EncoderDecoder
from engine.vlm.encoder_decoder.image_prefixes import ImagePrefixes
from engine.vlm.encoder_decoder.model import LoadedModel, load_model
from engine.vlm.encoder_decoder.prefix_memory import GIB, configured
from engine.vlm.encoder_decoder.questions import Questions
from engine.vlm.encoder_decoder.safety import load_safety
from engine.vlm.encoder_decoder.seen_on_disk import SeenOnDisk
from engine.vlm.encoder_decoder.shards import Shards
from engine.vlm.encoder_decoder.ways import Options, find_embedder, make_predictor
from engine.vlm.labelled_images import LabelledImages, ReadImages, choose_images
from engine.vlm.loading import OnProgress, Report


@dataclass(frozen=True, slots=True)
class _Images:
    """The images of each split; of all that were read the size and a hash of the content."""

    splits: dict[Split, LabelledImages]
    sizes: dict[str, tuple[int, int]]  # width and height, by path
    digests: dict[str, int]  # by path


def load(
    config: RunConfig, dataset: Dataset, progress: OnProgress, report: Report, kept: Kept
) -> EncoderDecoder:
    """As ``engine.vlm.loading.FamilyLoader``, for ``vlm.kind = encoder-decoder``."""
    if config.vlm.answer == "refusal":
        return load_safety(config, dataset, progress, report, kept)
    wrong = None
    if config.vlm.answer == "choice":  # said before a model is loaded
        wrong = find_options(dataset, config.data.options, config.data.test_fraction)
        dataset = wrong.dataset
    embedder = find_embedder(config.vlm, progress, kept)  # the smaller one first
    loaded = kept.get("VLM", config.vlm, lambda: load_model(config.vlm))
    images = _images(config, dataset, progress, report)
    splits = images.splits
    options: Options = {}
    if wrong is not None:
        splits, options = _with_options(splits, wrong)
    questions = Questions(loaded.processor, loaded.model)
    shards = Shards(config, progress, report) if config.vlm.shards > 1 else None
    return EncoderDecoder(
        name=loaded.name,
        revision=loaded.revision,
        weights=loaded.weights,
        dataset=dataset,
        questions=questions,
        images=splits,
        predictor=make_predictor(
            config.vlm,
            loaded,
            questions,
            dataset.class_names,
            options=options,
            embedder=embedder,
            digests=images.digests,
            report=report,
        ),
        prefixes=ImagePrefixes(
            loaded.model,
            questions,
            dataset.images,
            batch=min(config.vlm.image_batch, 32),
            memory=configured(config.vlm.prefix_gib),
            disk=_on_disk(config, loaded, questions, images.digests, report),
            sizes=images.sizes,
            report=report,
        ),
        shards=shards,
    )


def _on_disk(
    config: RunConfig,
    loaded: LoadedModel,
    questions: Questions,
    digests: Mapping[str, int],
    report: Report,
) -> SeenOnDisk | None:
    if not (config.vlm.cache and config.vlm.features_gib):
        return None
    versions = (transformers.__version__, READER_VERSION, loaded.model.device.type)
    key = repr((loaded.revision, loaded.weights, questions.rests_on, *versions))
    return SeenOnDisk(seen_folder(), key, digests, int(config.vlm.features_gib * GIB), report)


def _images(config: RunConfig, dataset: Dataset, progress: OnProgress, report: Report) -> _Images:
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
        seed=config.sample_seed,
        report=report,
    )
    digests = {item.path: digest for item, digest in known.digests.items()}
    return _Images({"train": train, "test": test}, sizes, digests)


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
