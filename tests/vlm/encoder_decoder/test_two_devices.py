"""An encoder-decoder that is spread over devices: what is kept of an image lies with its layers."""

from __future__ import annotations

import torch

from engine.vlm.encoder_decoder.class_trie import build_trie
from engine.vlm.encoder_decoder.likelihood import class_log_likelihoods
from engine.vlm.encoder_decoder.reading import text_prefix
from tests.support.tiny_vlms import make
from tests.support.two_devices import FIRST, SECOND, spread

TEXT = "model.language_model"
PLACES = {
    "model.vision_tower": FIRST,
    "model.multi_modal_projector": FIRST,
    f"{TEXT}.embed_tokens": FIRST,
    f"{TEXT}.rotary_emb": FIRST,
    f"{TEXT}.layers.0": FIRST,
    f"{TEXT}.layers.1": SECOND,
    f"{TEXT}.norm": SECOND,
    "lm_head": SECOND,
}


def test_prefixes_come_back_to_where_their_layers_are() -> None:
    with spread(lambda: make("llava")[0], PLACES) as model:
        prefixes = [text_prefix(model, torch.full((1, 5), 7)) for _ in range(2)]
        devices = [[keys.device for keys, _ in one.layers] for one in prefixes]
        assert devices == [[FIRST, SECOND]] * 2
        away = prefixes[0].away(FIRST)
        assert {keys.device for keys, _ in away.layers} == {FIRST}
        back = away.at_home()
        assert [values.device for _, values in back.layers] == [FIRST, SECOND]
        trie = build_trie([[3, 4], [3, 5], [6]])
        found = class_log_likelihoods(model, [back, prefixes[1]], [8, 9], trie)
        assert found.shape == (2, 3) and found.device == FIRST
