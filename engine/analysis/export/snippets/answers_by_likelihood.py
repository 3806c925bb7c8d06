"""Classify images with the questions that glov found.

    pip install transformers torch pillow
    python THIS_FILE image.jpg ...

or import it: ``classify(images)`` takes Pillow images, and gives class indices and probabilities.

The class of an image is the name that is most likely to begin the answer. Each name is read with
the image and the question anew, which is plain and slow; glov reads the image once for all.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import torch
from PIL import Image

from engine.analysis.export.snippets.answering import load
from engine.analysis.export.snippets.beginnings import beginnings, tokens_of
from engine.analysis.export.snippets.image_files import show

# --- settings
MODEL: str = "llava-hf/llava-onevision-qwen2-7b-ov-hf"
PRECISION: str = "auto"
TRUST_REMOTE_CODE: bool = False
COMPARED: str = "raw"  # raw, per-token or prior-corrected
TEMPLATES: list[str] = ["What is in the image?"]
CLASSES: list[str] = ["cat", "dog"]
# --- end of settings


@functools.lru_cache(maxsize=1)
def model() -> tuple[Any, Any]:
    """The model and its processor."""
    return load(MODEL, PRECISION, TRUST_REMOTE_CODE)


@functools.lru_cache(maxsize=1)
def names() -> list[list[int]]:
    """The tokens of each class name where an answer begins."""
    return tokens_of(CLASSES, model()[1])


def likelihoods(image: Image.Image, question: str) -> torch.Tensor:
    """How likely the answer begins with each name and with no longer one, (classes,) nats."""
    return without_longer(beginnings(image, question, names(), *model()))


def without_longer(found: torch.Tensor) -> torch.Tensor:
    """An answer that begins with "pencil case" also begins with "pen": what is its own of each."""
    tokens = [tuple(name) for name in names()]
    longer: dict[int, list[int]] = {}
    for index, name in enumerate(tokens):
        within = [name[:end] for end in range(len(name) - 1, 0, -1) if name[:end] in tokens]
        if within:
            longer.setdefault(tokens.index(within[0]), []).append(index)
    own = found.clone()
    for index, others in longer.items():
        share = (found[others].logsumexp(dim=0) - found[index]).clamp(max=-1e-6)
        own[index] = found[index] + torch.log(-torch.expm1(share))
    return own


@functools.lru_cache(maxsize=64)
def prior(question: str) -> torch.Tensor:
    """How likely each name is where there is nothing to see."""
    return likelihoods(Image.new("RGB", (224, 224), (128, 128, 128)), question)


def scores(image: Image.Image, question: str) -> torch.Tensor:
    """Log-probabilities of the classes by one question, (classes,)."""
    found = likelihoods(image, question)
    if COMPARED == "per-token":
        found = found / torch.tensor([float(len(name)) for name in names()])
    elif COMPARED == "prior-corrected":
        found = found - prior(question)
    return found.log_softmax(dim=-1)


def classify(images: Sequence[Image.Image]) -> tuple[list[int], torch.Tensor]:
    """Class indices of images, and the probabilities of all classes, (images, classes)."""
    found = []
    for image in images:
        # A question that counts more than once is asked once.
        each = {question: scores(image, question) for question in dict.fromkeys(TEMPLATES)}
        found.append(torch.stack([each[question] for question in TEMPLATES]).mean(dim=0))
    probabilities = torch.stack(found).softmax(dim=-1)
    return probabilities.argmax(dim=-1).tolist(), probabilities


if __name__ == "__main__":
    show(classify, CLASSES)
