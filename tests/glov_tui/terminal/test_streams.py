"""Standard streams that are closed, full or read by nobody, of commands as shells start them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import ROOT
from tests.support.command import called
from tests.support.patience import CEILING_SECONDS
from tests.support.written_runs import write_run


def shell(line: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run ``line`` in bash, where ``glov`` is the command."""
    glov = f'glov() {{ "{sys.executable}" -m glov_tui "$@"; }}; set -o pipefail; '
    return subprocess.run(
        ["bash", "-c", glov + line],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        timeout=CEILING_SECONDS,
    )


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_run_needs_no_standard_stream(tmp_path: Path, closed: str) -> None:
    done = shell(f"glov demo --headless --steps 0 --run-dir r {closed}", tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    lines = (tmp_path / "r" / "events.jsonl").read_text().splitlines()
    assert json.loads(lines[-1])["kind"] == "run-finished"
    assert all(json.loads(line) for line in lines)  # nobody else wrote into it


@pytest.mark.parametrize("command", ["runs", "runs --json", "config show demo", "datasets --json"])
def test_what_prints_says_when_it_can_not(tmp_path: Path, command: str) -> None:
    write_run(tmp_path / "runs" / "done", curve=(40, 60))
    done = shell(f"glov {command} >&-", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    full = shell(f"glov {command} >/dev/full", tmp_path)
    assert full.returncode == 1
    assert full.stderr == "glov: standard output can't be written: No space left on device\n"
    assert shell(f"glov {command} >/dev/full 2>&1", tmp_path).returncode == 1
    piped = shell(f"glov {command} | head -c 1", tmp_path)
    assert len(piped.stdout) == 1 and not piped.stderr


@pytest.mark.parametrize("unused", ["2>&-", "<&-", "2>/dev/full"])
def test_what_prints_needs_no_other_stream(tmp_path: Path, unused: str) -> None:
    write_run(tmp_path / "runs" / "done", curve=(40, 60))
    done = shell(f"glov runs {unused}", tmp_path)
    assert (done.returncode, done.stderr) == (0, "") and "done" in done.stdout


def test_a_full_disk_takes_the_result_and_not_the_run(tmp_path: Path) -> None:
    write_run(tmp_path / "runs" / "done", curve=(40, 60))
    done = shell("glov resume done --json >/dev/full", tmp_path)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "the run is whole: `glov resume done --headless` prints its result" in done.stderr
    assert "No space left on device" in done.stderr


def test_wrong_calls_are_said_where_nothing_can_be_printed(tmp_path: Path) -> None:
    for closed in ("2>&-", "2>/dev/full", "<&- >&- 2>&-"):
        done = shell(f"glov resume nothing {closed}", tmp_path)
        assert (done.returncode, done.stdout, done.stderr) == (2, "", "")


def test_a_tilde_that_the_shell_has_left(tmp_path: Path) -> None:
    """As in --run-dir=~/x, which bash hands on as it is."""
    home, here = tmp_path / "home", tmp_path / "here"
    home.mkdir()
    here.mkdir()

    def glov(*arguments: str) -> subprocess.CompletedProcess[str]:
        return called(*arguments, cwd=here, HOME=str(home), GLOV_RUNS_DIR="~/runs")

    quick = ("demo", "--headless", "--steps", "0")
    for place in ((), ("--run-dir=~/one",)):
        done = glov(*quick, *place)
        assert done.returncode == 0, done.stderr
    assert (home / "one" / "events.jsonl").is_file()
    listed = json.loads(glov("runs", "--json").stdout)
    assert [run["status"] for run in listed] == ["finished"]
    assert glov("config", "init", "~/my.toml").returncode == 0
    assert glov("config", "show", "~/my.toml").returncode == 0 and (home / "my.toml").is_file()
    assert not list(here.iterdir())
    lost = glov("demo", "--run-dir=~no_such_person/x")
    assert lost.returncode == 2 and "there is no home folder" in lost.stderr


@pytest.mark.parametrize("command", ["demo --headless", "config show demo"])
def test_a_folder_that_was_deleted_under_the_shell_is_said(tmp_path: Path, command: str) -> None:
    (tmp_path / "gone").mkdir()
    done = shell(f"cd gone; rmdir ../gone; glov {command}", tmp_path)
    assert done.returncode == 2
    assert done.stderr.endswith("the folder that you are in was deleted; cd to one that is there\n")
    assert "Traceback" not in done.stderr
