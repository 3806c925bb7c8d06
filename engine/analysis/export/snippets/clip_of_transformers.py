"""Classify images with the prompts that glov found.

    pip install transformers torch pillow
    python THIS_FILE image.jpg ...

or import it: ``classify(images)`` takes Pillow images, and gives class indices and probabilities.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import torch
from PIL import Image
from transformers import CLIPModel, CLIPProcessor

from engine.analysis.export.snippets.image_files import show

# --- settings
MODEL: str = "openai/clip-vit-base-patch32"
TEMPLATES: list[str] = ["a photo of a <category>."]
CLASSES: list[str] = ["cat", "dog"]
# --- end of settings

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
AT_ONCE = 256  # texts or images


@functools.lru_cache(maxsize=1)
def model() -> tuple[Any, Any]:
    """The model and its processor."""
    clip: Any = CLIPModel.from_pretrained(MODEL)
    return clip.to(DEVICE).eval(), CLIPProcessor.from_pretrained(MODEL)


def features(found: Any) -> torch.Tensor:
    """Rows of length one; later versions of transformers give them within a record."""
    rows = found if isinstance(found, torch.Tensor) else found.pooler_output
    return torch.nn.functional.normalize(rows.float(), dim=-1)


@functools.lru_cache(maxsize=1)
@torch.inference_mode()
def head() -> torch.Tensor:
    """The normalised mean of the templates' class embeddings, (classes, d) float32."""
    clip, processor = model()
    each = []
    for template in TEMPLATES:
        texts = [template.replace("<category>", name) for name in CLASSES]
        found = []
        for start in range(0, len(texts), AT_ONCE):
            tokens = processor.tokenizer(
                texts[start : start + AT_ONCE], padding=True, truncation=True, return_tensors="pt"
            )
            found.append(features(clip.get_text_features(**tokens.to(DEVICE))))
        each.append(torch.cat(found))
    return torch.nn.functional.normalize(torch.stack(each).mean(dim=0), dim=-1)


@torch.inference_mode()
def classify(images: Sequence[Image.Image]) -> tuple[list[int], torch.Tensor]:
    """Class indices of images, and the probabilities of all classes, (images, classes)."""
    clip, processor = model()
    found = []
    for start in range(0, len(images), AT_ONCE):
        some = list(images[start : start + AT_ONCE])
        pixels = processor.image_processor(some, return_tensors="pt").to(DEVICE)
        logits = features(clip.get_image_features(**pixels)) @ head().T * clip.logit_scale.exp()
        found.append(logits.softmax(dim=-1).cpu())
    probabilities = torch.cat(found)
    return probabilities.argmax(dim=-1).tolist(), probabilities


if __name__ == "__main__":
    show(classify, CLASSES)
