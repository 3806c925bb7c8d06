"""Small random open_clip models in folders, as ``open_clip`` saves them."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import open_clip
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import BertConfig, PreTrainedTokenizerFast

VISION = {"image_size": 32, "layers": 2, "width": 64, "head_width": 32, "patch_size": 16}
TEXT = {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2}
WORDS = (
    *("a", "the", "of", "photo", "picture", "cat", "dog", "boat", "type", "pet", "red", "small"),
    *("with", "in", ".", ",", "one", "two"),
)

CONFIGURATIONS: dict[str, dict[str, Any]] = {
    "clip": {},
    "custom": {"custom_text": True},
    "eos": {"custom_text": True, "text": {"pool_type": "eos", "eos_id": 1, "hf": True}},
    "eos-unpacked": {"text": {"pool_type": "eos", "eos_id": 1, "hf": True}},
    "pad-above-end": {"text": {"hf": "pad-last"}},
    "first": {"custom_text": True, "text": {"pool_type": "first"}},
    "blocks": {"custom_text": True, "text": {"scale_attn": True, "scale_fc": True}},
    "last": {"custom_text": True, "text": {"pool_type": "last"}},
    "bidirectional": {
        "custom_text": True,
        "init_logit_bias": -10.0,
        "text": {"no_causal_mask": True, "pool_type": "last", "proj_bias": True, "hf": True},
    },
    "class-token": {"custom_text": True, "text": {"embed_cls": True}},
    "coca": {
        "custom_text": True,
        "text": {"embed_cls": True, "output_tokens": True, "context_length": 76},
        "vision": {"attentional_pool": True, "attn_pooler_heads": 2, "output_tokens": True},
        "multimodal_cfg": {
            "context_length": 76, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1,
        },
    },
    "hf-text": {"text": {"hf_text": True, "hf": True}},
}  # fmt: skip
CAUSAL = ("clip", "custom", "eos", "eos-unpacked", "pad-above-end", "first", "blocks")
UNCUT = tuple(name for name in CONFIGURATIONS if name not in CAUSAL)


def _tokenizer(folder: Path, pad_last: bool) -> int:
    """A word-level tokenizer; returns its vocabulary's size."""
    special = ["<start>", "<end>", "<unk>"]
    order = [*special, *WORDS, "<pad>"] if pad_last else ["<pad>", *special, *WORDS]
    if not pad_last:  # the end token at 1, as SigLIP has it
        order = ["<pad>", "<end>", "<start>", "<unk>", *WORDS]
    ids = {word: index for index, word in enumerate(order)}
    tokenizer = Tokenizer(models.WordLevel(ids, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<start> $A <end>",
        special_tokens=[("<start>", ids["<start>"]), ("<end>", ids["<end>"])],
    )
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", unk_token="<unk>", eos_token="<end>"
    ).save_pretrained(folder)
    return len(ids)


def build_model_folder(folder: Path, name: str, seed: int = 0) -> Path:
    """Save a random model of the named configuration as ``open_clip`` saves models."""
    folder.mkdir(parents=True)
    cfg = copy.deepcopy(CONFIGURATIONS[name])
    text = {**TEXT, **cfg.pop("text", {})}
    vision = {**VISION, **cfg.pop("vision", {})}
    hf = text.pop("hf", False)
    if hf:
        text["vocab_size"] = _tokenizer(folder, pad_last=hf == "pad-last")
        text["hf_tokenizer_name"] = "in this folder"
    if text.pop("hf_text", False):
        bert = folder / "bert"
        BertConfig(
            vocab_size=text["vocab_size"], hidden_size=32, num_hidden_layers=2,
            num_attention_heads=2, intermediate_size=64, max_position_embeddings=77,
        ).save_pretrained(bert)  # fmt: skip
        text = {
            "hf_model_name": str(bert), "hf_tokenizer_name": "here", "context_length": 77,
            "hf_proj_type": "linear", "hf_pooler_type": "mean_pooler", "hf_model_pretrained": False,
        }  # fmt: skip
    cfg |= {"embed_dim": 32, "vision_cfg": vision, "text_cfg": text}
    content = {"model_cfg": cfg, "preprocess_cfg": {}}
    (folder / "open_clip_config.json").write_text(json.dumps(content))
    torch.manual_seed(seed)
    model = open_clip.create_model(f"local-dir:{folder}", pretrained_text=False)
    with torch.no_grad():  # initial embeddings are tiny; texts must differ
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.add_(torch.randn_like(parameter) * 0.1)
        for tensor_name, tensor in model.named_parameters():
            if tensor_name.endswith(("positional_embedding", "token_embedding.weight")):
                tensor.normal_()
    state = {key: value.contiguous().clone() for key, value in model.state_dict().items()}
    save_file(state, folder / "open_clip_model.safetensors")
    return folder
