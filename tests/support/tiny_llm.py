"""Small random language models and a byte-level tokenizer, made in the test, saved as real ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from tokenizers.processors import TemplateProcessing
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

CHAT_TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
NO_SYSTEM = (
    "{% if messages[0].role == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
)
SPECIAL = ["<s>", "</s>", "<|system|>", "<|user|>", "<|assistant|>", "<|end|>"]
VOCABULARY = 256 + len(SPECIAL)


def tiny_tokenizer(chat_template: str | None = CHAT_TEMPLATE, bos: bool = True) -> Any:
    """One token a byte, after six special tokens."""
    bytes_ = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: i for i, token in enumerate([*SPECIAL, *bytes_])}
    backend = Tokenizer(models.BPE(vocabulary, merges=[]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    if bos:
        backend.post_processor = TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        bos_token="<s>",
        eos_token="</s>",
        additional_special_tokens=SPECIAL[2:],
    )
    tokenizer.chat_template = chat_template
    return tokenizer


_SHAPE: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "max_position_embeddings": 512,
    "initializer_range": 0.25,  # large, so that attention and position matter in a random model
    "bos_token_id": 0,
    "eos_token_id": 1,
    "pad_token_id": 1,
}
_FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("LlamaConfig", {"num_key_value_heads": 4}),
    "llama-gqa-tied": ("LlamaConfig", {"num_key_value_heads": 2, "tie_word_embeddings": True}),
    "qwen2": ("Qwen2Config", {"num_key_value_heads": 2}),
    "qwen3": ("Qwen3Config", {"num_key_value_heads": 2, "head_dim": 8}),
    "mistral-sliding": ("MistralConfig", {"num_key_value_heads": 2, "sliding_window": 9}),
    "gemma3-sliding": (
        "Gemma3TextConfig",
        {
            "num_key_value_heads": 1,
            "head_dim": 8,
            "sliding_window": 9,
            "layer_types": ["sliding_attention", "full_attention"] * 2,
        },
    ),
    "gemma2-sliding": (
        "Gemma2Config",
        {"num_key_value_heads": 2, "head_dim": 8, "sliding_window": 9},
    ),
    "phi": ("PhiConfig", {"num_key_value_heads": 2}),
    "phi3": ("Phi3Config", {"num_key_value_heads": 2}),
    "gpt2": ("GPT2Config", {}),
    "bloom": ("BloomConfig", {}),
    "mamba": ("MambaConfig", {"state_size": 8}),
}
FAMILIES = tuple(_FAMILIES)


def tiny_model(family: str, seed: int = 0, **changes: Any) -> Any:
    """A random model, the same each time, in float32."""
    class_name, own = _FAMILIES[family]
    config = getattr(transformers, class_name)(**{**_SHAPE, **own, **changes})
    torch.manual_seed(seed)
    return AutoModelForCausalLM.from_config(config).eval().requires_grad_(False)


def save_tiny(folder: Path, family: str = "llama-gqa-tied", **tokenizer: Any) -> Path:
    """Save model and tokenizer as a hub model is saved; returns the folder."""
    tiny_model(family).save_pretrained(folder)
    tiny_tokenizer(**tokenizer).save_pretrained(folder)
    return folder
