"""What scripts share that ask how likely an answer begins with some words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from PIL import Image

from engine.analysis.export.snippets.answering import DEVICE, asked, harmless, inputs_of


def tokens_of(names: Sequence[str], processor: Any) -> list[list[int]]:
    """The tokens of each name where an answer begins."""
    question = asked("?", None, processor)
    answer = {"role": "assistant", "content": [{"type": "text", "text": "dog"}]}
    header = processor.apply_chat_template(question, add_generation_prompt=True)
    whole = processor.apply_chat_template([*question, answer], add_generation_prompt=False)
    lead = whole[len(header) :].partition("dog")[0] if whole.startswith(header) else ""
    texts = [("" if lead.strip() else lead) + harmless(name, processor) for name in names]
    return [processor.tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts]


@torch.inference_mode()
def beginnings(
    image: Image.Image, question: str, names: Sequence[list[int]], model: Any, processor: Any
) -> torch.Tensor:
    """How likely the answer begins with each name's tokens, (names,) nats."""
    inputs = inputs_of(question, image, model, processor)
    shape = inputs["input_ids"].shape
    found = []
    for name in names:
        tokens = torch.tensor([name], device=DEVICE)
        more = {"input_ids": tokens, "attention_mask": torch.ones_like(tokens)}
        whole = {
            key: torch.cat([value, more.get(key, torch.zeros_like(tokens))], dim=1)
            if value.shape == shape
            else value
            for key, value in inputs.items()
        }
        logits = model(**whole, use_cache=False).logits[0, shape[1] - 1 : -1]
        each = logits.float().log_softmax(dim=-1)
        found.append(each.gather(1, tokens[0, :, None]).sum())
    return torch.stack(found).cpu()
