"""That a step can be recorded as a CUDA graph at all, as far as that shows without a GPU."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from engine.config import SamplingConfig
from engine.llm.decoding.capture import as_it_is
from engine.llm.decoding.decoder import Decoder
from engine.llm.decoding.graphs import GraphReader, Graphs
from engine.steering.injection import Injection
from engine.steering.layers import find_decoder_layers
from engine.steering.modes import Reach
from engine.steering.offsets import FixedOffset, Offset, RelativeOffset
from tests.support.pretended_gpu import WAITS, HostUse, pretended_gpu
from tests.support.tiny_families import tiny_family

SAMPLED = SamplingConfig(max_new_tokens=4)
LONG_ROPE = {
    "rope_parameters": {
        "rope_type": "longrope",
        "rope_theta": 10000.0,
        "short_factor": [1.0] * 4,
        "long_factor": [2.0] * 4,
    },
    "original_max_position_embeddings": 64,
}


def host_use(
    model: Any,
    sampling: SamplingConfig = SAMPLED,
    reach: Reach | None = "last",
    relative: bool = False,
) -> list[str]:
    """The work of one step that takes tensors of the host.

    Raises:
        WAITS: if the step waits for the device.
    """
    layers = find_decoder_layers(model)
    with pretended_gpu(model.to(torch.bfloat16)):
        decoder = Decoder.of(model, layers)
        fixed = FixedOffset(torch.ones(32))
        offset: Offset = RelativeOffset(fixed, 0.3) if relative else fixed
        injection = None if reach is None else Injection(layers, {1: offset}, reach)
        reader = Graphs(decoder, as_it_is).reader(list(range(20)), 3, 4, injection)
        assert isinstance(reader, GraphReader) and reader._state.drawn.device.type == "cuda"
        reader.begin(torch.zeros(3, 4))
        step = reader._step_of(reader._slots.ahead(3), sampling)
        step()  # as a warm-up does
        with HostUse() as use:
            step()
    return use.seen


@pytest.mark.parametrize(
    "family", ["llama", "qwen3", "mistral", "gemma2", "gemma3_text", "phi", "opt", "gpt_neox"]
)
def test_a_step_waits_for_nothing_and_takes_nothing_of_the_host(family: str) -> None:
    assert not host_use(tiny_family(family))


def test_nor_does_that_of_longrope() -> None:
    assert not host_use(tiny_family("phi3", **LONG_ROPE))


@pytest.mark.parametrize("reach", [None, "new", "all"])
@pytest.mark.parametrize("relative", [False, True])
@pytest.mark.parametrize(
    "sampling",
    [
        SamplingConfig(max_new_tokens=4, temperature=0),
        SamplingConfig(max_new_tokens=4, top_k=0),
        SamplingConfig(max_new_tokens=4, top_p=1, top_k=7),
    ],
)
def test_nor_does_any_sampler_or_steering(
    sampling: SamplingConfig, reach: Reach | None, relative: bool
) -> None:
    assert not host_use(tiny_family("llama"), sampling, reach, relative)


def test_it_would_show() -> None:
    with pytest.raises(WAITS):
        host_use(tiny_family("jetmoe"))  # it counts the tokens of each expert on the host
    with pytest.raises(WAITS):
        host_use(tiny_family("mixtral", experts_implementation="eager"))
    # It makes its rotary frequencies anew for each token, on the host.
    assert host_use(tiny_family("phimoe", experts_implementation="batched_mm"))


@pytest.mark.parametrize("family", ["mixtral", "qwen3_moe", "deepseek_v3"])
def test_mixtures_of_experts_need_not_wait(family: str) -> None:
    assert not host_use(tiny_family(family, experts_implementation="batched_mm"))
