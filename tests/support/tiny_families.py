"""Tiny random models of as many families of causal LMs as can be made from their configuration.

A family is a ``model_type`` of transformers. Its layout is the fastest for steered decoding that
the probe finds right: a family that falls back to a slower one shows up here.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import torch
from transformers import AutoModelForCausalLM
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from engine.llm.decoding.decoder import Layout

_BY_LAYOUT: dict[Layout, str] = {
    "split": """
        afmoe apertus apertus1p5_text arcee aria_text axk1 biogpt bitnet codegen cohere cohere2
        cohere2_moe ctrl cwm deepseek_v2 deepseek_v3 diffllama doge dots1 ernie4_5 ernie4_5_moe
        exaone exaone4 exaone_moe falcon flex_olmo flint gemma gemma2 gemma3_text
        gemma4_unified_text glm glm4 glm4_moe glm4_moe_lite gpt_neox gpt_neox_japanese gpt_oss gptj
        granite granite_swa granitemoe granitemoe_swa granitemoeshared helium hunyuan_v1_dense
        hunyuan_v1_moe hy_v3 hyperclovax internlm3 iquestcoder jais2 jetmoe kolibri1 laguna llama
        mellum mimo_v2_flash minicpm3 minimax_m2 minimax_m3_vl_text ministral ministral3 mistral
        mixtral modernbert-decoder nanochat nemotron olmo olmo2 olmo3 olmoe opt persimmon phi phi3
        phimoe qwen2 qwen2_moe qwen3 qwen3_moe sarvam_mla sarvam_moe seed_oss smollm3 solar_open
        stablelm starcoder2 vaultgemma youtu
    """,
    "packed": """
        beam gemma4_text gpt-sw3 gpt2 gpt_bigcode xglm
    """,
    "window": """
        axk2 bloom deepseek_v32 dots3_note_text glm_moe_dsa gpt_neo inkling_text inkling2_text lfm2
        lfm2_moe lfm3 llama4_text mpt roformer
    """,
    "twin": """
        bailing_hybrid bamba falcon_h1 falcon_mamba granitemoehybrid jamba kimi_linear lara_mini
        mamba mamba2 minimax nemotron_h olmo_hybrid qwen3_5_moe_text qwen3_5_text qwen3_next
        recurrent_gemma xlstm zamba zamba2 zaya
    """,
    "reread": """
        openai-gpt rwkv
    """,
}

FAMILIES: Mapping[str, Layout] = {
    family: layout for layout, families in _BY_LAYOUT.items() for family in families.split()
}

SEVERAL_STATES: Mapping[str, Layout] = dict.fromkeys(
    ("deepseek_v4", "hy_v4", "qwen4_exp_text"), "window"
) | {"dory": "reread", "gemma3n_text": "packed", "hrm_text": "static"}
"""Families that nothing can steer, and the fastest layout of their un-steered decoding."""

VOCABULARY = 96
WINDOW = 9
"""Of sliding and chunked attention, where a family has it: shorter than the tests' prompts."""

