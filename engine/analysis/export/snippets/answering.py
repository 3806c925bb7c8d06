"""What scripts share whose model answers questions: loading it, and what it is asked."""

from __future__ import annotations

from typing import Any

import torch
import transformers
from PIL import Image

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
TYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


def load(name: str, precision: str, trust_remote_code: bool) -> tuple[Any, Any]:
    """A model and its processor."""
    if precision == "auto":
        precision = "bf16" if DEVICE == "cuda" else "fp32"
    library: Any = transformers  # some of it is not typed
    found = library.AutoModelForImageTextToText.from_pretrained(
        name, dtype=TYPES[precision], trust_remote_code=trust_remote_code
    )
    processor = library.AutoProcessor.from_pretrained(name, trust_remote_code=trust_remote_code)
    return found.to(DEVICE).eval(), processor


def asked(question: str, image: Image.Image | None, processor: Any) -> list[dict[str, Any]]:
    """A question about an image, as chat templates take it."""
    shown = {"type": "image"} if image is None else {"type": "image", "image": image}
    text = {"type": "text", "text": harmless(question, processor)}
    return [{"role": "user", "content": [shown, text]}]


def harmless(text: str, processor: Any) -> str:
    """Without the tokens that are more than text: a question must not write an image."""
    known = {str(t) for t in processor.tokenizer.added_tokens_decoder.values() if t.special}
    while found := [token for token in known if token in text]:
        text = text.replace(max(found, key=len), "")  # what is left may be one anew
    return text


def inputs_of(
    question: str, image: Image.Image | None, model: Any, processor: Any
) -> dict[str, Any]:
    """All that a model is given up to where its answer begins; None: there is no image."""
    (turn,) = asked(question, image, processor)
    said = turn["content"] if image is not None else turn["content"][1:]
    made = processor.apply_chat_template(
        [{**turn, "content": said}],
        add_generation_prompt=True,
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
    )
    return {
        key: value.to(DEVICE, model.dtype if value.is_floating_point() else value.dtype)
        for key, value in made.items()
    }
