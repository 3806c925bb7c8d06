"""The examples, run as their first line says."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.support import ROOT
from tests.support.patience import CEILING_SECONDS
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


def test_a_ranking_is_of_all_templates_and_says_what_is_wrong(tmp_path: Path) -> None:
    write_run(tmp_path / "one", curve=(40, 60))
    lines = example("ranking.py", "one", runs=tmp_path).stdout.splitlines()
    assert [line.split()[1] for line in lines] == ["75.0%", "50.0%", "37.5%"]
    assert lines[-1].endswith("step 0, seed: 'a photo of a <category>.'")
    missing = example("ranking.py", "none", runs=tmp_path)
    assert missing.returncode == 1 and "none" in missing.stderr
    assert "Traceback" not in missing.stderr
