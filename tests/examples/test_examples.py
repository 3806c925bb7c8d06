"""The examples, run as their first line says."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from engine.run import events as ev
from engine.storage.journal import read_journal, read_state
from tests.support import ROOT
from tests.support.command import called
from tests.support.patience import CEILING_SECONDS, wait_until
from tests.support.written_runs import write_run


def example(name: str, *arguments: str, runs: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / "examples" / name), *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT), "GLOV_RUNS_DIR": str(runs)},
        capture_output=True,
        text=True,
        timeout=CEILING_SECONDS,
    )


def test_a_run_without_a_screen_and_its_ranking(tmp_path: Path) -> None:
    ran = example("headless.py", str(tmp_path / "run"), runs=tmp_path)
    assert ran.returncode == 0, ran.stderr
    accuracy, _, template = ran.stdout.strip().partition(" on the test split: ")
    assert accuracy.endswith("%") and "<category>" in template
    ranking = example("ranking.py", "latest", runs=tmp_path)
    assert ranking.returncode == 0, ranking.stderr
    first = ranking.stdout.splitlines()[0]
    assert first.startswith("  1 ") and first.endswith(f": {template!r}")


def test_a_script_drives_a_run_of_another_process_from_pause_to_resume(tmp_path: Path) -> None:
    """Processes as a user's: the engine, and one for each command."""
    folder = tmp_path / "run"
    begun = called("demo", "--run-dir", str(folder), "--set", "steps=5000", "--detach")
    assert begun.returncode == 0, begun.stderr
    try:
        wait_until(lambda: read_state(folder).steps_done > 0)
        mine, wrong = "a blurry photo of a <category>, of mine.", "no placeholder"
        ran = example("driving.py", "run", mine, wrong, runs=tmp_path)
        assert ran.returncode == 0, ran.stderr
        assert "placeholder" in ran.stderr and "Traceback" not in ran.stderr
        first, *_, last = ran.stdout.splitlines()
        assert first.startswith("rank ") and first.endswith(f": {mine}")
        assert last.startswith("step ") and last.endswith("running")
        facts = read_journal(folder).events
        kinds = [fact.kind for fact in facts]
        paused, injected = kinds.index("run-paused"), kinds.index("template-injected")
        scored = next(
            at
            for at, fact in enumerate(facts)
            if isinstance(fact, ev.TemplateScored) and fact.origin == "human"
        )
        assert paused < injected < scored < kinds.index("run-resumed")
        asked = facts[injected]
        assert isinstance(asked, ev.TemplateInjected) and asked.template == mine
        assert (asked.author, asked.reason) == ("driving.py", "words of the trade")
        done = read_state(folder).steps_done
        wait_until(lambda: read_state(folder).steps_done > done)  # it goes on by itself
    finally:
        called("stop", str(folder))
    assert "usage:" in example("driving.py", runs=tmp_path).stderr
    missing = example("driving.py", "run", mine, runs=tmp_path)
    assert missing.returncode == 2 and "no engine is at work" in missing.stderr


def test_a_ranking_is_of_all_templates_and_says_what_is_wrong(tmp_path: Path) -> None:
    write_run(tmp_path / "one", curve=(40, 60))
    lines = example("ranking.py", "one", runs=tmp_path).stdout.splitlines()
    assert [line.split()[1] for line in lines] == ["75.0%", "50.0%", "37.5%"]
    assert lines[-1].endswith("step 0, seed: 'a photo of a <category>.'")
    missing = example("ranking.py", "none", runs=tmp_path)
    assert missing.returncode == 1 and "none" in missing.stderr
    assert "Traceback" not in missing.stderr
