"""From image and text features to scores (docs/glov.md, 6)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from engine.vlm.interface import Score
from engine.vlm.predictions import LOWEST

_LOGITS_AT_ONCE = 1 << 24
"""Most image-class pairs in one matrix product: 64 MiB of float32."""


class NotFiniteError(Exception):
    """A similarity is NaN or infinite."""


class Part(NamedTuple):
    """What was made of some images; on the CPU."""

    log_probabilities: Tensor  # (images, classes) float16, nats
    predicted: Tensor  # (images,) int64
    own: Tensor  # (images,) float64 log-likelihood of the true class, nats


def score_features(
    images: Tensor,
    labels: Tensor,
    texts: Tensor,
    *,
    scale: float,
    parts: list[Part] | None = None,
) -> Score:
    """Classify every image by its nearest text.

    The result depends on these arguments alone, bit by bit: each template gets a matrix product
    of its own shape, whatever is scored beside it. Of equally near texts the lowest class index
    wins, and an image counts for its own class however many classes have images (sub-shot).

    Args:
        images: (n, d) float32, L2-normalised.
        labels: (n,) int64, the images' true classes.
        texts: (classes, d) float32, L2-normalised, one text per class.
        scale: the model's logit scale; a logit bias would cancel in the softmax.
        parts: gets what was made of some images after the other.

    Raises:
        NotFiniteError: if a similarity isn't a number.
    """
    hits_by_class = torch.zeros(len(texts), dtype=torch.int64, device=images.device)
    log_likelihood = torch.zeros((), dtype=torch.float64, device="cpu")
    probability = 0.0
    step = max(1, _LOGITS_AT_ONCE // max(1, len(texts)))
    for start in range(0, len(images), step):
        truth = labels[start : start + step]
        logits = (images[start : start + step] @ texts.T) * scale  # (images, classes)
        predicted = logits.argmax(dim=1)
        hits_by_class += torch.bincount(truth[predicted == truth], minlength=len(texts))
        found = logits.log_softmax(dim=1)
        own = found.gather(1, truth[:, None])[:, 0].cpu().double()
        log_likelihood += own.sum()
        probability += float(own.exp().sum())
        if parts is not None:
            parts.append(Part(found.clamp_min(LOWEST).half().cpu(), predicted.cpu(), own))
    margin = float(log_likelihood) / len(images)
    if not torch.isfinite(log_likelihood):
        raise NotFiniteError
    hits = tuple(hits_by_class.tolist())
    return Score(
        hits=sum(hits),
        n=len(images),
        margin=min(0.0, round(margin, 6)),
        class_hits=hits,
        probability=min(1.0, round(probability / len(images), 6)),
    )


def ensemble_features(texts: Tensor) -> Tensor:
    """Class embeddings of an ensemble (docs/glov.md, 5).

    Args:
        texts: (templates, classes, d) float32, L2-normalised.

    Returns:
        (classes, d): the L2-normalised mean over templates; with one template, its own rows.
    """
    if len(texts) == 1:
        return texts[0]
    return torch.nn.functional.normalize(texts.mean(dim=0), dim=-1)
