"""Which layouts a model gets, by trying them out at load."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import transformers

from engine.common.errors import ModelError
from engine.llm.decoding.decoder import Decoder
from engine.llm.decoding.probe import Layouts, check_causal, find_layouts, takes_masks
from engine.models.kv_cache import GrowingLayer, sliding_windows
from engine.steering.layers import find_decoder_layers
from tests.support.tiny_llm import tiny_model


def decoder_of(model: Any) -> Decoder:
    return Decoder.of(model, find_decoder_layers(model))


@pytest.mark.parametrize(
    ("family", "steered", "plain"),
    [
        ("llama", ("split", "window", "reread"), ("packed", "window", "reread")),
        ("qwen3", ("split", "window", "reread"), ("packed", "window", "reread")),
        ("mistral-sliding", ("split", "window", "reread"), ("packed", "window", "reread")),
        ("gemma3-sliding", ("split", "window", "reread"), ("packed", "window", "reread")),
        ("gpt2", ("packed", "window", "reread"), ("packed", "window", "reread")),
        ("bloom", ("window", "reread"), ("window", "reread")),  # takes no positions
        ("mamba", ("twin", "reread"), ("window", "reread")),  # no token can be taken off its state
    ],
)
def test_layouts_of_the_families(family, steered, plain):
    assert find_layouts(decoder_of(tiny_model(family))) == Layouts(steered, plain)


class _IgnoresMask(transformers.LlamaForCausalLM):
    """Takes an explicit mask and does not use it."""

    def forward(self, *args: Any, attention_mask: Any = None, **kwargs: Any) -> Any:
        return super().forward(*args, **kwargs)


class _IgnoresPositions(transformers.LlamaForCausalLM):
    def forward(self, *args: Any, position_ids: Any = None, **kwargs: Any) -> Any:
        return super().forward(*args, **kwargs)


@pytest.mark.parametrize("kind", [_IgnoresMask, _IgnoresPositions])
def test_a_model_that_ignores_what_packing_needs_falls_back_to_the_window(kind):
    torch.manual_seed(0)
    model = kind(tiny_model("llama").config).eval().requires_grad_(False)
    decoder = decoder_of(model)
    decoder = Decoder(
        **{
            **{name: getattr(decoder, name) for name in Decoder.__slots__},
            "cache_argument": "cache",
            "short_logits": True,
            "takes_positions": True,
        }
    )
    assert find_layouts(decoder).steered == ("window", "reread")


def test_flash_attention_takes_no_explicit_mask():
    decoder = decoder_of(tiny_model("llama"))
    assert takes_masks(decoder)
    decoder.model.config._attn_implementation_internal = "flash_attention_2"  # no GPU to load it on
    assert not takes_masks(decoder)


def test_a_bidirectional_model_is_refused():
    config = transformers.BertConfig(
        vocab_size=99, hidden_size=32, intermediate_size=48, num_hidden_layers=4,
        num_attention_heads=4, initializer_range=0.3,
    )  # fmt: skip
    model = transformers.BertLMHeadModel(config).eval().requires_grad_(False)
    with pytest.raises(ModelError, match="not decoder-only"):
        check_causal(decoder_of(model))


def test_many_candidates_are_not_packed():
    layouts = Layouts(("split", "window", "reread"), ("packed", "window", "reread"))
    assert layouts.choose(True, prompt=400, rows=10, max_new_tokens=50) == "split"
    assert layouts.choose(False, prompt=400, rows=10, max_new_tokens=50) == "packed"
    assert layouts.choose(True, prompt=400, rows=1000, max_new_tokens=50) == "window"
    only = Layouts(("packed", "reread"), ("packed", "reread"))
    assert only.choose(True, prompt=400, rows=1000, max_new_tokens=50) == "packed"


def test_sliding_windows_per_layer():
    assert sliding_windows(tiny_model("llama").config) == (None,) * 4
    assert sliding_windows(tiny_model("mistral-sliding").config) == (9,) * 4
    assert sliding_windows(tiny_model("gemma3-sliding").config) == (9, None, 9, None)
    assert sliding_windows(tiny_model("mamba").config) is None
    chunked = transformers.Llama4TextConfig(num_hidden_layers=4, attention_chunk_size=8)
    assert sliding_windows(chunked) is None


def test_growing_layer_equals_concatenation():
    layer = GrowingLayer()
    generator = torch.Generator().manual_seed(0)
    expected = [torch.zeros(1, 2, 0, 4), torch.zeros(1, 2, 0, 4)]
    storages = set()
    for count in [3, 1, 1, 200, 2, 1, 1, 1] * 3:
        new = [torch.randn(1, 2, count, 4, generator=generator) for _ in range(2)]
        got = layer.update(*new)
        expected = [torch.cat(pair, dim=2) for pair in zip(expected, new, strict=True)]
        assert all(torch.equal(a, b) for a, b in zip(got, expected, strict=True))
        layer.crop(-1)
        expected = [tensor[:, :, :-1] for tensor in expected]
        assert layer.get_seq_length() == expected[0].shape[2]
        storages.add(got[0].untyped_storage().data_ptr())
    assert len(storages) < 8  # it grows by half, not for every token
    layer.batch_repeat_interleave(3)
    assert torch.equal(layer.keys, expected[0].repeat(3, 1, 1, 1))
    layer.batch_select_indices(torch.tensor([2]))
    assert torch.equal(layer.values, expected[1])
    layer.reset()
    assert layer.get_seq_length() == 0
