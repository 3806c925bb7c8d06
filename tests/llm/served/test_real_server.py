"""``transformers serve`` with the demo's LLM on this machine: a real server, a real search."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.common.kept import Kept
from engine.config import LLMConfig, SamplingConfig
from engine.llm.loading import load_llm
from engine.prompts.message import Message
from engine.run.result import summarise
from engine.session.local import LocalSession
from engine.storage.journal import fold_journal, read_journal
from tests.support.chat_server import transformers_serve
from tests.support.generators import finished
from tests.support.small_runs import demo, drive

pytest.importorskip("fastapi")  # of transformers serve

KEY = "sk-of-a-real-server"
WEIGHTS = Path(demo().llm.model)
PROMPTS: list[list[Message]] = [
    [{"role": "user", "content": "Write a template."}],
    [
        {"role": "system", "content": "You write prompt templates."},
        {"role": "user", "content": "a photo of a <category>. 50.0\nWrite a better one."},
    ],
]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with transformers_serve(WEIGHTS, tmp_path_factory.mktemp("serve") / "log") as address:
        yield address


def test_its_greedy_replies_are_those_of_the_same_llm_in_this_process(url: str) -> None:
    greedy = SamplingConfig(temperature=0, max_new_tokens=12)
    served = load_llm(LLMConfig(kind="openai", model=str(WEIGHTS), base_url=url), lambda _: None)
    local = load_llm(LLMConfig(model=str(WEIGHTS)), lambda _: None)
    for messages in PROMPTS:
        assert finished(served.propose(messages, greedy, [1])) == finished(
            local.propose(messages, greedy, [1])
        )
    assert served.spending is not None
    assert served.spending.requests == 2 and not served.spending.uncounted
    assert served.spending.tokens_in > served.spending.tokens_out > 0


def test_a_search_with_it_counts_what_it_costs_and_reproduces(
    url: str, tmp_path: Path, kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_KEY", KEY)
    config = demo(
        "steps=1",
        "llm.kind=openai",
        f"llm.model={WEIGHTS}",
        f"llm.base_url={url}",
        "llm.api_key_env=MY_KEY",
        "llm.concurrency=1",  # else seeds of requests that overlap mix in this server
        "llm.price_in=1",
        "llm.price_out=2",
        "proposal.candidates=2",
        "sampling.max_new_tokens=20",
    )
    runs = [tmp_path / "one", tmp_path / "two"]
    states = [drive(LocalSession.create(config, folder, kept=kept)) for folder in runs]
    for state, folder in zip(states, runs, strict=True):
        assert state.status == "finished", state.error
        assert state.models is not None and state.models.llm_layers == 0
        assert state.config is not None and state.config.steering.mode == "off"
        assert any("gives no hidden states" in line.text for line in state.log)
        spending = summarise(state)["spending"]
        assert spending is not None and spending["uncounted"] == 0
        assert spending["requests"] == 2 and spending["tokens_in"] > spending["tokens_out"] > 0
        paid = spending["tokens_in"] + 2 * spending["tokens_out"]
        assert spending["cost"] == pytest.approx(paid / 1_000_000)
        assert fold_journal(folder, read_journal(folder).events).spent == state.spent
        for path in folder.rglob("*"):
            assert path.is_dir() or KEY.encode() not in path.read_bytes()
    replies = [[c.reply for c in state.candidates] for state in states]
    assert replies[0] == replies[1] and len(replies[0]) == 2
    assert "MY_KEY" in (runs[0] / "config.toml").read_text()
    assert os.environ["MY_KEY"] == KEY
