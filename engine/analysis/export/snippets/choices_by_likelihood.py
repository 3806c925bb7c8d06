"""Choose among four options with the questions that glov found.

    pip install transformers torch pillow
    python THIS_FILE image.jpg OPTION OPTION OPTION OPTION

or import it: ``choose(image, options)`` takes a Pillow image and four texts, and gives the index of
the right one and what is put on each.

It is the option whose letter is most likely to begin the answer.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import torch
from PIL import Image

from engine.analysis.export.snippets.answering import load
from engine.analysis.export.snippets.beginnings import beginnings, tokens_of
from engine.analysis.export.snippets.lettered import SIGNS, show_choice, with_options

# --- settings
MODEL: str = "llava-hf/llava-onevision-qwen2-7b-ov-hf"
PRECISION: str = "auto"
TRUST_REMOTE_CODE: bool = False
TEMPLATES: list[str] = ["What is in the image?"]
# --- end of settings


@functools.lru_cache(maxsize=1)
def model() -> tuple[Any, Any]:
    """The model and its processor."""
    return load(MODEL, PRECISION, TRUST_REMOTE_CODE)


def choose(image: Image.Image, options: Sequence[str]) -> tuple[int, list[float]]:
    """The index of the right option, and the probability of each."""
    signs = tokens_of(SIGNS, model()[1])
    each = {
        question: beginnings(image, with_options(question, options), signs, *model())
        for question in dict.fromkeys(TEMPLATES)  # one that counts more than once is asked once
    }
    logits = torch.stack([each[question].log_softmax(dim=-1) for question in TEMPLATES])
    shares: list[float] = logits.mean(dim=0).softmax(dim=-1).tolist()
    return shares.index(max(shares)), shares


if __name__ == "__main__":
    show_choice(choose)
