"""Keys that make no difference are told, with what would make them one; of the others no word."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.common.kept import Kept
from engine.config.toml_file import load_config, preset_names
from engine.search.unused import is_unused, unused_remarks
from engine.session.local import LocalSession
from engine.storage.journal import read_state
from engine.sweeps.grid import make_grid, parse_axis
from tests.support.small_runs import demo, drive

LLAVA = "vlm.kind=encoder-decoder"
REFUSAL = ("vlm.answer=refusal", "data.dataset=questions")


def remarks(*overrides: str, preset: str = "clip-paper") -> list[str]:
    return list(unused_remarks(load_config(preset, ["data.path=.", *overrides])))


@pytest.mark.parametrize(
    ("overrides", "keys", "needed"),
    [
        ([LLAVA, "data.options=x.json"], "data.options", "vlm.answer = choice"),
        ([LLAVA, "vlm.judge=llm"], "vlm.judge", "vlm.answer = refusal"),
        ([LLAVA, "vlm.judge_model=x"], "vlm.judge_model", "vlm.judge = llm"),
        (
            [LLAVA, "vlm.judge_model=x", "vlm.judge=llm"],
            "vlm.judge and vlm.judge_model",
            "vlm.answer = refusal",
        ),
        ([LLAVA, "vlm.letters=parsed"], "vlm.letters", "vlm.answer = choice"),
        (
            [LLAVA, "vlm.likelihood=per-token", "vlm.answer=embedding"],
            "vlm.likelihood",
            "vlm.answer = likelihood",
        ),
        ([LLAVA, "vlm.embedder=x"], "vlm.embedder", "vlm.answer = embedding"),
        (
            [LLAVA, "vlm.max_new_tokens=9", "vlm.answer=choice"],
            "vlm.max_new_tokens",
            "vlm.answer = embedding or refusal, or vlm.letters = parsed",
        ),
        (
            [LLAVA, "vlm.features_gib=1", "vlm.cache=false"],
            "vlm.features_gib",
            "vlm.answer = likelihood, embedding or choice, and vlm.cache = true",
        ),
        (
            [LLAVA, "vlm.text_batch=9"],
            "vlm.pretrained and vlm.text_batch",  # the former is the preset's
            "vlm.kind = dual-encoder",
        ),
        (
            ["vlm.judge=llm", "data.options=x.json", "vlm.embedder=x"],
            "data.options, vlm.embedder and vlm.judge",
            "vlm.kind = encoder-decoder",
        ),
    ],
)
def test_a_key_that_the_vlm_does_not_use_is_told(
    overrides: list[str], keys: str, needed: str
) -> None:
    assert f"{keys} can make no difference: that takes {needed}" in remarks(*overrides)


@pytest.mark.parametrize(
    "overrides",
    [
        ["vlm.answer=choice", "data.options=x.json", "vlm.letters=parsed", "vlm.max_new_tokens=9"],
        [*REFUSAL, "vlm.judge=llm", "vlm.judge_model=x", "vlm.max_new_tokens=9"],
        ["vlm.answer=embedding", "vlm.embedder=x", "vlm.features_gib=1", "vlm.prefix_gib=1"],
        ["vlm.likelihood=per-token", "vlm.trust_remote_code=true", "vlm.image_batch=9"],
    ],
)
def test_of_keys_that_are_used_nothing_is_said(overrides: list[str]) -> None:
    assert not remarks(*overrides, preset="demo-llava")


@pytest.mark.parametrize("name", preset_names())
def test_of_a_preset_nothing_is_said_of_its_vlm(name: str) -> None:
    assert not [remark for remark in remarks(preset=name) if "vlm." in remark]


def test_two_runs_that_differ_in_such_a_key_are_one_in_a_sweep() -> None:
    axes = ["vlm.answer=likelihood,embedding", "vlm.max_new_tokens=9,10"]
    grid = make_grid("demo-llava", [], map(parse_axis, axes))
    assert [cell.values for cell in grid.cells] == [
        {"vlm.answer": "likelihood"},
        {"vlm.answer": "embedding", "vlm.max_new_tokens": 9},
        {"vlm.answer": "embedding", "vlm.max_new_tokens": 10},
    ]
    assert is_unused(load_config("demo"), "vlm.answer")


def test_the_log_of_a_run_has_it_once(run_folder: Path, kept: Kept) -> None:
    config = demo("steps=1", "vlm.judge=llm")
    drive(LocalSession.create(config, run_folder, kept=kept))
    state = read_state(run_folder)
    assert state.status == "finished"
    said = "vlm.judge can make no difference: that takes vlm.kind = encoder-decoder"
    assert [line.level for line in state.log if line.text == said] == ["warning"]
