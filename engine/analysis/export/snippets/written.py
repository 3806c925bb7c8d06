"""What scripts share whose model writes its answer."""

from __future__ import annotations

from typing import Any

import torch
from PIL import Image

from engine.analysis.export.snippets.answering import inputs_of


@torch.inference_mode()
def written(image: Image.Image | None, question: str, most: int, model: Any, processor: Any) -> str:
    """What the model says, of an image if there is one: the most likely token each time."""
    inputs = inputs_of(question, image, model, processor)
    answer = model.generate(**inputs, max_new_tokens=most, do_sample=False)
    begin = inputs["input_ids"].shape[1]
    text: str = processor.tokenizer.decode(answer[0, begin:], skip_special_tokens=True)
    return text.strip()
