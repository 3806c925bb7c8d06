"""Classify images with the questions that glov found.

    pip install transformers sentence-transformers torch pillow
    python THIS_FILE image.jpg ...

or import it: ``classify(images)`` takes Pillow images, and gives class indices and probabilities.

The class of an image is the name that is nearest to what the model answers; an answer without a
word names none, and the index is -1.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import torch
from PIL import Image
from sentence_transformers import SentenceTransformer

from engine.analysis.export.snippets.answering import DEVICE, load
from engine.analysis.export.snippets.image_files import show
from engine.analysis.export.snippets.written import written

# --- settings
MODEL: str = "llava-hf/llava-onevision-qwen2-7b-ov-hf"
EMBEDDER: str = "sentence-transformers/all-mpnet-base-v2"
PRECISION: str = "auto"
TRUST_REMOTE_CODE: bool = False
MAX_NEW_TOKENS: int = 50
TEMPLATES: list[str] = ["What is in the image?"]
CLASSES: list[str] = ["cat", "dog"]
# --- end of settings

SCALE = 20.0  # of cosines, as glov has it; the classes do not depend on it


@functools.lru_cache(maxsize=1)
def model() -> tuple[Any, Any]:
    """The model and its processor."""
    return load(MODEL, PRECISION, TRUST_REMOTE_CODE)


@functools.lru_cache(maxsize=1)
def embedder() -> SentenceTransformer:
    """What says how near texts are."""
    return SentenceTransformer(EMBEDDER, device=DEVICE)


def embed(texts: Sequence[str]) -> torch.Tensor:
    """Rows of length one, (texts, d); zero for a text without a word."""
    found = embedder().encode(list(texts), convert_to_tensor=True, show_progress_bar=False)
    blank = torch.tensor([not text.strip() for text in texts])
    rows = torch.nn.functional.normalize(found.cpu().float(), dim=-1)
    return rows.masked_fill(blank[:, None], 0.0)


@functools.lru_cache(maxsize=1)
def class_rows() -> torch.Tensor:
    """Those of the class names, (classes, d)."""
    return embed(CLASSES)


def answer(image: Image.Image, question: str) -> str:
    """What the model says of an image."""
    return written(image, question, MAX_NEW_TOKENS, *model())


def classify(images: Sequence[Image.Image]) -> tuple[list[int], torch.Tensor]:
    """Class indices of images, and the probabilities of all classes, (images, classes)."""
    indices, found = [], []
    for image in images:
        said = {question: answer(image, question) for question in dict.fromkeys(TEMPLATES)}
        rows = embed([said[question] for question in TEMPLATES])
        named = rows.any(dim=-1)
        scores = (SCALE * rows @ class_rows().T).log_softmax(dim=-1)
        mean = scores[named].mean(dim=0) if named.any() else scores.mean(dim=0)
        indices.append(int(mean.argmax()) if named.any() else -1)
        found.append(mean.softmax(dim=-1))
    return indices, torch.stack(found)


if __name__ == "__main__":
    show(classify, CLASSES)
