"""Runs on the demo's images whose templates a real LLM proposes: to the end, and killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from engine.common.kept import Kept
from engine.config import RunConfig
from engine.config.toml_file import load_config
from engine.llm.transformers_llm import LocalLLM
from engine.run.experiment import CompareSettings, RepliesCompared
from engine.run.state import RunState
from engine.session.experiments import experiment_events
from engine.session.local import LocalSession
from engine.storage.journal import read_journal
from engine.storage.past_step import read_past_step
from tests.support import ROOT
from tests.support.small_runs import drive, outcome

PREFIX = "a photo of a <category>"
REPLIES = 4


def overrides(model: Path) -> list[str]:
    return [
        "steps=3",
        "data.shots=1",
        f"llm.model={model}",
        f"proposal.reply_prefix={PREFIX}",
        f"proposal.candidates={REPLIES}",
        "proposal.attempts=1",
        "sampling.max_new_tokens=16",
        "steering.alpha=0.5",
    ]


@pytest.fixture(scope="module")
def config(smollm2: Path) -> RunConfig:
    return load_config("demo", overrides(smollm2))


@pytest.fixture(scope="module")
def models(config: RunConfig, real_llm: LocalLLM) -> Kept:
    kept = Kept()
    kept.get("LLM", config.llm, lambda: real_llm)
    return kept


@pytest.fixture(scope="module")
def undisturbed(config: RunConfig, models: Kept, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("real") / "undisturbed"
    drive(LocalSession.create(config, folder, kept=models))
    return folder


def test_three_steps(undisturbed: Path) -> None:
    facts = read_journal(undisturbed).events
    replies = [fact for fact in facts if fact.kind == "candidate-proposed"]
    assert len(replies) == 3 * REPLIES
    usable = [reply for reply in replies if reply.outcome != "rejected"]
    assert len(usable) >= 0.8 * len(replies)
    assert all(reply.template.lower().startswith(PREFIX) for reply in usable)
    scored = [fact for fact in facts if fact.kind == "template-scored" and fact.origin == "llm"]
    assert len(scored) >= len(replies) / 2
    found = outcome(undisturbed)
    assert len(found["steps"]) == 3 and len(found["ranking"]) == len(scored) + 1


def test_a_steered_step_that_is_tried_again_gives_its_own_replies_word_for_word(
    undisturbed: Path, real_llm: LocalLLM
) -> None:
    state = RunState().apply_all(read_journal(undisturbed).events)
    step = next(asked.step for asked in reversed(state.asked) if asked.steered is not None)
    past = read_past_step(undisturbed, step)
    assert past.setting is not None and past.effect is not None
    off = past.setting.model_copy(update={"mode": "off"})
    asked = CompareSettings(left=off, right=past.setting, replies=REPLIES, step=step)
    search = SimpleNamespace(llm=real_llm)  # all that a past step is tried again with
    *_, last = experiment_events(asked, state, search, True, undisturbed)
    assert isinstance(last.found, RepliesCompared)
    texts = [reply.text.strip() for reply in last.found.right]
    assert texts == [reply.reply.strip() for reply in past.replies]
    kl = [value for reply in last.found.right for value in reply.kl]
    assert len(kl) == past.effect.tokens
    assert sum(kl) / len(kl) == pytest.approx(past.effect.kl, rel=1e-3)


def test_killed_and_resumed_it_ends_the_same(
    smollm2: Path, models: Kept, undisturbed: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "killed"
    sets = [part for override in overrides(smollm2) for part in ("--set", override)]
    command = [sys.executable, "-m", "glov_tui", "run", "demo", "--headless", *sets]
    process = subprocess.Popen(
        [*command, "--run-dir", str(folder)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        journal = folder / "events.jsonl"
        while not journal.exists() or journal.read_text().count('"step-started"') < 2:
            assert process.poll() is None, process.stdout.read()
            time.sleep(0.05)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
    done = [fact for fact in read_journal(folder).events if fact.kind == "step-finished"]
    assert 1 <= len(done) < 3
    drive(LocalSession.resume(folder, kept=models))
    assert outcome(folder) == outcome(undisturbed)
