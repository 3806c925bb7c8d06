"""Layout ``twin``: what a model keeps belongs to the reader that it was read for."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from engine.llm.decoding.decoder import Decoder, Reader
from engine.llm.decoding.layouts import make_reader
from engine.models.row_memory import RowMemory
from engine.steering.injection import Injection
from engine.steering.layers import find_decoder_layers
from engine.steering.modes import Reach
from tests.support.tiny_families import VOCABULARY, tiny_family

# State in transformers' cache, on modules, in a cache of their own, beside a cache of transformers.
FAMILIES = ("qwen3_next", "recurrent_gemma", "xlstm", "minimax")
PROMPT = [(7 * index + 3) % VOCABULARY for index in range(19)]
TOKENS = torch.tensor([[5, 6, 7], [9, 9, 9], [20, 40, 60]])  # (columns, rows)


def setup(family: str, reach: Reach = "last") -> tuple[Decoder, Injection]:
    model = tiny_family(family)
    decoder = Decoder.of(model, find_decoder_layers(model))
    width = model.config.hidden_size
    vector = torch.randn(width, generator=torch.Generator().manual_seed(0))
    return decoder, Injection(decoder.layers, {1: vector}, reach, first_tokens=4)


def read_all(reader: Reader) -> list[Tensor]:
    return [reader.first(), *(reader.next(column) for column in TOKENS)]


def assert_alike(logits: list[Tensor], expected: list[Tensor]) -> None:
    for ours, theirs in zip(logits, expected, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=0)


@pytest.mark.parametrize("family", FAMILIES)
def test_two_readers_and_a_plain_reading_do_not_get_into_each_others_way(family: str) -> None:
    decoder, injection = setup(family)
    ids = torch.tensor([PROMPT])

    def readers() -> list[Reader]:
        return [
            make_reader("twin", decoder, PROMPT, 3, 4, steered) for steered in (injection, None)
        ]

    alone = [read_all(reader) for reader in readers()]
    assert not torch.allclose(alone[0][-1], alone[1][-1], atol=0.1)  # else this shows nothing
    steered, plain = readers()
    columns: list[tuple[Tensor, Tensor]] = [(steered.first(), plain.first())]
    for column in TOKENS:
        with torch.inference_mode():
            decoder.logits(ids, 1)
        columns.append((steered.next(column), plain.next(column)))
    for logits, expected in zip(zip(*columns, strict=True), alone, strict=True):
        assert_alike(list(logits), expected)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_prompt_of_one_token(family: str) -> None:
    decoder, injection = setup(family)
    twin, reread = (make_reader(n, decoder, [3], 3, 4, injection) for n in ("twin", "reread"))
    assert_alike(read_all(twin), read_all(reread))


@pytest.mark.parametrize("reach", ["last", "new", "all", "first"])
@pytest.mark.parametrize("family", FAMILIES)
def test_every_reach_is_that_of_rereading(family: str, reach: Reach) -> None:
    decoder, injection = setup(family, reach)
    twin, reread = (make_reader(n, decoder, PROMPT, 3, 4, injection) for n in ("twin", "reread"))
    assert_alike(read_all(twin), read_all(reread))


class _Keeps(nn.Module):
    """A model that keeps a state on itself, and returns one in lists and tuples."""

    def __init__(self) -> None:
        super().__init__()
        self.state: Tensor | None = None
        self.table = torch.zeros(2, 5)


def test_rows_are_found_wherever_they_are_and_nothing_else_is_touched() -> None:
    model = _Keeps()
    memory = RowMemory(model)
    with memory.reading(2, 3):
        model.state = torch.tensor([[1.0], [2.0]])
        memory.cache = {
            "pair": (torch.tensor([[3.0], [4.0]]), "text"),
            "many": [torch.tensor([[5.0, 6.0]]), torch.tensor([7.0, 8.0]), None],
        }
    assert model.state is None and memory.tokens == 3  # the model itself has nothing of it
    memory.select(torch.tensor([1, 1, 0, 0]))
    seen: dict[str, Any] = {}
    with memory.reading(4, 1):
        assert model.state is not None
        seen = {**memory.cache, "state": model.state.flatten().tolist()}
    assert seen["state"] == [2, 2, 1, 1]
    assert seen["pair"][0].flatten().tolist() == [4, 4, 3, 3] and seen["pair"][1] == "text"
    one, counter, nothing = seen["many"]
    assert one.tolist() == [[5, 6]] and counter.tolist() == [7, 8] and nothing is None
    memory.put_back(2)
    with memory.reading(4, 1):
        assert model.state is not None and model.state.flatten().tolist() == [2, 2, 2, 2]
    assert memory.cache["pair"][0].flatten().tolist() == [4, 4, 4, 4]
    assert torch.equal(model.table, torch.zeros(2, 5))
