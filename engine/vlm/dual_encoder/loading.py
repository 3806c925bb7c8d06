"""From a configuration to a loaded dual encoder with its images encoded."""

from __future__ import annotations

from engine.common.cache_folder import features_folder
from engine.common.kept import Kept
from engine.config import RunConfig
from engine.data.dataset import Dataset
from engine.vlm.dual_encoder.fitness import DualEncoder, OnProgress, Report, collect_features
from engine.vlm.dual_encoder.image_features import ImageFeatures
from engine.vlm.dual_encoder.model import OpenClipModel, load_open_clip
from engine.vlm.dual_encoder.text_context import TextContext
from engine.vlm.dual_encoder.text_features import TextFeatures
from engine.vlm.feature_cache import FeatureCache


def load(
    config: RunConfig, dataset: Dataset, progress: OnProgress, report: Report, kept: Kept
) -> DualEncoder:
    """As ``engine.vlm.loading.FamilyLoader``, for ``vlm.kind = dual-encoder``."""

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
        seed=config.sample_seed,
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
