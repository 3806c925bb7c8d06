"""What the cockpit says of a run whose LLM is on a server."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.config.toml_file import load_config
from engine.run import events as ev
from glov_tui.cockpit.lab.obstacles import obstacle
from glov_tui.cockpit.lab.views import head_text
from glov_tui.cockpit.panes.candidates import CandidatesPane
from glov_tui.cockpit.panes.status import StatusLine
from glov_tui.cockpit.panes.steering_lines import Marks, steering_lines
from tests.support.patience import until
from tests.support.sessions import BEST, HeldSession, cockpit, loaded, one_step


def used(cost: float | None, uncounted: int = 0) -> ev.ServerUsed:
    return ev.ServerUsed(
        step=1, requests=3, tokens_in=1200, tokens_out=34, uncounted=uncounted, cost=cost
    )


@pytest.fixture
def session(tmp_path: Path) -> HeldSession:
    config = load_config("demo", ["llm.kind=openai", "llm.model=m"])
    begun, models, *others = loaded(config)
    models = models.model_copy(update={"llm_layers": 0})
    return HeldSession(tmp_path, begun, models, *others, *one_step(1, {BEST: 7}))


async def test_what_it_waits_for_and_costs_is_shown_and_goes(session: HeldSession) -> None:
    waits = ev.Progress(phase="proposing", detail="rate limit, 12 s", total=50)
    session.apply(used(0.00123), ev.StepStarted(step=2), waits)
    async with cockpit(session, (200, 50)) as (_pilot, app):
        line, pane = app.query_one(StatusLine), app.query_one(CandidatesPane)
        assert "rate limit, 12 s" in line.line(session.state)
        assert "cost 0.00123" in line.line(session.state)
        await until(lambda: "rate limit, 12 s" in str(pane.border_subtitle))
        session.apply(
            ev.TokensStreamed(step=2, attempt=1, texts=("a",)),
            ev.Progress(phase="proposing", done=1, total=50),
        )
        await until(lambda: "rate limit" not in str(pane.border_subtitle))
        assert "proposing 1/50" in line.line(session.state)


@pytest.mark.parametrize(
    ("event", "short"), [(used(None), "1,234 tokens"), (used(0.5, uncounted=1), "cost >0.5")]
)
async def test_tokens_without_a_price_and_costs_that_are_not_all(
    session: HeldSession, event: ev.ServerUsed, short: str
) -> None:
    session.apply(event)
    async with cockpit(session, (200, 50)) as (_pilot, app):
        assert short in app.query_one(StatusLine).line(session.state)


def test_steering_and_the_lab_say_why_there_is_none(session: HeldSession) -> None:
    assert steering_lines(session.state, 80, 20, Marks()) == (["off: the LLM is on a server"], [])
    assert head_text(session.state, 80).startswith("run not steered\n")
    said = obstacle(session.state, ended=False, run="r", key=str)
    assert said is not None and "on a server, which gives no hidden states" in said
