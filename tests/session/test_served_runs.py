"""Runs whose LLM is on a server: pausing, stopping and failing while it is waited for, and cost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.common.kept import Kept
from engine.config import RunConfig
from engine.llm.halving import HalvingLLM
from engine.llm.loading import load_llm
from engine.run import events as ev
from engine.run.commands import Pause, Resume, Stop
from engine.run.edit_check import edit_problem
from engine.run.edits import SetOption
from engine.run.emitting import one_by_one
from engine.run.result import summarise
from engine.run.state import RunState
from engine.search.bill import Bill
from engine.session.judging import LLMJudge, judge_config
from engine.session.local import LocalSession
from engine.storage.journal import read_journal
from tests.support.chat_server import (
    Answer,
    ChatServer,
    Handler,
    chat_server,
    chunk,
    hangs,
    refuses,
    replies,
    says,
)
from tests.support.small_runs import demo, drive
from tests.support.watching import Watch, finish, is_kind

KEY = "sk-of-these-runs"
COLOURS = ("red", "blue", "green", "grey", "pink", "brown", "black", "white")


def _template(handler: Handler, body: dict[str, Any]) -> None:
    """Another template for each seed, as a server that honours seeds gives it."""
    colour = COLOURS[body["seed"] % len(COLOURS)]
    replies(f"a photo of a {colour} <category>.", tokens=(100, 10))(handler, body)


WRITES: Answer = _template


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with chat_server(WRITES) as running:
        yield running


def served(server: ChatServer, *overrides: str) -> RunConfig:
    return demo(
        "steps=2",
        "evaluation.every=0",
        "llm.kind=openai",
        "llm.model=m",
        f"llm.base_url={server.url}",
        "llm.price_in=1",
        "llm.price_out=10",
        "proposal.candidates=3",
        *overrides,
    )


def waits(reason: str) -> Callable[[ev.Event], bool]:
    def when(event: ev.Event) -> bool:
        is_progress = isinstance(event, ev.Progress) and event.phase == "proposing"
        return is_progress and event.detail.startswith(reason)

    return when


def test_one_can_pause_go_on_and_stop_while_a_server_says_nothing(
    server: ChatServer, tmp_path: Path, kept: Kept
) -> None:
    server.script[:] = [hangs()]
    watch = Watch()
    session = watch.session = LocalSession.create(served(server), tmp_path / "r", watch, kept)
    watch.at(waits("server silent"), Pause())
    session.start()
    watch.wait_for(is_kind(ev.RunPaused))
    assert session.state.status == "paused" and session.state.step == 1
    session.send(Resume())
    watch.wait_for(is_kind(ev.RunResumed))
    session.send(Stop())
    assert session.wait(600) and session.state.status == "stopped"
    server.let_go.set()
    server.script[:] = [WRITES]
    again = LocalSession.resume(tmp_path / "r", kept=kept)
    again.start()
    state = finish(again)
    assert state.steps_done == 2 and len(state.templates) > 2


def test_a_run_whose_server_fails_ends_in_words_and_goes_on_as_if_it_had_not(
    server: ChatServer, tmp_path: Path, kept: Kept
) -> None:
    whole = drive(LocalSession.create(served(server), tmp_path / "whole", kept=kept))
    assert whole.status == "finished", whole.error
    wrong = refuses(401, {"error": {"message": f"no such key: {KEY}"}})
    server.script[:] = [WRITES] * 4 + [wrong]  # in the middle of step 2
    config = served(server, "llm.concurrency=1")
    cut = drive(LocalSession.create(config, tmp_path / "r", kept=kept))
    assert cut.status == "failed" and "does not take the key in OPENAI_API_KEY" in str(cut.error)
    assert "glov resume" in str(cut.error)
    files = [path for path in (tmp_path / "r").rglob("*") if path.is_file()]
    assert files and not any(KEY.encode() in path.read_bytes() for path in files)
    server.script[:] = [WRITES]
    ended = drive(LocalSession.resume(tmp_path / "r", kept=kept))
    assert ended.status == "finished", ended.error
    assert [t.text for t in ended.ranking] == [t.text for t in whole.ranking]
    # What was paid for stands, also where a step was cut off and begun again.
    used = [e for e in read_journal(tmp_path / "r").events if isinstance(e, ev.ServerUsed)]
    assert ended.spent is not None and ended.spent.requests == sum(e.requests for e in used)


def test_the_rate_limit_is_shown_while_it_lasts_and_told_once(
    server: ChatServer, tmp_path: Path, kept: Kept
) -> None:
    limit = refuses(429, {"error": {"message": "slow"}}, {"retry-after-ms": "700"})
    server.script[:] = [limit, limit, WRITES]
    watch = Watch()
    session = LocalSession.create(served(server), tmp_path / "r", watch, kept)
    session.start()
    state = finish(session)
    assert any(waits("rate limit")(event) for event in watch.seen)
    told = [line.text for line in state.log if "limits the rate" in line.text]
    assert len(told) == 1 and not told[0].endswith("x2")


def test_what_it_costs_is_counted_and_can_be_limited(
    server: ChatServer, tmp_path: Path, kept: Kept
) -> None:
    config = served(server, "llm.max_cost=0.0003")
    folder = tmp_path / "r"
    state = drive(LocalSession.create(config, folder, kept=kept))
    assert state.status == "failed" and "llm.max_cost is 0.0003" in str(state.error)
    assert state.steps_done == 1 and state.spent is not None
    assert (state.spent.requests, state.spent.tokens_in, state.spent.tokens_out) == (3, 300, 30)
    assert state.spent.cost == pytest.approx(0.0006)
    places = {"llm.max_cost": 1.0}
    state = drive(LocalSession.resume(folder, kept=kept, places=places))
    assert state.status == "finished", state.error
    spending = summarise(state)["spending"]
    assert spending is not None and spending["requests"] == 6
    assert spending["cost"] == pytest.approx(0.0012)


def test_a_server_that_says_no_tokens_is_told_as_uncounted(
    server: ChatServer, tmp_path: Path, kept: Kept
) -> None:
    server.script[:] = [says(chunk("a red <category>."), chunk(finish="stop"))]
    state = drive(LocalSession.create(served(server, "steps=1"), tmp_path / "r", kept=kept))
    assert state.spent is not None and state.spent.uncounted == state.spent.requests
    assert state.spent.describe().startswith("at least 0 tokens in")


def test_it_is_not_steered_and_no_edit_can_have_it_be(
    server: ChatServer, tmp_path: Path, kept: Kept
) -> None:
    state = drive(LocalSession.create(served(server), tmp_path / "r", kept=kept))
    assert state.status == "finished", state.error
    kinds = {event.kind for event in read_journal(tmp_path / "r").events}
    assert "steering-prepared" not in kinds and "server-used" in kinds
    begun = RunState(config=state.config, models=state.models)
    problem = edit_problem(begun, SetOption(key="steering.mode", value="last-token"))
    assert "m can't be steered: it runs on a server" in str(problem)


def test_an_llm_that_judges_on_the_server_is_paid_for_too(server: ChatServer) -> None:
    config = served(server)
    llm = load_llm(config.llm, lambda _: None)
    bill = Bill(config.llm, llm)
    server.script[:] = [replies("REFUSED", tokens=(200, 1))]
    judge = LLMJudge(HalvingLLM(llm, pytest.fail), thinking_tokens=0)
    assert judge("How is it made?", "I can't help with that.") is True
    assert judge("How is it made?", "I can't help with that.") is True  # it is known already
    assert server.asked[0]["temperature"] == 0
    (used,) = one_by_one(bill.settled(RunState(), step=4))
    assert isinstance(used, ev.ServerUsed) and (used.step, used.requests) == (4, 1)
    assert (used.tokens_in, used.tokens_out) == (200, 1)
    assert used.cost == pytest.approx(0.00021)
    assert not list(one_by_one(bill.settled(RunState(), step=5)))
    own = judge_config(config.llm, "org/judge")
    assert (own.kind, own.model) == ("local", "org/judge")


def test_a_run_goes_on_with_the_model_that_it_began_with(
    server: ChatServer, tmp_path: Path, kept: Kept
) -> None:
    folder = tmp_path / "r"
    state = drive(LocalSession.create(served(server, "llm.max_cost=0.0003"), folder, kept=kept))
    assert state.status == "failed"
    with chat_server(WRITES) as moved:
        places = {"llm.base_url": moved.url, "llm.model": "another", "llm.max_cost": None}
        state = drive(LocalSession.resume(folder, kept=kept, places=places))
        assert state.status == "failed" and "the LLM that is there now" in str(state.error)
        places["llm.model"] = "m"
        state = drive(LocalSession.resume(folder, kept=kept, places=places))
        assert state.status == "finished", state.error
        assert moved.asked
