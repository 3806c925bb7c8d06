"""What a template is, by the VLM's family: found by ``vlm.kind``, before a model is loaded."""

from __future__ import annotations

from pathlib import Path
from pkgutil import resolve_name
from typing import get_args

import pytest

from engine.common.errors import ConfigError
from engine.config import RunConfig, VLMConfig
from engine.config.toml_file import load_config
from engine.prompts.reply import Parsed
from engine.prompts.template import RejectReason
from engine.run.edit_check import injection_problem
from engine.run.state import RunState
from engine.session.config_check import check_config
from engine.session.local import LocalSession
from engine.storage.journal import read_state
from engine.vlm.families import FAMILIES, seed_template, task_of, with_seed_template
from engine.vlm.task import Placeholders, Task
from tests.support.modules import modules_after

SEED = "a photo of a <category>."


def test_every_kind_of_vlm_has_a_task_and_a_loader() -> None:
    assert set(FAMILIES) == set(get_args(VLMConfig.model_fields["kind"].annotation))
    for family in FAMILIES.values():
        task = resolve_name(family.task)
        assert isinstance(task, Task) and callable(resolve_name(family.loader))
        assert task.placeholders.problem(task.seed_template) is None
        assert task.read(task.seed_template).template == task.seed_template


def test_tasks_are_known_without_a_heavy_library() -> None:
    loaded = modules_after(
        "from engine.vlm.families import FAMILIES, task_of\n"
        "from engine.config import VLMConfig\n"
        "[task_of(VLMConfig(kind=kind)) for kind in FAMILIES]"
    )
    assert not loaded & {"torch", "transformers", "open_clip", "numpy", "engine.prompts.reply"}


@pytest.mark.parametrize(
    ("rule", "template", "reason", "problem"),
    [
        (Placeholders(1), "a photo", "no-placeholder", "it needs the placeholder <category>"),
        (Placeholders(1), "<category>, a <category>", None, None),
        (Placeholders(2), "a <category>", "no-placeholder", "<category> 2 times"),
        (Placeholders(0), "What is shown?", None, None),
        (Placeholders(0), "Is this a <category>?", None, None),
        (Placeholders(0, 0), "Is this a <category>?", "too-many-placeholders", "can't have"),
        (
            Placeholders(0, 1),
            "<category> or <category>?",
            "too-many-placeholders",
            "more than once",
        ),
    ],
)
def test_how_often_the_placeholder_stands_in_a_template(rule, template, reason, problem) -> None:
    assert rule.reason(template) == reason
    said = rule.problem(template)
    assert said is None if problem is None else problem in str(said)


def test_what_a_reader_finds_is_held_to_the_rule() -> None:
    def as_it_is(text: str, **_options: object) -> Parsed:
        return Parsed(template=text)

    task = Task("What is it?", "", "", "question", Placeholders(0, 0), as_it_is)
    assert task.read("Name it.").template == "Name it."
    refused = task.read("Is it a <category>?")
    assert refused == Parsed(reason=RejectReason.TOO_MANY_PLACEHOLDERS)


def test_a_run_starts_from_the_seed_of_its_vlm_and_says_so(tmp_path: Path) -> None:
    config = load_config("demo")
    assert config.seed_template is None and seed_template(config) == SEED
    assert check_config(config).seed_template == SEED
    LocalSession.create(config, tmp_path / "run").close()
    state = read_state(tmp_path / "run")
    assert state.config is not None and state.config.seed_template == SEED
    own = load_config("demo", ["seed_template=the <category>"])
    assert with_seed_template(own) == own


def test_no_new_run_starts_from_what_is_no_template(tmp_path: Path) -> None:
    config = load_config("demo", ["seed_template=a photo"])
    wrong = "seed_template is 'a photo'; it needs the placeholder <category>"
    with pytest.raises(ConfigError, match=wrong):
        check_config(config)
    with pytest.raises(ConfigError, match=wrong):
        LocalSession.create(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_what_is_injected_is_held_to_the_rule_too() -> None:
    config = RunConfig.model_validate({"data": {"path": "/images"}})
    state = RunState(config=config)
    assert "it needs the placeholder" in str(injection_problem(state, "a photo"))
    assert injection_problem(state, "my <category>") is None
    assert "the seed template" in str(injection_problem(state, SEED))  # though none was given


def test_the_words_for_the_llm_are_the_tasks() -> None:
    task = task_of(VLMConfig())
    assert "<category>" in task.system_prompt and "<category>" in task.form
