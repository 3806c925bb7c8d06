"""An LLM that is spread over devices is read and steered at all of its layers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import accelerate
import pytest
import torch

from engine.config import SamplingConfig
from engine.llm.decoding.decoder import Decoder, Layout
from engine.llm.decoding.layouts import make_reader
from engine.llm.transformers_llm import LocalLLM
from engine.steering.direction import Steering
from engine.steering.injection import Injection
from engine.steering.layers import find_decoder_layers, layer_outputs
from engine.steering.offsets import CrossAttention, Offset, RelativeOffset, TokenOffsets
from tests.support.tiny_llm import tiny_model, tiny_tokenizer
from tests.support.two_devices import FIRST, SECOND, spread

WIDTH = 32
PLACES = {
    "model.embed_tokens": FIRST,
    "model.rotary_emb": FIRST,
    **{f"model.layers.{index}": FIRST if index < 2 else SECOND for index in range(4)},
    "model.norm": SECOND,
    "lm_head": SECOND,
}


@pytest.fixture
def decoder() -> Iterator[Decoder]:
    with spread(lambda: tiny_model("llama"), PLACES) as model:
        yield Decoder.of(model, find_decoder_layers(model))


def read(decoder: Decoder, layout: Layout, injection: Injection | None) -> None:
    reader = make_reader(layout, decoder, [3, 4, 5, 6, 7], 2, 4, injection)
    assert reader.first().device == FIRST
    assert reader.next(torch.full((2,), 4)).shape == (2, 262)
    reader.keep(torch.ones(1, dtype=torch.long))
    assert reader.next(torch.full((1,), 4)).device == FIRST


@pytest.mark.parametrize("layout", ["static", "split", "packed", "window", "twin", "reread"])
@pytest.mark.parametrize("layer", range(4))
def test_every_layout_at_every_layer(decoder: Decoder, layout: Layout, layer: int) -> None:
    states = layer_outputs(decoder.model, decoder.layers, [1, 2, 3])
    assert [state.device for state in states] == [FIRST, FIRST, SECOND, SECOND]
    read(decoder, layout, Injection(decoder.layers, {layer: torch.zeros(WIDTH)}))


@pytest.mark.parametrize(
    "make",
    [
        lambda: RelativeOffset(lambda state: torch.ones(WIDTH).to(state.device), 0.5),
        lambda: CrossAttention(torch.ones(3, WIDTH), torch.ones(4, WIDTH), 1.0),
        lambda: TokenOffsets(torch.ones(5, WIDTH)),
    ],
)
def test_every_kind_of_offset(decoder: Decoder, make: type[Offset]) -> None:
    offset = make()
    reach = "first" if isinstance(offset, TokenOffsets) else "last"
    for layer in (1, 2):
        injection = Injection(decoder.layers, {layer: offset}, reach, first_tokens=3)
        read(decoder, "packed" if reach == "first" else "split", injection)


def test_what_is_not_moved_is_found_out(decoder: Decoder) -> None:
    here = torch.ones(WIDTH)

    def add(_module: object, _args: object, output: torch.Tensor) -> torch.Tensor:
        return output + here

    decoder.layers[2].register_forward_hook(add)
    with pytest.raises(RuntimeError, match="devices"):
        read(decoder, "reread", None)


def replies(llm: LocalLLM) -> list[str]:
    direction = llm.direction("one text", "another", "no-bos")
    steering = Steering(direction, (1, 2), 3.0, "last-token")
    messages = [{"role": "user", "content": "Say something."}]
    asked = llm.propose(messages, SamplingConfig(max_new_tokens=6), [7, 8], steering)
    while True:
        try:
            next(asked)
        except StopIteration as ended:
            return [reply.text for reply in ended.value]


def test_weights_that_come_from_the_disk_layer_by_layer_make_the_same_replies(
    tmp_path: Path,
) -> None:
    whole = LocalLLM("whole", tiny_model("llama"), tiny_tokenizer())
    away = accelerate.disk_offload(tiny_model("llama"), tmp_path, execution_device=FIRST)
    assert {weight.device.type for weight in away.parameters()} == {"meta"}
    llm = LocalLLM("away", away, tiny_tokenizer())
    assert llm.layouts.steered[0] == whole.layouts.steered[0] != "reread"
    assert replies(llm) == replies(whole)
