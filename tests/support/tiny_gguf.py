"""A small random LLM in a GGUF file, written as llama.cpp's converter writes real ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gguf
import torch

from tests.support.tiny_llm import SPECIAL, tiny_model, tiny_tokenizer

_NORMAL, _CONTROL = 1, 3  # types of tokens
_TENSORS = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}


def save_tiny_gguf(
    file: Path,
    packed: bool = False,
    architecture: str = "llama",
    without: str | None = None,
    **tokenizer: Any,
) -> Path:
    """Write ``tiny_model("llama-gqa-tied")`` and its tokenizer; returns the file.

    ``packed``: the matrices as blocks of 8 bits (Q8_0), else float32. ``without``: leave the tensor
    of this name out.
    """
    model, made = tiny_model("llama-gqa-tied", intermediate_size=64), tiny_tokenizer(**tokenizer)
    config = model.config
    writer = gguf.GGUFWriter(str(file), architecture)
    writer.add_name("tiny")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_rope_dimension_count(config.hidden_size // config.num_attention_heads)
    writer.add_vocab_size(config.vocab_size)

    tokens = made.convert_ids_to_tokens(range(len(made)))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(tokens)
    writer.add_token_types([_CONTROL if token in SPECIAL else _NORMAL for token in tokens])
    writer.add_token_scores([0.0] * len(tokens))  # merges follow from them: one byte a token, none
    writer.add_bos_token_id(made.bos_token_id)
    writer.add_add_bos_token(tokenizer.get("bos", True))
    writer.add_eos_token_id(made.eos_token_id)
    if made.chat_template is not None:
        writer.add_chat_template(made.chat_template)

    for name, weight in model.state_dict().items():
        stored = _stored_name(name)
        if stored is None or stored == without:
            continue
        if "attn_q" in stored or "attn_k" in stored:
            heads = "num_attention_heads" if "attn_q" in stored else "num_key_value_heads"
            weight = _interleaved(weight, getattr(config, heads))
        values, kind = weight.float().numpy(), None
        if packed and weight.dim() == 2:
            kind = gguf.GGMLQuantizationType.Q8_0
            values = gguf.quants.quantize(values, kind)
        writer.add_tensor(stored, values, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file


def _stored_name(name: str) -> str | None:
    if name == "lm_head.weight":
        return None  # tied
    if name == "model.embed_tokens.weight":
        return "token_embd.weight"
    if name == "model.norm.weight":
        return "output_norm.weight"
    _, _, layer, inner = name.split(".", 3)
    return f"blk.{layer}.{_TENSORS[inner.removesuffix('.weight')]}.weight"


def _interleaved(weight: torch.Tensor, heads: int) -> torch.Tensor:
    """llama.cpp rotates neighbouring dimensions of a head, transformers its two halves."""
    rows, width = weight.shape
    halves = weight.reshape(heads, 2, rows // heads // 2, width)
    return halves.swapaxes(1, 2).reshape(rows, width)
