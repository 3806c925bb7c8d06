"""The recipe of the tiny CLIP: what captions let one expect, and one command for both models."""

import random
import sys
from pathlib import Path

import pytest

from engine.data.demo_world.vocabulary import FACTORS, HIDDEN_FACTORS, caption, named_values
from engine.demo.training import train
from engine.demo.training.captions import CONTEXT_LENGTH, build_tokenizer, training_template
from engine.demo.training.clip_data import PICTURES, expected_pictures

COMMON = {name: FACTORS[name].common for name in HIDDEN_FACTORS}


def test_a_named_factor_leaves_one_picture_and_an_unnamed_one_several() -> None:
    known = expected_pictures("cup", {"view": "inverted"})
    unknown = expected_pictures("cup", {"light": "blue"})
    assert sorted(known.values()) == [1.0]
    assert sorted(unknown.values()) == [0.25] * 4
    assert known == expected_pictures("bell", {"view": "upright"})
    assert unknown == expected_pictures("bell", {})
    assert set(unknown) <= set(PICTURES)


def test_the_tokenizer_is_reproducible_and_has_room_for_every_factor() -> None:
    first, second = build_tokenizer(random.Random(0)), build_tokenizer(random.Random(0))
    assert first.get_vocab() == second.get_vocab()
    rng = random.Random(0)
    for _ in range(200):
        named = {f: rng.choice(tuple(FACTORS[f].values)) for f in FACTORS}
        assert len(first(caption("blueberry", named, rng))["input_ids"]) <= CONTEXT_LENGTH


def test_training_templates_name_only_what_is_true() -> None:
    rng = random.Random(0)
    for _ in range(300):
        template, named = training_template(COMMON, None, rng)
        assert named.items() <= COMMON.items()
        found = named_values(template)  # idle words may tear a phrase, never make one
        assert {f: v for f, v in found.items() if f in HIDDEN_FACTORS}.items() <= named.items()


def test_all_trains_every_model_what_knows_nothing_of_the_other_side_by_side(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A stand-in for Python, which only notes how it is called, with the stage at the end.
    note = tmp_path / "python"
    note.write_text(f'#!/bin/sh\necho "$OMP_NUM_THREADS $@" > {tmp_path}/$7.txt\n[ $7 != llm ]\n')
    note.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(note))
    assert train.train_all(tmp_path / "weights", tmp_path / "kept") == 1  # the llm's exit code
    begun = ("clip", "llm")  # the questioner goes on from the llm, and there is none
    for stage in train.STAGES:
        assert (tmp_path / f"{stage}.txt").exists() == (stage in begun)
    for stage in begun:
        call = (tmp_path / f"{stage}.txt").read_text().split()
        assert call == [
            "1",
            "-m",
            "engine.demo.training.train",
            "--output",
            f"{tmp_path}/weights",
            "--kept",
            f"{tmp_path}/kept",
            stage,
        ]
