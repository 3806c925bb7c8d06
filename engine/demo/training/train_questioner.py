"""Train the tiny LLM that proposes questions, from the one that proposes CLIP's templates.

    python -m engine.demo.training.train questioner

How to read a meta-prompt and recombine its examples is learnt already: what is new are the words
of questions and that an opening has its worth too. So it begins from the weights of `train_llm.py`
with a longer vocabulary, and imitates dialogues about questions for a few steps.
"""

from __future__ import annotations

from pathlib import Path
from typing import cast

import torch
from torch import Tensor
from transformers import AutoTokenizer, LlamaForCausalLM, PreTrainedTokenizerFast

from engine.demo.training.llm_tokenizer import SPACE, question_pieces, with_pieces
from engine.demo.training.train_llm import build_optimizer, imitate, save
from engine.demo.training.wordings import QUESTIONS

STEPS = 160
SCALE = 0.6  # of train_llm.py's learning rate


def main(output: Path, *, base: Path, seed: int = 1, steps: int = STEPS) -> None:
    """Train from the folder `base` and save a hub model folder; prints progress to stdout."""
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    model, tokenizer = longer_vocabulary(base)
    model.set_attn_implementation("eager")  # as in train_llm.py
    imitate(
        model,
        tokenizer,
        build_optimizer(model),
        seed=seed,
        steps=steps,
        wording=QUESTIONS,
        scale=SCALE,
    )
    save(model, tokenizer, output)


def longer_vocabulary(base: Path) -> tuple[LlamaForCausalLM, PreTrainedTokenizerFast]:
    """The model in `base` with the words of questions.

    The vector of a new piece begins as the mean of those that it was read as before.
    """
    model = LlamaForCausalLM.from_pretrained(base, dtype=torch.float32)
    old = cast(PreTrainedTokenizerFast, AutoTokenizer.from_pretrained(base))
    new = with_pieces(old, question_pieces())
    model.resize_token_embeddings(len(new), mean_resizing=False)
    vectors = cast(Tensor, model.get_input_embeddings().weight)
    with torch.no_grad():
        for token in range(len(old), len(new)):
            text = cast(str, new.convert_ids_to_tokens(token)).replace(SPACE, " ")
            pieces = old(text.strip(), add_special_tokens=False)["input_ids"]
            vectors[token] = vectors[pieces].mean(0)
    return model, new
