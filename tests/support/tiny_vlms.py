"""Encoder-decoder models of every family that is supported, tiny and with random weights.

Each is given with the token ids up to behind an image, and what else the model reads of it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import transformers as tf
from torch import Tensor

VOCABULARY, IMAGE, VISION_START, VISION_END, VIDEO = 200, 199, 198, 197, 196
SIZES = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
}
TEXT = {**SIZES, "vocab_size": VOCABULARY, "num_key_value_heads": 2}
ROPE = {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [1, 1, 2]}
QWEN_VISION = {
    "depth": 2,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_heads": 4,
    "patch_size": 4,
    "spatial_merge_size": 2,
    "temporal_patch_size": 2,
    "out_hidden_size": 32,
}
QWEN_TOKENS = {
    "image_token_id": IMAGE,
    "vision_start_token_id": VISION_START,
    "vision_end_token_id": VISION_END,
    "video_token_id": VIDEO,
}
MARKED = [1, 5, VISION_START, *[IMAGE] * 4, VISION_END]
PLAIN = [1, 5, 6, *[IMAGE] * 4]

Made = tuple[Any, list[int], dict[str, Tensor]]


def _kinds(ids: list[int]) -> Tensor:
    return torch.tensor([[int(token == IMAGE) for token in ids]])


def llava() -> Made:
    config = tf.LlavaConfig(
        vision_config=tf.CLIPVisionConfig(**SIZES, image_size=16, patch_size=8, projection_dim=32),
        text_config=tf.LlamaConfig(**TEXT),
        image_token_index=IMAGE,
        vision_feature_select_strategy="default",
        vision_feature_layer=-2,
    )
    model = tf.LlavaForConditionalGeneration(config)
    return model, PLAIN, {"pixel_values": torch.randn(1, 3, 16, 16)}


def llava_next() -> Made:
    config = tf.LlavaNextConfig(
        vision_config=tf.CLIPVisionConfig(**SIZES, image_size=16, patch_size=8, projection_dim=32),
        text_config=tf.LlamaConfig(**TEXT),
        image_token_index=IMAGE,
        image_grid_pinpoints=[[16, 16], [16, 32]],
    )
    model = tf.LlavaNextForConditionalGeneration(config)
    inputs = {
        "pixel_values": torch.randn(1, 2, 3, 16, 16),
        "image_sizes": torch.tensor([[16, 16]]),
    }
    features = model.get_image_features(**inputs, return_dict=True).pooler_output
    return model, [1, 5, 6, *[IMAGE] * sum(map(len, features))], inputs


def llava_onevision() -> Made:
    config = tf.LlavaOnevisionConfig(
        vision_config=tf.SiglipVisionConfig(**SIZES, image_size=16, patch_size=8),
        text_config=tf.Qwen2Config(**TEXT),
        image_token_index=IMAGE,
        video_token_index=VIDEO,
        image_grid_pinpoints=[[16, 16], [16, 32]],
        vision_aspect_ratio="anyres_max_9",
    )
    model = tf.LlavaOnevisionForConditionalGeneration(config)
    inputs = {
        "pixel_values": torch.randn(1, 2, 3, 16, 16),
        "image_sizes": torch.tensor([[16, 16]]),
    }
    features = model.get_image_features(**inputs, return_dict=True).pooler_output
    return model, [1, 5, 6, *[IMAGE] * sum(map(len, features))], inputs


def _qwen_inputs(ids: list[int]) -> dict[str, Tensor]:
    return {
        "pixel_values": torch.randn(16, 3 * 2 * 4 * 4),
        "image_grid_thw": torch.tensor([[1, 4, 4]]),
        "mm_token_type_ids": _kinds(ids),
    }


def qwen2_5_vl() -> Made:
    config = tf.Qwen2_5_VLConfig(
        text_config={**TEXT, "rope_parameters": ROPE},
        vision_config={**QWEN_VISION, "window_size": 16, "fullatt_block_indexes": [1]},
        **QWEN_TOKENS,
    )
    return tf.Qwen2_5_VLForConditionalGeneration(config), MARKED, _qwen_inputs(MARKED)


def qwen3_vl() -> Made:
    config = tf.Qwen3VLConfig(
        text_config={
            **TEXT,
            "head_dim": 8,
            "rope_parameters": {**ROPE, "mrope_interleaved": True},
        },
        vision_config={
            **QWEN_VISION,
            "num_position_embeddings": 16,
            "deepstack_visual_indexes": [0],
        },
        **QWEN_TOKENS,
    )
    return tf.Qwen3VLForConditionalGeneration(config), MARKED, _qwen_inputs(MARKED)


def gemma3(window: int = 64) -> Made:
    config = tf.Gemma3Config(
        text_config={
            **TEXT,
            "head_dim": 8,
            "sliding_window": window,
            "layer_types": ["sliding_attention", "full_attention"],
        },
        vision_config=tf.SiglipVisionConfig(**SIZES, image_size=32, patch_size=8).to_dict(),
        mm_tokens_per_image=4,
        image_token_index=IMAGE,
        boi_token_index=VISION_START,
        eoi_token_index=VISION_END,
    )
    inputs = {"pixel_values": torch.randn(1, 3, 32, 32), "token_type_ids": _kinds(MARKED)}
    model = tf.Gemma3ForConditionalGeneration(config)
    projector = model.model.multi_modal_projector
    torch.nn.init.normal_(projector.mm_input_projection_weight)  # zero: no image would count
    return model, MARKED, inputs


def internvl() -> Made:
    config = tf.InternVLConfig(
        vision_config={**SIZES, "image_size": [16, 16], "patch_size": [4, 4]},
        text_config=tf.Qwen2Config(**TEXT),
        image_token_id=IMAGE,
        image_seq_length=4,
        downsample_ratio=0.5,
    )
    inputs = {"pixel_values": torch.randn(1, 3, 16, 16)}
    return tf.InternVLForConditionalGeneration(config), MARKED, inputs


def _idefics(config_class: Any, model_class: Any) -> Made:
    config = config_class(
        vision_config={**SIZES, "image_size": 16, "patch_size": 4},
        text_config=tf.LlamaConfig(**TEXT, pad_token_id=0),
        image_token_id=IMAGE,
        scale_factor=2,
        pad_token_id=0,
    )
    return model_class(config), MARKED, {"pixel_values": torch.randn(1, 1, 3, 16, 16)}


def idefics3() -> Made:
    return _idefics(tf.Idefics3Config, tf.Idefics3ForConditionalGeneration)


def smolvlm() -> Made:
    return _idefics(tf.SmolVLMConfig, tf.SmolVLMForConditionalGeneration)


def molmo2() -> Made:
    config = tf.Molmo2Config(
        vision_config={
            **SIZES,
            "num_key_value_heads": 4,
            "head_dim": 8,
            "image_size": [16, 16],
            "patch_size": 4,
        },
        adapter_config={
            "vision_feature_layer": [-1, 0],
            "hidden_size": 32,
            "num_attention_heads": 4,
            "num_key_value_heads": 4,
            "head_dim": 8,
            "intermediate_size": 64,
            "text_hidden_size": 32,
        },
        text_config={**TEXT, "head_dim": 8, "additional_vocab_size": 8},
        image_patch_id=IMAGE,
        image_start_token_id=VISION_START,
        image_end_token_id=VISION_END,
    )
    # A small view of 1 x 2 and a large one of 2 x 2 tokens, each pooled from four patches.
    patches = torch.arange(32).reshape(2, 4, 4)
    pooled = [patches[0, :, half : half + 2].reshape(-1)[:4] for half in (0, 2)]
    pooled += [
        patches[1, top : top + 2, left : left + 2].reshape(-1) for top in (0, 2) for left in (0, 2)
    ]
    inputs = {
        "pixel_values": torch.randn(2, 16, 3 * 4 * 4),
        "image_token_pooling": torch.stack(pooled),
        "image_grids": torch.tensor([[1, 2, 2, 2]]),
        "image_num_crops": torch.tensor([2]),
    }
    small, large = [VISION_START, *[IMAGE] * 2, VISION_END], [VISION_START, *[IMAGE] * 4]
    ids = [1, 5, *small, *large, VISION_END]
    # All tokens of both views, with those around them, attend to each other.
    inputs["mm_token_type_ids"] = torch.tensor([[0, 0, *[1] * (len(ids) - 2)]])
    model = tf.Molmo2ForConditionalGeneration(config)
    for weight in model.model.multi_modal_projector.parameters():
        torch.nn.init.normal_(weight, std=0.5)  # the small ones that it comes with don't count
    return model, ids, inputs


FAMILIES: dict[str, Callable[[], Made]] = {
    "llava": llava,
    "llava-next": llava_next,
    "llava-onevision": llava_onevision,
    "qwen2.5-vl": qwen2_5_vl,
    "qwen3-vl": qwen3_vl,
    "gemma3": gemma3,
    "gemma3-short-window": partial(gemma3, window=6),
    "internvl": internvl,
    "idefics3": idefics3,
    "smolvlm": smolvlm,
    "molmo2": molmo2,
}


def make(family: str, seed: int = 0) -> Made:
    """The model in eval mode, the ids up to the image's last token, and the image."""
    torch.manual_seed(seed)
    model, ids, inputs = FAMILIES[family]()
    return model.eval(), ids, inputs