_ALWAYS: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "initializer_range": 0.25,  # large, so that attention and position matter in a random model
}
_WHERE_KNOWN: dict[str, Any] = {
    "intermediate_size": 48,
    "ffn_dim": 48,
    "d_ff": 48,
    "word_embed_proj_dim": 32,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 256,
    "bos_token_id": 0,
    "eos_token_id": 1,
    "pad_token_id": 1,
    "sliding_window": WINDOW,
    "attention_chunk_size": WINDOW - 1,
    # mixtures of experts
    "num_experts": 4,
    "num_local_experts": 4,
    "n_routed_experts": 4,
    "moe_num_experts": 4,
    "num_experts_per_tok": 2,
    "moe_topk": 2,
    "moe_k": 2,
    "n_group": 1,
    "topk_group": 1,
    "moe_intermediate_size": 16,
    "shared_expert_intermediate_size": 16,
    # latent attention
    "q_lora_rank": 16,
    "kv_lora_rank": 8,
    "qk_rope_head_dim": 4,
    "qk_nope_head_dim": 4,
    "qk_head_dim": 8,
    "v_head_dim": 8,
    # recurrent layers
    "state_size": 8,
    "chunk_size": 8,
    "n_mamba_heads": 2,
    "mamba_d_state": 8,
    "mamba_n_heads": 4,
    "mamba_d_head": 16,
    "mamba_n_groups": 1,
    "mamba_d_ssm": 64,
    "mamba_chunk_size": 8,
    "linear_num_value_heads": 4,
    "linear_num_key_heads": 2,
    "linear_key_head_dim": 8,
    "linear_value_head_dim": 8,
}
_HYBRID = {"layer_types": ["linear_attention", "full_attention"] * 2}
_MOSTLY_LINEAR = ["linear_attention", "full_attention", "linear_attention", "linear_attention"]
_LATENT = {"num_key_value_heads": 4}
_INDEXED = {**_LATENT, "index_n_heads": 8, "index_head_dim": 8, "index_topk": 8}
_OWN: dict[str, dict[str, Any]] = {
    "axk1": _LATENT,
    "axk2": _LATENT,
    "bailing_hybrid": {
        **_LATENT,
        "layer_types": _MOSTLY_LINEAR,
        "first_k_dense_replace": 1,
        "num_mtp_layers": 0,
    },
    "bamba": {"attn_layer_indices": [2]},
    "ctrl": {"n_layer": 4, "dff": 48, "n_positions": 256},
    "codegen": {"rotary_dim": 4, "n_inner": 48},
    "deepseek_v2": {**_LATENT, "first_k_dense_replace": 1},
    "deepseek_v3": _LATENT,
    "deepseek_v32": _INDEXED,
    "dots3_note_text": _LATENT,
    "dots1": {"first_k_dense_replace": 1, "n_shared_experts": 1},
    "gemma3n_text": {
        "layer_types": ["sliding_attention", "full_attention"] * 2,
        "num_kv_shared_layers": 2,
        "hidden_size_per_layer_input": 8,
        "vocab_size_per_layer_input": VOCABULARY,
        "laurel_rank": 4,
        "activation_sparsity_pattern": [0.0] * 4,
    },
    "gemma4_text": {"vocab_size_per_layer_input": VOCABULARY, "hidden_size_per_layer_input": 8},
    "glm4_moe_lite": _LATENT,
    "glm_moe_dsa": _INDEXED,
    "gpt_neo": {"attention_types": [[["global", "local"], 2]], "window_size": WINDOW},
    "gptj": {"rotary_dim": 4},
    "granitemoehybrid": {**_HYBRID, "shared_intermediate_size": 32},
    "inkling_text": {"sliding_window_size": WINDOW, "unpadded_vocab_size": VOCABULARY},
    "inkling2_text": {"sliding_window_size": WINDOW, "unpadded_vocab_size": VOCABULARY},
    "jamba": {"attn_layer_period": 2, "attn_layer_offset": 1, "mamba_dt_rank": 4},
    "kimi_linear": {
        **_LATENT,
        "layer_types": _MOSTLY_LINEAR,
        "linear_head_dim": 8,
        "linear_num_heads": 4,
        "mlp_layer_types": ["dense", "sparse", "sparse", "sparse"],
    },
    "lara_mini": {
        "layer_types": [
            "linear_attention",
            "full_attention",
            "linear_attention",
            "sliding_attention",
        ]
    },
    "lfm2": {
        "layer_types": ["conv", "full_attention", "conv", "conv"],
        "block_auto_adjust_ff_dim": False,
    },
    "lfm2_moe": {"layer_types": ["conv", "full_attention", "conv", "conv"], "num_dense_layers": 1},
    "lfm3": {"layer_types": ["conv", "full_attention", "conv", "sliding_attention"]},
    "mamba2": {"num_heads": 8, "head_dim": 8, "n_groups": 1, "expand": 2},
    "minicpm3": _LATENT,
    "minimax": {**_HYBRID, "block_size": 8, "sliding_window": None},
    "minimax_m3_vl_text": {
        "index_n_heads": 2,
        "index_head_dim": 8,
        "index_block_size": 4,
        "index_topk_blocks": 2,
    },
    "nemotron_h": {
        "layers_block_type": ["linear_attention", "moe", "full_attention", "mlp"],
        "ssm_state_size": 8,
        "mamba_num_heads": 4,
        "mamba_head_dim": 16,
        "n_groups": 1,
        "moe_shared_expert_intermediate_size": 32,
        "time_step_min": 1e-9,  # as of zamba2
        "sliding_window": None,
    },
    "olmo_hybrid": _HYBRID,
    "qwen3_5_moe_text": _HYBRID,
    "qwen3_5_text": _HYBRID,
    "qwen3_next": _HYBRID,
    "qwen4_exp_text": {
        "indexer_n_heads": 2,
        "indexer_kv_heads": 1,
        "indexer_head_dim": 8,
        "indexer_budget": 8,
        "indexer_compress_ratio": 2,
    },
    "recurrent_gemma": {"lru_width": 32},
    "roformer": {"is_decoder": True},
    "sarvam_mla": _LATENT,
    "xlstm": {
        "hidden_size": 64,  # its widths are multiples of 64
        "num_heads": 2,
        "num_blocks": 4,
        "qk_dim_factor": 1.0,
    },
    "youtu": _LATENT,
    "zamba": {"layers_block_type": ["linear_attention", "hybrid"] * 2},
    "zamba2": {
        "layers_block_type": ["linear_attention", "hybrid"] * 2,
        "mamba_ngroups": 1,
        "n_mamba_heads": 4,
        "num_mem_blocks": 1,
        "adapter_rank": 4,
        # transformers 5.24 keeps time steps above it when it reads many tokens, not when it reads
        # one: with a larger one its cache is not right, and the probe refuses it.
        "time_step_min": 1e-9,
    },
    "zaya": {"num_experts_per_tok": 1, "router_hidden_size": 16},
}


def tiny_family(family: str, **changes: Any) -> Any:
    """A random model of a family, the same each time, in float32."""
    kind = CONFIG_MAPPING[family]
    known = set(getattr(kind, "attribute_map", {}))
    for parent in kind.__mro__:
        known |= set(getattr(parent, "__annotations__", {}))
        known |= set(inspect.signature(parent.__init__).parameters)
    shape = {key: value for key, value in _WHERE_KNOWN.items() if key in known}
    config = kind(**{**_ALWAYS, **shape, **_OWN.get(family, {}), **changes})
    torch.manual_seed(0)
    return AutoModelForCausalLM.from_config(config).eval().requires_grad_(False)
