from __future__ import annotations

import pytest
import torch
import transformers

from engine.common.errors import ModelError
from engine.config import SteeringConfig
from engine.steering.injection import Injection
from engine.steering.layers import (
    find_decoder_layers,
    hidden_state,
    layer_outputs,
    with_hidden_state,
)
from engine.steering.modes import MODES
from tests.support.hidden_layers import hide_layers
from tests.support.tiny_llm import FAMILIES, tiny_model

IDS = [0, 3, 40, 41, 42]


@pytest.mark.parametrize("family", FAMILIES)
def test_decoder_layers_are_found_in_every_family(family):
    layers = find_decoder_layers(tiny_model(family))
    assert len(layers) == 4
    assert len({type(layer) for layer in layers}) == 1
    assert not any(layer._forward_hooks for layer in layers)


def test_decoder_layers_are_found_beside_a_vision_tower_of_the_same_depth():
    vision = {
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "image_size": 28,
        "patch_size": 14,
    }
    text = tiny_model("gemma3-sliding").config.to_dict()
    config = transformers.Gemma3Config(
        text_config=text, vision_config=vision, mm_tokens_per_image=4, image_token_id=200
    )
    model = transformers.Gemma3ForConditionalGeneration(config).eval()
    layers = find_decoder_layers(model)
    assert layers == tuple(model.model.language_model.layers)


def test_a_model_that_cannot_be_steered_says_so():
    model = hide_layers(tiny_model("llama"))
    with pytest.raises(ModelError, match=r"can't be steered: no list of 4 decoder layers"):
        find_decoder_layers(model)


@pytest.mark.parametrize("family", ["llama", "gpt2", "gemma3-sliding"])
@pytest.mark.parametrize("start", [0, 3, 4])
def test_hidden_state_is_the_original_plus_the_offset_from_start_on(family, start):
    model = tiny_model(family)
    layers = find_decoder_layers(model)
    vector = torch.randn(32, generator=torch.Generator().manual_seed(1))
    before = layer_outputs(model, layers, IDS)
    with Injection(layers, {2: vector}).added(start):
        after = layer_outputs(model, layers, IDS)
    expected = before[2].clone()
    expected[start:] += vector
    assert torch.equal(after[2], expected)
    assert torch.equal(after[1], before[1])
    assert not torch.equal(after[3], before[3])
    again = layer_outputs(model, layers, IDS)
    assert all(torch.equal(a, b) for a, b in zip(again, before, strict=True))


def test_hooks_come_off_when_the_pass_fails():
    model = tiny_model("llama")
    layers = find_decoder_layers(model)
    injection = Injection(layers, {0: torch.ones(32), 2: torch.ones(32)})
    masks = [torch.zeros(1, 1, 2, 2)] * 4
    for hooks in (injection.added(0), injection.forked(1, masks)):
        with pytest.raises(KeyError), hooks:
            assert layers[0]._forward_hooks
            raise KeyError
        assert not any(layer._forward_hooks or layer._forward_pre_hooks for layer in layers)


def test_offset_takes_the_dtype_of_the_output():
    model = tiny_model("llama").to(torch.bfloat16)
    layers = find_decoder_layers(model)
    with torch.inference_mode(), Injection(layers, {1: torch.ones(32)}).added(0):
        logits = model(input_ids=torch.tensor([IDS])).logits
    assert logits.dtype == torch.bfloat16


def test_hidden_state_of_tensors_tuples_and_other_things():
    state, other = torch.zeros(1, 2, 3), torch.ones(1, 2, 3)
    assert hidden_state(state) is hidden_state((state, None)) is state
    assert with_hidden_state(state, other) is other
    assert with_hidden_state((state, "cache"), other) == (other, "cache")
    with pytest.raises(RuntimeError, match="no hidden state"):
        hidden_state({"state": state})


def test_every_mode_of_the_configuration_but_off_is_registered():
    allowed = SteeringConfig.model_json_schema()["properties"]["mode"]["enum"]
    assert set(allowed) == {*MODES, "off"}
