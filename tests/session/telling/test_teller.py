"""A run's engine tells its user, screen or none, and goes on whatever comes of it."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.common.kept import Kept
from engine.config.user_file import user_file
from engine.remote.process import start_engine
from engine.run import events as ev
from engine.run.commands import Stop
from engine.run.state import RunState
from engine.session.local import LocalSession
from engine.session.telling.teller import telling
from engine.storage.journal import Journal, read_journal
from engine.storage.quiet import is_quiet, set_quiet
from engine.storage.run_folder import EVENTS, LOG
from tests.support.command import called, started
from tests.support.notified import TOKEN, Chat, chatting
from tests.support.patience import wait_until
from tests.support.small_runs import demo, drive

KEEPS = """
import os, sys
with open(sys.argv[1], "a") as file:
    file.write(sys.stdin.read())
"""


@pytest.fixture
def chat() -> Iterator[Chat]:
    with chatting() as server:
        yield server


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the user's program keeps what it is told."""
    monkeypatch.setenv("GLOV_CONFIG_DIR", str(tmp_path / "settings"))
    user_file().parent.mkdir(mode=0o700)
    (tmp_path / "keep.py").write_text(KEEPS)
    said = tmp_path / "told.jsonl"
    _say(f"command = {json.dumps([sys.executable, str(tmp_path / 'keep.py'), str(said)])}")
    return said


def _say(*lines: str) -> None:
    with user_file().open("a") as file:
        if file.tell() == 0:
            file.write("[notify]\nevery = 0\n")
        file.write("".join(f"{line}\n" for line in lines))


def kinds(said: Path) -> list[str]:
    lines = said.read_text().splitlines() if said.exists() else []
    return [json.loads(line)["event"] for line in lines]


def tell(session: LocalSession) -> None:
    with telling(session):
        drive(session)


def test_a_run_tells_of_new_bests_and_its_end(told: Path, run_folder: Path, kept: Kept) -> None:
    tell(LocalSession.create(demo(), run_folder, kept=kept))
    said = kinds(told)
    assert said[-1] == "finished" and set(said) <= {"new-best", "finished"}
    assert all(event.kind != "warned" for event in read_journal(run_folder).events)
    tell(LocalSession.resume(run_folder, kept=kept))
    assert kinds(told) == said, "a finished run that is opened again tells nothing"


def test_failure_is_told(told: Path, run_folder: Path, kept: Kept) -> None:
    config = demo("data.dataset=image-folder", f"data.path={run_folder.parent / 'nowhere'}")
    tell(LocalSession.create(config, run_folder, kept=kept))
    assert kinds(told) == ["failed"]
    assert "nowhere" in json.loads(told.read_text())["text"]


def test_a_stop_that_was_asked_for_is_no_news(told: Path, run_folder: Path, kept: Kept) -> None:
    session = LocalSession.create(demo(), run_folder, kept=kept)
    session.send(Stop())
    tell(session)
    assert session.state.status == "stopped" and kinds(told) == []


def test_an_engine_that_hangs_is_told_of(told: Path, run_folder: Path, kept: Kept) -> None:
    _say("stalled_after = 0.05")
    session = LocalSession.create(demo(), run_folder, kept=kept)

    def hang(event: ev.Event, _: RunState) -> None:
        """On the engine's thread, until it was told of."""
        if isinstance(event, ev.StepStarted) and event.step == 2:
            wait_until(lambda: "stalled" in kinds(told))

    session.listen(hang)
    tell(session)
    assert session.state.status == "finished" and kinds(told)[-1] == "finished"


def test_a_run_that_is_quiet_tells_nothing(told: Path, run_folder: Path, kept: Kept) -> None:
    session = LocalSession.create(demo(), run_folder, kept=kept)
    set_quiet(run_folder, True)
    assert is_quiet(run_folder)
    tell(session)
    assert kinds(told) == []
    set_quiet(run_folder, False)
    set_quiet(run_folder, False)
    assert not is_quiet(run_folder)


