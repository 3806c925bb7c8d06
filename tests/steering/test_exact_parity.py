"""Mode last-token with a KV cache equals re-reading the whole sequence with no cache at all.

docs/glov.md, 4: token by token, and in logits below 1e-4 in float32. Run with
``pytest -s tests/steering/test_exact_parity.py`` to see the largest differences.
"""

from __future__ import annotations

import sys
from functools import cache
from typing import Any

import pytest
import torch

from engine.config import SamplingConfig
from engine.llm.decoding.decoder import Decoder, Layout
from engine.llm.decoding.layouts import make_reader
from engine.llm.decoding.loop import decode
from engine.steering.direction import Direction, compute_direction
from engine.steering.injection import Injection
from engine.steering.layers import find_decoder_layers
from tests.support.recorder import Recorder
from tests.support.slow_decoding import plain_layers, slow_decode
from tests.support.tiny_llm import tiny_model, tiny_tokenizer

FAMILIES = ("llama", "llama-gqa-tied", "qwen2", "qwen3", "mistral-sliding", "gemma3-sliding")
LAYOUTS: tuple[Layout, ...] = ("static", "split", "packed", "window", "twin")
TOKENIZER = tiny_tokenizer()
PROMPT = [0, 3, *range(40, 50), 4]  # longer than the sliding windows
SEEDS = (5, 6, 7)
SAMPLING = SamplingConfig(max_new_tokens=8, top_k=0, top_p=1.0, temperature=1.5)

_largest: dict[tuple[str, str], float] = {}


@pytest.fixture(scope="module", autouse=True)
def _report():
    yield
    lines = [f"{family:16} {layout:8} {e:.1e}" for (family, layout), e in sorted(_largest.items())]
    title = "largest |logit difference| to re-reading everything, float32"
    sys.stdout.write("\n".join(["", title, *lines, ""]))


@cache
def model_of(family: str) -> tuple[Any, Decoder, Direction]:
    model = tiny_model(family)
    layers = find_decoder_layers(model)
    direction = compute_direction(
        model, TOKENIZER, layers, "a photo of a <category>.", "<category>?", "no-bos"
    )
    return model, Decoder.of(model, layers), direction


@cache
def expected(
    family: str, layers: tuple[int, ...], alpha: float, seed: int, stops: frozenset[int]
) -> tuple[list[int], torch.Tensor]:
    model, _, direction = model_of(family)
    vectors = {layer: alpha * direction.offsets[layer] for layer in layers}
    return slow_decode(model, PROMPT, SAMPLING, seed, vectors, stops)


def assert_parity(
    family: str,
    layout: Layout,
    layers: tuple[int, ...],
    alpha: float,
    seeds: tuple[int, ...] = SEEDS,
    stops: frozenset[int] = frozenset(),
) -> None:
    model, decoder, direction = model_of(family)
    injection = (
        Injection(decoder.layers, {layer: alpha * direction.offsets[layer] for layer in layers})
        if alpha
        else None
    )
    reader = make_reader(layout, decoder, PROMPT, len(seeds), SAMPLING.max_new_tokens, injection)
    recorder = Recorder(reader, len(seeds))
    columns = decode(recorder, TOKENIZER, SAMPLING, seeds, stops, "")
    for _ in columns:
        assert not any(layer._forward_hooks for layer in plain_layers(model))
    for row, seed in enumerate(seeds):
        tokens, logits = expected(family, layers, alpha, seed, stops)
        ours = torch.stack(recorder.logits[row])
        assert ours.shape == logits.shape
        error = float((ours - logits).abs().max())
        key = (family, layout)
        _largest[key] = max(_largest.get(key, 0.0), error)
        assert error < 1e-4
        # The reader never reads the last token; it was drawn from logits that are compared above.
        assert recorder.tokens[row] == tokens[:-1]


@pytest.mark.parametrize("alpha", [0.0, 0.25, 1.0, 4.0])
@pytest.mark.parametrize("layer", [0, 2, 3], ids=["first", "middle", "last"])
@pytest.mark.parametrize("family", FAMILIES)
def test_every_layout_equals_rereading(family, layer, alpha):
    for layout in LAYOUTS:
        assert_parity(family, layout, (layer,) if alpha else (), alpha)


@pytest.mark.parametrize("layout", [*LAYOUTS, "reread"])
def test_several_layers_at_once(layout):
    assert_parity("llama-gqa-tied", layout, (1, 2), 1.0)
    assert_parity("gemma3-sliding", layout, (0, 3), 0.5)


@pytest.mark.parametrize("rows", [1, 2, 8])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_batch_size_does_not_matter(layout, rows):
    assert_parity("llama", layout, (1,), 1.0, seeds=tuple(range(rows)))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_parity_holds_while_rows_end_one_after_another(layout):
    seeds = tuple(range(6))
    stops = frozenset(range(0, 262, 5))
    lengths = {len(expected("qwen3", (2,), 1.0, seed, stops)[0]) for seed in seeds}
    assert len(lengths) > 2  # else this shows nothing
    assert_parity("qwen3", layout, (2,), 1.0, seeds, stops)
    assert_parity("mistral-sliding", layout, (2,), 1.0, seeds, stops)


def test_steering_changes_the_logits_by_far_more_than_the_tolerance():
    _, steered = expected("llama", (2,), 1.0, 5, frozenset())
    _, plain = expected("llama", (), 0.0, 5, frozenset())
    assert float((steered[0] - plain[0]).abs().max()) > 0.1


@pytest.mark.parametrize("family", ["gemma2-sliding", "phi", "phi3"])
def test_families_with_layers_of_other_shapes(family):
    """Soft-capped scores, attention beside the feed-forward part, one matrix for q, k and v."""
    for layout in LAYOUTS:
        assert_parity(family, layout, (1,), 1.0)


def test_gpt2_and_its_one_letter_names():
    for layout in ("packed", "window", "twin"):
        assert_parity("gpt2", layout, (1,), 1.0)
