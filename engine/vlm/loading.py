"""From a configuration to a loaded VLM with its images encoded."""

from __future__ import annotations

from collections.abc import Callable

from engine.common.cache_folder import features_folder
from engine.common.kept import Kept
from engine.config import RunConfig
from engine.data.registry import load_dataset
from engine.vlm.feature_cache import FeatureCache
from engine.vlm.interface import Fitness


def load_fitness(
    config: RunConfig,
    progress: Callable[[str, int, int], None],
    report: Callable[[str], None],
    kept: Kept | None = None,
) -> Fitness:
    """Load the data set and the VLM, and encode the images that the run is scored on.

    Args:
        config: of the run; ``data``, ``vlm`` and ``seed`` are used.
        progress: called on this thread with what is being done, how much of it is done, and the
            total (0 of 0: not countable). An exception from it ends the loading.
        report: called with a sentence on each problem that was worked around: images skipped
            because they can't be read, classes with fewer images than asked for.
        kept: data set and VLM of an earlier run, used again where their sections are equal.

    Raises:
        ConfigError, DataError, ModelError: naming the key, file, class or model that can't be
            used and what to do about it.
    """
    progress("data set", 0, 0)
    kept = kept or Kept()
    dataset = kept.get("data set", config.data, lambda: load_dataset(config.data))
    progress("VLM", 0, 0)
    # torch and open_clip take seconds to import: not before the data set is known to be good.
    from engine.vlm.dual_encoder.fitness import DualEncoder, collect_features
    from engine.vlm.dual_encoder.image_features import ImageFeatures
    from engine.vlm.dual_encoder.model import OpenClipModel, load_open_clip
    from engine.vlm.dual_encoder.text_context import TextContext
    from engine.vlm.dual_encoder.text_features import TextFeatures

    def load() -> tuple[OpenClipModel, list[str]]:
        problems: list[str] = []
        return load_open_clip(config.vlm, problems.append), problems

    loaded, problems = kept.get("VLM", config.vlm, load)
    for problem in problems:  # every run's journal has them, also with a model that was kept
        report(problem)
    images = ImageFeatures(
        loaded.model,
        loaded.preprocess,
        loaded.device,
        dtype=loaded.dtype,
        batch=config.vlm.image_batch,
        model_key=loaded.key,
        cache=FeatureCache(features_folder(), report) if config.vlm.cache else None,
        report=report,
    )
    features = collect_features(
        dataset,
        images,
        shots=config.data.shots,
        labelled_classes=config.data.labelled_classes,
        seed=config.seed if config.data.sample_seed is None else config.data.sample_seed,
        device=loaded.device,
        progress=progress,
        report=report,
    )
    texts = TextFeatures(
        loaded.model, loaded.tokenizer, loaded.device, batch=config.vlm.text_batch, report=report
    )
    context = TextContext(loaded.tokenizer, dataset.class_names)
    for remark in context.remarks():
        report(remark)
    return DualEncoder(
        name=loaded.name,
        revision=loaded.revision,
        weights=loaded.weights,
        dataset=dataset,
        texts=texts,
        context=context,
        images=features,
        logit_scale=loaded.logit_scale,
        cache_entries=images.entries,
    )