def test_what_fails_is_a_line_in_the_log_and_no_harm(
    told: Path,
    run_folder: Path,
    kept: Kept,
    undisturbed: Path,
    chat: Chat,
) -> None:
    user_file().write_text("")
    program = json.dumps([sys.executable, "-c", "print('so it goes'); raise SystemExit(7)"])
    _say(f"command = {program}", f'webhook = "{chat.address}"', "retries = 0")
    chat.answers = [404] * 100
    session = LocalSession.create(demo(), run_folder, kept=kept)
    tell(session)
    assert session.state.status == "finished"
    log = (run_folder / LOG).read_text()
    assert "failed (exit status 7)" in log and "so it goes" in log
    assert "the webhook: its server answers 404" in log
    everything = log + (run_folder / EVENTS).read_text()
    assert TOKEN not in everything and "so it goes" not in (run_folder / EVENTS).read_text()
    best = [template.text for template in session.state.ranking]
    other = LocalSession.resume(undisturbed, kept=kept)
    assert best == [template.text for template in other.state.ranking]
    other.close()


def test_settings_that_are_wrong_are_said_and_the_run_goes_on(
    told: Path, run_folder: Path, kept: Kept
) -> None:
    user_file().write_text("[notify]\ntimeout = -1")
    session = LocalSession.create(demo("steps=1"), run_folder, kept=kept)
    tell(session)
    assert session.state.status == "finished" and kinds(told) == []
    assert any("notify.timeout" in line.text for line in session.state.log)


def test_one_that_is_wrong_does_not_keep_the_other_back(
    told: Path, run_folder: Path, kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MY_HOOK", raising=False)
    _say('webhook_env = "MY_HOOK"')
    session = LocalSession.create(demo("steps=1"), run_folder, kept=kept)
    tell(session)
    assert kinds(told)[-1] == "finished"
    said = "notify.webhook_env: MY_HOOK is not set in the environment; nobody is told of this run"
    assert [said in line.text for line in session.state.log].count(True) == 1


def test_the_engine_of_a_detached_run_tells(
    told: Path,
    run_folder: Path,
    chat: Chat,
) -> None:
    _say(f'webhook = "{chat.address}"')
    Journal.begin(demo("steps=1"), run_folder).close()
    process = start_engine(run_folder)
    assert process.wait() == 0, (run_folder / LOG).read_text()
    assert kinds(told)[-1] == "finished"
    assert chat.posted[-1]["event"] == "finished" and chat.posted[-1]["test_accuracy"] is not None


def test_a_headless_run_tells(told: Path, run_folder: Path) -> None:
    done = called("demo", "--headless", "--steps", "1", "--run-dir", str(run_folder))
    assert done.returncode == 0, done.stderr
    assert kinds(told)[-1] == "finished"


def test_what_hangs_when_the_run_has_ended_can_be_ended_and_stays_nowhere(
    told: Path, run_folder: Path, tmp_path: Path
) -> None:
    """The run's result is there, and its exit code is its own."""
    hangs = tmp_path / "hangs.py"
    hangs.write_text(
        "import os, sys, time\n"
        "print(os.getpid(), file=open(sys.argv[1], 'w'), flush=True)\n"
        "time.sleep(3600)\n"
    )
    program = json.dumps([sys.executable, str(hangs), str(told)])
    user_file().write_text(f'[notify]\non = ["finished"]\ntimeout = 600\ncommand = {program}\n')
    arguments = ["demo", "--headless", "--steps", "1", "--run-dir", str(run_folder)]
    with (tmp_path / "out").open("wb") as out, (tmp_path / "errors").open("wb") as errors:
        process = started(*arguments, cwd=tmp_path, output=out.fileno(), errors=errors.fileno())
    wait_until(lambda: "ctrl+c ends that" in (tmp_path / "errors").read_text())
    child = int(wait_until(told.read_text))
    process.kill(signal.SIGINT)
    assert process.wait() == 0, (tmp_path / "errors").read_text()
    wait_until(lambda: not Path(f"/proc/{child}").exists())
    assert "was ended before it was done" in (run_folder / LOG).read_text()
