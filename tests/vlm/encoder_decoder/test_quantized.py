"""The demo's LLaVA in few bits: real bitsandbytes, on the CPU."""

from __future__ import annotations

import pytest

from engine.common.errors import ModelError
from engine.common.generators import result_of
from engine.common.kept import Kept
from engine.config import RunConfig
from engine.config.toml_file import load_config
from engine.data.registry import load_dataset
from engine.vlm.encoder_decoder.loading import load
from engine.vlm.encoder_decoder.model import load_model

bitsandbytes = pytest.importorskip("bitsandbytes")
QUESTION = "what is in this picture?"


def config(bits: str) -> RunConfig:
    keys = (f"vlm.quantization={bits}", "data.shots=1", "vlm.cache=false")
    return load_config("demo-llava", keys)


def test_in_8_bits_it_answers_about_images_that_it_sees_as_before() -> None:
    asked = config("8bit")
    loaded = load_model(asked.vlm)
    kind = bitsandbytes.nn.Linear8bitLt
    text, vision = loaded.model.model.language_model, loaded.model.model.vision_tower
    assert any(isinstance(module, kind) for module in text.modules())
    assert not any(isinstance(module, kind) for module in vision.modules())
    assert loaded.weights.startswith("fp32 8bit ")
    fitness = load(asked, load_dataset(asked.data), lambda *_: None, print, Kept())
    (score,) = result_of(fitness.score([QUESTION], split="train"))
    assert score.n == fitness.size("train") and score.margin < 0


def test_rows_that_are_no_whole_blocks_are_refused_in_words() -> None:
    with pytest.raises(ModelError, match=r"a layer of 96 inputs.* set vlm.quantization = .8bit"):
        load_model(config("4bit").vlm)
