"""Classify images with the prompts that glov found.

    pip install open_clip_torch pillow
    python THIS_FILE image.jpg ...

or import it: ``classify(images)`` takes Pillow images, and gives class indices and probabilities.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import open_clip
import torch
from PIL import Image

from engine.analysis.export.snippets.image_files import show

# --- settings
MODEL: str = "ViT-B-32-quickgelu"
PRETRAINED: str | None = "openai"
PRECISION: str = "auto"
TEMPLATES: list[str] = ["a photo of a <category>."]
CLASSES: list[str] = ["cat", "dog"]
# --- end of settings

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
IN_USE = {"cuda": "fp16"}.get(DEVICE, "fp32") if PRECISION == "auto" else PRECISION
AT_ONCE = 256  # texts or images


@functools.lru_cache(maxsize=1)
def model() -> tuple[Any, Callable[[Image.Image], torch.Tensor], Any]:
    """The model, what it makes of an image before it looks, and its tokenizer."""
    clip, preprocess = open_clip.create_model_from_pretrained(
        MODEL, pretrained=PRETRAINED, precision=IN_USE, device=DEVICE
    )
    return clip.eval(), preprocess, open_clip.get_tokenizer(MODEL)


@functools.lru_cache(maxsize=1)
@torch.inference_mode()
def head() -> torch.Tensor:
    """The normalised mean of the templates' class embeddings, (classes, d) float32."""
    clip, _, tokenizer = model()
    each = []
    for template in TEMPLATES:
        texts = tokenizer([template.replace("<category>", name) for name in CLASSES]).to(DEVICE)
        found = [clip.encode_text(texts[i : i + AT_ONCE]) for i in range(0, len(texts), AT_ONCE)]
        each.append(torch.nn.functional.normalize(torch.cat(found).float(), dim=-1))
    return torch.nn.functional.normalize(torch.stack(each).mean(dim=0), dim=-1)


@torch.inference_mode()
def classify(images: Sequence[Image.Image]) -> tuple[list[int], torch.Tensor]:
    """Class indices of images, and the probabilities of all classes, (images, classes)."""
    clip, preprocess, _ = model()
    dtype = open_clip.get_input_dtype(IN_USE) or torch.float32
    found = []
    for start in range(0, len(images), AT_ONCE):
        pixels = torch.stack([preprocess(image) for image in images[start : start + AT_ONCE]])
        features = clip.encode_image(pixels.to(DEVICE, dtype)).float()
        features = torch.nn.functional.normalize(features, dim=-1)
        logits = features @ head().T * clip.logit_scale.float().exp()
        found.append(logits.softmax(dim=-1).cpu())
    probabilities = torch.cat(found)
    return probabilities.argmax(dim=-1).tolist(), probabilities


if __name__ == "__main__":
    show(classify, CLASSES)
