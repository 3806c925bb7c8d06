"""Which layouts a model gets, by trying them out at load."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
import torch
import transformers
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from engine.common.errors import ModelError
from engine.llm.decoding.decoder import Decoder
from engine.llm.decoding.layouts import make_reader
from engine.llm.decoding.probe import Layouts, check_causal, find_layouts, takes_masks
from engine.llm.decoding.static_cache import Lanes, Slots, slot_cache
from engine.models.grouped_attention import NAME, grouped, grouped_attention
from engine.models.kv_cache import GrowingLayer, sliding_windows
from engine.steering.injection import Injection
from engine.steering.layers import find_decoder_layers
from tests.support.tiny_families import tiny_family
from tests.support.tiny_llm import tiny_model


def decoder_of(model: Any) -> Decoder:
    return Decoder.of(model, find_decoder_layers(model))


@pytest.mark.parametrize(
    ("family", "steered", "plain"),
    [
        (
            "llama",
            ("static", "split", "window", "reread"),
            ("static", "packed", "window", "reread"),
        ),
        (
            "qwen3",
            ("static", "split", "window", "reread"),
            ("static", "packed", "window", "reread"),
        ),
        (
            "mistral-sliding",
            ("static", "split", "window", "reread"),
            ("static", "packed", "window", "reread"),
        ),
        (
            "gemma3-sliding",
            ("static", "split", "window", "reread"),
            ("static", "packed", "window", "reread"),
        ),
        ("gpt2", ("packed", "window", "reread"), ("packed", "window", "reread")),
        ("bloom", ("window", "reread"), ("window", "reread")),  # takes no positions
        ("mamba", ("twin", "reread"), ("window", "reread")),  # no token can be taken off its state
    ],
)
def test_layouts_of_the_families(family, steered, plain):
    assert find_layouts(decoder_of(tiny_model(family))) == Layouts(steered, plain)


def test_a_state_that_matters_little_is_not_left_behind_either():
    # What a wrong reading of its recurrent layers does to the logits is below the tolerance.
    layouts = find_layouts(decoder_of(tiny_family("falcon_h1", initializer_range=0.02)))
    assert layouts.steered == ("twin", "reread") and layouts.plain[0] == "window"


def test_what_is_right_steered_is_used_without_steering_too():
    # Rounded to 16 bits, tokens of this model go to other experts, which looks like a wrong layout.
    model = tiny_family("granitemoehybrid", vocab_size=262).to(torch.bfloat16)
    assert find_layouts(decoder_of(model)).plain != ("reread",)


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


@pytest.mark.parametrize("family", ["llama", "gemma2", "gemma3_text", "exaone4", "qwen3_next"])
def test_a_prompt_of_one_token_in_every_layout(family):
    model = tiny_family(family)
    decoder = decoder_of(model)
    vector = torch.randn(32, generator=torch.Generator().manual_seed(0))
    columns = torch.tensor([[5, 6, 7], [9, 9, 9], [20, 40, 60]])
    names = find_layouts(decoder).steered
    for reach in ("last", "new"):
        logits = []
        for name in names:
            injection = Injection(decoder.layers, {1: vector}, reach)
            reader = make_reader(name, decoder, [3], 3, 4, injection)
            first = reader.first().expand(3, -1)
            logits.append(torch.stack([first, *(reader.next(column) for column in columns)]))
        for name, ours in zip(names, logits, strict=True):
            torch.testing.assert_close(ours, logits[-1], atol=1e-4, rtol=0, msg=name)


class _Named(NamedTuple):
    attended: torch.Tensor
    states: torch.Tensor


class _Halves(torch.nn.Module):
    """Hands on two streams by name, as reversible layers do: neither is the hidden state."""

    def forward(self, state: torch.Tensor) -> _Named:
        return _Named(state, state)


class _TokensFirst(torch.nn.Module):
    """Its states are (S, B, d)."""

    def forward(self, state: torch.Tensor) -> torch.Tensor:
        return state.transpose(0, 1)


@pytest.mark.parametrize("layer", [_Halves, _TokensFirst])
def test_layers_whose_states_are_of_another_kind_are_not_taken(layer):
    class Model(torch.nn.Module):
        config = tiny_model("llama").config

        def __init__(self) -> None:
            super().__init__()
            self.embedding = torch.nn.Embedding(8, 32)
            self.layers = torch.nn.ModuleList(layer() for _ in range(4))

        def get_input_embeddings(self) -> torch.nn.Module:
            return self.embedding

        def forward(self, input_ids: torch.Tensor, **_: Any) -> None:
            for each in self.layers:
                each(self.embedding(input_ids))

    with pytest.raises(ModelError, match="can't be steered"):
        find_decoder_layers(Model())


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
    # A window longer than what the probe reads, which the model's cache knows nothing of.
    assert sliding_windows(tiny_family("gpt_neo", window_size=256).config) is None


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


def test_slots_say_who_sees_what():
    slots = Slots(capacity=12, scratch=2, bucket=4, device=torch.device("cpu"))
    slots.begin(3)  # two tokens in slots 2 and 3; its last is read as every candidate's own
    assert slots.written(2).tolist() == [2, 3]
    lanes = Lanes.of(torch.tensor([7, 8]), torch.tensor([0, 1]))
    for step, seen in enumerate(([2, 3, 4], [2, 3, 4, 6])):
        reach = slots.ahead(2)
        position = slots.place_lanes(lanes, reach)
        assert position.tolist() == [[2 + step] * 2]
        clean, _, steered, _ = slots.seen(lanes, reach, fork=True)
        assert clean.nonzero().flatten().tolist() == seen
        assert steered.nonzero().flatten().tolist() == [0, *seen[:-1]]  # itself in slot 0
        assert slots.written(4).tolist() == [4 + 2 * step, 5 + 2 * step, 0, 1]
        slots.step_on(2)
        slots.advance(2)
    assert reach == 8  # a multiple of the bucket, and no more than that
    near = slots.near(reach, window=2).nonzero().flatten().tolist()
    assert near == [0, 1, 6, 7]  # the place is 4 by now: positions 3 on, and the scratch slots


def test_a_cache_of_several_kinds_is_no_static_one():
    with pytest.raises(ValueError, match="another kind"):
        slot_cache(tiny_model("mamba").config, Slots(8, 0, 4, torch.device("cpu")))


def test_grouped_attention_is_sdpa():
    generator = torch.Generator().manual_seed(0)
    query, key, value = (torch.randn(1, n, 5, 8, generator=generator) for n in (6, 2, 2))
    mask = torch.zeros(1, 1, 5, 5).masked_fill_(torch.ones(5, 5).triu(1).bool(), -1e30)
    module = torch.nn.Module()
    module.num_key_value_groups = 3
    expected, _ = sdpa_attention_forward(module, query, key, value, mask)
    got, _ = grouped_attention(module, query, key, value, mask)
    torch.testing.assert_close(got, expected)


def test_a_model_that_attends_otherwise_is_left_alone():
    config = tiny_model("llama").config
    with grouped(config):
        assert config._attn_implementation == NAME
    assert config._attn_implementation == "sdpa"
    config._attn_implementation = "eager"
    with grouped(config):
        assert config._attn_implementation == "eager"
