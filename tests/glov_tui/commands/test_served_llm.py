"""Commands that meet an LLM on a server."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.analysis.run_list import list_runs
from engine.common.errors import ConfigError
from engine.config.toml_file import load_config
from engine.run import events as ev
from engine.storage.journal import Journal, read_state
from glov_tui.commands.doctor import report
from glov_tui.commands.headless import conclude
from glov_tui.commands.steer import Request, steer
from tests.support.chat_server import chat_server, refuses, replies
from tests.support.sessions import BEST, HeldSession, loaded, one_step

KEY = "sk-of-this-doctor"
SERVED = ["llm.kind=openai", "llm.model=m"]


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def test_doctor_asks_the_server_of_a_configuration(capsys: pytest.CaptureFixture[str]) -> None:
    with chat_server(replies("x")) as server:
        here = [*SERVED, f"llm.base_url={server.url}"]
        assert report(True, "demo", here) == 0
        printed = capsys.readouterr().out
        assert json.loads(printed)["llm"] == {
            "address": server.url,
            "model": "m",
            "key": "OPENAI_API_KEY is set",
            "answers": True,
            "models": 1,
        }
        assert not server.asked and KEY not in printed  # nothing was asked of a model
        server.models = ("gpt-n", "mm")
        assert report(True, "demo", here) == 0
        note = json.loads(capsys.readouterr().out)["llm"]["note"]
        assert "does not list m; it has mm" in note
        server.models = 401
        assert report(False, "demo", here) == 1
        printed = capsys.readouterr().out
        assert "does not take the key" in " ".join(printed.split()) and KEY not in printed
    assert report(True, "demo") == 0 and "llm" not in json.loads(capsys.readouterr().out)
    with pytest.raises(ConfigError, match="glov doctor CONFIG --set"):
        report(True, None, ["steps=3"])
    with pytest.raises(ConfigError, match="price_in and llm.price_out"):
        report(True, "demo", [*SERVED, "llm.price_in=1"])


def test_steer_says_why_it_can_not() -> None:
    with chat_server(refuses(500, "never asked")) as server:
        request = Request(
            run=None,
            config="demo",
            overrides=[*SERVED, f"llm.base_url={server.url}"],
            positive="a dark <category>.",
            negative="a <category>.",
            prompt="Write one.",
            layers=(),
            alphas=(),
            mode=None,
            alpha_unit=None,
            pool=None,
            replies=1,
            seed=0,
            lens=False,
            fitness=False,
            as_json=False,
        )
        with pytest.raises(ConfigError, match="m can't be steered: it runs on a server.*kind"):
            steer(request)
        assert not server.keys


def test_what_a_run_cost_is_in_its_result_and_in_the_list_of_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    used = ev.ServerUsed(step=1, requests=3, tokens_in=1200, tokens_out=34, cost=0.5)
    events = [*loaded(load_config("demo", SERVED)), *one_step(1, {BEST: 7}), used]
    events += [used, ev.RunFinished(step=1)]
    journal = Journal.create(tmp_path / "r")
    journal.append(*events)
    journal.close()
    session = HeldSession(tmp_path / "r", *events)
    session.state = read_state(tmp_path / "r")
    conclude(session, as_json=False)
    assert "2,400 tokens in, 68 out, cost 1" in " ".join(capsys.readouterr().out.split())
    conclude(session, as_json=True)
    assert json.loads(capsys.readouterr().out)["spending"] == {
        "requests": 6,
        "tokens_in": 2400,
        "tokens_out": 68,
        "uncounted": 0,
        "cost": 1.0,
    }
    (line,) = (run.as_dict() for run in list_runs([str(tmp_path)]))
    assert (line["tokens_in"], line["tokens_out"], line["cost"]) == (2400, 68, 1.0)
