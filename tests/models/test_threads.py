"""Threads by machine and model, and how they wait: what OpenMP is told, and what torch gets."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from engine.models import threads
from tests.support import ROOT
from tests.support.patience import CEILING_SECONDS


@pytest.mark.parametrize(
    ("parameters", "cores", "expected"),
    [(0, 64, 2), (1_200_000, 64, 2), (1_200_000, 1, 1), (135_000_000, 2, 2), (135_000_000, 64, 8),
     (8_000_000_000, 64, 64), (8_000_000_000, 1, 1)],
)  # fmt: skip
def test_a_larger_model_gets_more_threads(parameters: int, cores: int, expected: int) -> None:
    assert threads.threads_for(parameters, cores) == expected


def test_a_quota_limits_the_cores_and_never_to_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    for quota, cores in ((None, 8), (0.2, 1), (1.5, 2), (3.0, 3), (99.0, 8)):
        monkeypatch.setattr(threads, "cpu_quota", lambda quota=quota: quota)
        assert threads.usable_cores() == cores


def headless(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """A run in a process of its own, whose OpenMP says how it was set up."""
    of_openmp = ("OMP", "GOMP", "KMP", "MKL")  # of this process, which may have loaded models
    own = {name: value for name, value in os.environ.items() if not name.startswith(of_openmp)}
    return subprocess.run(
        [sys.executable, "-m", "glov_tui", "demo", "--headless", "--steps", "0", "--json"],
        cwd=folder,
        env={**own, "PYTHONPATH": str(ROOT), "OMP_DISPLAY_ENV": "VERBOSE", **environment},
        capture_output=True,
        text=True,
        timeout=CEILING_SECONDS,
    )


def loaded(folder: Path) -> str:
    (journal,) = folder.glob("runs/*/events.jsonl")
    events = map(json.loads, journal.read_text().splitlines())
    return next(event["threads"] for event in events if event["kind"] == "models-loaded")


def test_a_run_tells_openmp_how_to_wait_and_its_journal_how_many(tmp_path: Path) -> None:
    done = headless(tmp_path)
    assert done.returncode == 0, done.stderr
    number = threads.threads_for(1_200_000, threads.usable_cores())
    assert loaded(tmp_path).startswith(f"{number} thread")
    assert f"GOMP_SPINCOUNT={threads.SPINS}" in loaded(tmp_path)
    assert "test images" in done.stderr and loaded(tmp_path) not in done.stderr
    if "GOMP_SPINCOUNT" in done.stderr:  # torch with libgomp
        assert f"GOMP_SPINCOUNT = '{threads.SPINS}'" in done.stderr


def test_what_the_user_has_set_stays(tmp_path: Path) -> None:
    done = headless(tmp_path, OMP_NUM_THREADS="1", OMP_WAIT_POLICY="ACTIVE")
    assert done.returncode == 0, done.stderr
    said = loaded(tmp_path)
    assert said.startswith("1 thread on ") and "OMP_NUM_THREADS=1" in said
    assert said.endswith("OMP_WAIT_POLICY=ACTIVE")
    assert f"GOMP_SPINCOUNT = '{threads.SPINS}'" not in done.stderr
