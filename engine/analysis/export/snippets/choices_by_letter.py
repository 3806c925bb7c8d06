"""Choose among four options with the questions that glov found.

    pip install transformers torch pillow
    python THIS_FILE image.jpg OPTION OPTION OPTION OPTION

or import it: ``choose(image, options)`` takes a Pillow image and four texts, and gives the index of
the right one and what is put on each.

It is the option that the written answer names. Of several questions each has a vote, and of equally
many that of the first counts; answers that name none, or several, have none, and the index is -1
where all are such.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from PIL import Image

from engine.analysis.export.snippets.answering import load
from engine.analysis.export.snippets.lettered import show_choice, with_options
from engine.analysis.export.snippets.written import written
from engine.vlm.encoder_decoder.letters import LETTERS, read_letter

# --- settings
MODEL: str = "llava-hf/llava-onevision-qwen2-7b-ov-hf"
PRECISION: str = "auto"
TRUST_REMOTE_CODE: bool = False
MAX_NEW_TOKENS: int = 50
TEMPLATES: list[str] = ["What is in the image?"]
# --- end of settings


@functools.lru_cache(maxsize=1)
def model() -> tuple[Any, Any]:
    """The model and its processor."""
    return load(MODEL, PRECISION, TRUST_REMOTE_CODE)


def choose(image: Image.Image, options: Sequence[str]) -> tuple[int, list[float]]:
    """The index of the option that most questions got, and the share that each got."""
    said = {
        question: written(image, with_options(question, options), MAX_NEW_TOKENS, *model())
        for question in dict.fromkeys(TEMPLATES)  # one that counts more than once is asked once
    }
    votes = [read_letter(said[question], options) for question in TEMPLATES]
    shares = [votes.count(option) / len(votes) for option in range(len(LETTERS))]
    most = [vote for vote in votes if vote is not None and shares[vote] == max(shares)]
    return most[0] if most else -1, shares


if __name__ == "__main__":
    show_choice(choose)
