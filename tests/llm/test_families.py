"""Families of causal LMs: each gets a layout, and all that it gets give the tokens of re-reading.

The prompt is longer than what the probe reads, and than sliding windows and chunks.
"""

from __future__ import annotations

import pytest
import torch

from engine.config import SamplingConfig
from engine.llm.decoding.decoder import Decoder
from engine.llm.decoding.layouts import make_reader
from engine.llm.decoding.loop import decode
from engine.llm.decoding.probe import find_layouts
from engine.steering.injection import Injection
from engine.steering.layers import find_decoder_layers, layer_outputs
from tests.support.recorder import Recorder
from tests.support.slow_decoding import slow_decode
from tests.support.tiny_families import FAMILIES, VOCABULARY, tiny_family
from tests.support.tiny_llm import tiny_tokenizer

TOKENIZER = tiny_tokenizer()
PROMPT = [(7 * index + 3) % VOCABULARY for index in range(21)]
SEEDS = (1, 2)
STOPS = frozenset(range(0, VOCABULARY, 5))  # so that rows end one after another
SAMPLING = SamplingConfig(max_new_tokens=4, top_k=0, top_p=1.0, temperature=1.5)


@pytest.mark.parametrize("family", FAMILIES)
def test_all_layouts_of_a_family_give_the_tokens_of_rereading(family: str) -> None:
    model = tiny_family(family)
    layers = find_decoder_layers(model)
    decoder = Decoder.of(model, layers)
    layouts = find_layouts(decoder)
    assert FAMILIES[family] in layouts.steered
    with torch.inference_mode():
        states = layer_outputs(model, layers, PROMPT)
    middle = len(layers) // 2
    vectors = {middle: states[middle][1] - states[middle][2]}
    for steered, names in ((vectors, layouts.steered), ({}, layouts.plain)):
        replies = [
            slow_decode(model, PROMPT, SAMPLING, seed, steered, STOPS, layers) for seed in SEEDS
        ]
        for layout in names[:-1] or names:  # the last one is re-reading
            injection = Injection(layers, steered) if steered else None
            reader = make_reader(layout, decoder, PROMPT, len(SEEDS), 4, injection)
            recorder = Recorder(reader, len(SEEDS))
            for _ in decode(recorder, TOKENIZER, SAMPLING, SEEDS, STOPS, ""):
                pass
            for row, (tokens, logits) in enumerate(replies):
                ours = torch.stack(recorder.logits[row])
                assert ours.shape == logits.shape, layout
                assert float((ours - logits).abs().max()) < 1e-3, layout
                # The last token is never read; it was drawn from logits that are compared above.
                assert recorder.tokens[row] == tokens[:-1], layout
