"""A real, tiny Llama whose replies are written beforehand: each token knows what may follow it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from engine.llm.decoding.decoder import Layout
from engine.llm.decoding.probe import Layouts
from engine.llm.transformers_llm import LocalLLM

END = "<end>"
TEMPLATE = "{% for m in messages %}{{ m['content'] }} {% endfor %}"


def scripted(
    script: Mapping[str, Sequence[str]],
    template: str,
    special: Sequence[str] = (),
    layout: Layout | None = None,
    context: int = 4096,
) -> LocalLLM:
    """An LLM that writes by the script: ``script[word]`` are the words that may come next.

    Words of ``special`` are special tokens of the tokenizer; all but they have a space before
    them. ``layout`` is the only one that it is decoded with.
    """
    follow = {word: list(nexts) for word, nexts in script.items()}
    spaced = {w: w if w in (*special, END) or w.startswith("<") else f"▁{w}" for w in follow}
    words = ["[UNK]", END]
    for word in (*follow, *(w for nexts in follow.values() for w in nexts)):
        token = word if word in (*special, END) or word.startswith("<") else f"▁{word}"
        spaced[word] = token
        if token not in words:
            words.append(token)
    backend = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words)}, unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    backend.decoder = decoders.Metaspace(prepend_scheme="first")
    backend.add_tokens([AddedToken(w, normalized=False) for w in words if w.startswith("<")])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend, unk_token="[UNK]", eos_token=END,
        additional_special_tokens=list(special),
    )  # fmt: skip
    tokenizer.chat_template = template
    model = _model(len(words), context)
    weights = model.state_dict()
    with torch.no_grad():
        for name, values in weights.items():
            if "o_proj" in name or "down_proj" in name:
                values.zero_()  # a token's state is its own embedding
        weights["model.embed_tokens.weight"].copy_(torch.eye(*_shape(weights)))
        head = torch.zeros(_shape(weights))
        for word, nexts in follow.items():
            for following in nexts:
                head[words.index(spaced[following]), words.index(spaced[word])] = 20
        weights["lm_head.weight"].copy_(head)
    llm = LocalLLM("scripted", model, tokenizer)
    if layout is not None:
        llm._layouts = Layouts(steered=(layout,), plain=(layout,))
    return llm


def _shape(weights: Mapping[str, Any]) -> tuple[int, int]:
    rows, columns = weights["model.embed_tokens.weight"].shape
    return int(rows), int(columns)


def _model(words: int, context: int) -> Any:
    width = (words + 7) // 8 * 8
    config = LlamaConfig(
        vocab_size=words,
        hidden_size=width,
        intermediate_size=16,
        num_hidden_layers=2,
        num_attention_heads=1,
        num_key_value_heads=1,
        head_dim=width,
        max_position_embeddings=context,
        tie_word_embeddings=False,
        bos_token_id=None,
        eos_token_id=1,
    )
    torch.manual_seed(0)
    return LlamaForCausalLM(config).eval().requires_grad_(False)
