"""What towers make of images, handed back to every family of models: alone, and in a batch."""

from __future__ import annotations

import pytest
import torch

from engine.vlm.encoder_decoder.reading import read_prefix, read_prefixes
from engine.vlm.encoder_decoder.vision_features import VisionTower, handed_back, joined
from tests.support.image_prefixes import distance
from tests.support.tiny_vlms import FAMILIES, make


def images(family: str, count: int = 3) -> tuple:
    """A model, and what it reads of different images of one size."""
    model, ids, inputs = make(family)
    made = []
    for number in range(count):
        torch.manual_seed(100 + number)
        pixels = torch.randn_like(inputs["pixel_values"])
        made.append({"input_ids": torch.tensor([ids]), **inputs, "pixel_values": pixels})
    return model, made


@pytest.mark.parametrize("family", FAMILIES)
def test_what_was_seen_is_as_good_as_pixels(family: str) -> None:
    model, made = images(family)
    tower = VisionTower(model)
    plain = [read_prefix(model, inputs) for inputs in made]
    assert tower.is_apart
    for inputs, expected in zip(made, plain, strict=True):
        (seen,) = tower.see([inputs])
        assert not any("pixel" in name for name in seen.inputs)
        (found,) = read_prefixes(model, seen.inputs, handed_back([seen]))
        assert distance(found, expected) < 1e-5
    assert distance(plain[0], plain[1]) > 1e-2


@pytest.mark.parametrize("family", FAMILIES)
def test_images_of_a_batch_are_read_as_alone_and_stay_apart(family: str) -> None:
    model, made = images(family)
    tower = VisionTower(model)
    plain = [read_prefix(model, inputs) for inputs in made]
    seen = tower.see(made)
    found = read_prefixes(model, joined([one.inputs for one in seen]), handed_back(seen))
    for own, expected in zip(found, plain, strict=True):
        assert distance(own, expected) < 1e-4
    # what was seen earlier, in another order
    mixed = [seen[2], seen[0]]
    found = read_prefixes(model, joined([one.inputs for one in mixed]), handed_back(mixed))
    assert distance(found[0], plain[2]) < 1e-4 and distance(found[1], plain[0]) < 1e-4


@pytest.mark.parametrize("family", ["llava", "qwen3-vl"])
def test_a_prefix_of_a_batch_holds_no_memory_of_others(family: str) -> None:
    model, made = images(family)
    seen = VisionTower(model).see(made)
    found = read_prefixes(model, joined([one.inputs for one in seen]), handed_back(seen))
    for prefix in found:
        for tensor in (t for pair in prefix.layers for t in pair):
            assert tensor.untyped_storage().nbytes() == tensor.nbytes
    assert all(one.features.untyped_storage().nbytes() == one.bytes for one in seen)
