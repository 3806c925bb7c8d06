"""An LLM whose decoder layers are not found: it is asked, and never steered."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from engine.common.errors import ModelError
from engine.common.kept import Kept
from engine.config import LLMConfig, RunConfig, SamplingConfig
from engine.llm.loading import LOADERS, load_llm
from engine.llm.transformers_llm import LocalLLM
from engine.llm.transformers_loading import load_model
from engine.run.edit_check import edit_problem
from engine.run.edits import SetOption
from engine.run.state import RunState
from engine.session.local import LocalSession
from tests.support.generators import finished
from tests.support.hidden_layers import hide_layers
from tests.support.modules import modules_after
from tests.support.small_runs import demo, drive
from tests.support.tiny_llm import tiny_model, tiny_tokenizer

MESSAGES = [{"role": "user", "content": "Write one."}]


def load(config: RunConfig) -> tuple[LocalLLM, Kept]:
    """The LLM of a configuration with its layers hidden, and it kept for runs."""
    model, tokenizer = load_model(config.llm, lambda _stage: None)
    llm = LocalLLM(config.llm.model, hide_layers(model), tokenizer)
    kept = Kept()
    return kept.get("LLM", config.llm, lambda: llm), kept


def test_it_says_what_it_would_have_said_and_is_refused_where_it_is_to_be_steered(
    tmp_path: Path,
) -> None:
    config = demo("steps=1", "steering.mode=off")
    _, kept = load(config)
    odd = drive(LocalSession.create(config, tmp_path / "odd", kept=kept))
    assert odd.status == "finished", odd.error
    assert odd.models is not None and odd.models.llm_layers == 0
    plain = drive(LocalSession.create(config, tmp_path / "plain"))
    replies = [[c.comparable() for c in state.candidates] for state in (odd, plain)]
    assert replies[0] == replies[1] != []

    # Nothing switches steering on, once the run is there or before it.
    state = RunState(config=config, models=odd.models)
    for key, value in (("mode", "last-token"), ("mode", None), ("layers", [0])):
        problem = edit_problem(state, SetOption(key=f"steering.{key}", value=value))
        assert "can't be steered: its decoder layers were not found" in str(problem)
    assert edit_problem(state, SetOption(key="steering.mode", value="off")) is None
    assert edit_problem(state, SetOption(key="steering.alpha", value=2.0)) is None
    steered = LocalSession.create(demo("steps=1"), tmp_path / "steered", kept=kept)
    state = drive(steered)
    assert state.status == "failed" and "can't be steered" in str(state.error)
    assert "steering.mode = off" in str(state.error)


@pytest.mark.parametrize("family", ["llama", "llama-gqa-tied"])
def test_its_replies_are_those_of_the_same_model_with_layers(family: str) -> None:
    sampling, seeds = SamplingConfig(max_new_tokens=8), [1, 2, 3]
    whole = LocalLLM("tiny", tiny_model(family), tiny_tokenizer())
    odd = LocalLLM("tiny", hide_layers(tiny_model(family)), tiny_tokenizer())
    assert odd.layers == 0 and odd.layouts.plain == whole.layouts.plain
    replies = [finished(llm.propose(MESSAGES, sampling, seeds)) for llm in (whole, odd)]
    assert replies[0] == replies[1]


def test_what_needs_its_hidden_states_is_refused_in_words() -> None:
    odd = LocalLLM("tiny", hide_layers(tiny_model("llama")), tiny_tokenizer())
    whole = LocalLLM("tiny", tiny_model("llama"), tiny_tokenizer())
    with pytest.raises(ModelError, match="tiny can't be steered"):
        odd.direction("a <category>", "the <category>", "no-bos")
    with pytest.raises(ModelError, match="tiny can't be steered"):
        odd.lens(whole.direction("a <category>", "the <category>", "no-bos"))


def test_every_kind_of_llm_has_a_loader_that_loads_nothing_before_it_is_called() -> None:
    assert set(LOADERS) == set(get_args(LLMConfig.model_fields["kind"].annotation))
    assert not modules_after("import engine.llm.loading") & {"torch", "transformers"}
    with pytest.raises(ModelError, match="no folder"):
        load_llm(LLMConfig(model="./nowhere"), lambda _stage: None)
