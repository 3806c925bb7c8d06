"""`glov runs` as a user sees it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from engine.run import events as ev
from engine.storage.journal import Journal
from glov_tui.commands.runs import print_runs
from tests.support.privileges import sealed
from tests.support.written_runs import write_run


def test_no_name_is_broken_and_all_is_harmless(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GLOV_RUNS_DIR", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "80")
    name = "clip-paper-with-a-rather-long-name-20260101-120000"
    write_run(tmp_path / name)
    fork = write_run(tmp_path / f"{name}-fork", finished=False)
    journal = Journal(fork)
    hostile = "\x1b[2J[bold]other[/bold]"
    journal.append(ev.RunForked(parent=hostile, step=1), ev.RunFailed(message=f"x {hostile}"))
    journal.close()
    print_runs([], as_json=False)
    text = capsys.readouterr().out
    assert "\x1b" not in text and "[bold]" in text
    lines = text.partition("\n- ")[0].splitlines()
    assert [line.split()[0] for line in lines if line.startswith("clip")] == [name, f"{name}-fork"]
    assert "\ufffd[2J[bold]other[/bold] at step 1" in text and "…" not in text
    assert "75.0" in text and "failed" in text and "1/2" in text
    print_runs([], as_json=True)
    runs = json.loads(capsys.readouterr().out)
    assert [run["status"] for run in runs] == ["finished", "failed"]
    assert runs[1]["parent"] == hostile and runs[1]["parent_step"] == 1


def test_runs_with_ordinary_names_fit_80_columns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GLOV_RUNS_DIR", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "80")
    write_run(tmp_path / "demo-20261128-120000")
    print_runs([], as_json=False)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0].split() == ["best", "best", "ensemble"]
    assert lines[1].split() == ["run", "state", "steps", "few-shot", "test", "test", "age"]


def test_no_runs_says_how_to_make_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GLOV_RUNS_DIR", str(tmp_path))
    print_runs([], as_json=False)
    output = capsys.readouterr()
    assert "glov demo" in output.err and not output.out


@pytest.mark.parametrize("as_json", [False, True])
def test_folders_that_may_not_be_looked_into_are_counted_beside_the_list(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    as_json: bool,
) -> None:
    monkeypatch.setenv("GLOV_RUNS_DIR", str(tmp_path))
    for name in ("one", "locked"):
        write_run(tmp_path / name)
    with sealed(tmp_path / "locked", 0):
        print_runs([], as_json)
    said = capsys.readouterr()
    assert "1 folder you may not look into" in said.err
    assert "one" in said.out and "locked" not in said.out


def test_where_some_ensembles_were_chosen_otherwise_the_list_says_how(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GLOV_RUNS_DIR", str(tmp_path))
    write_run(tmp_path / "ours")
    print_runs([], as_json=False)
    assert "selection" not in capsys.readouterr().out
    write_run(tmp_path / "theirs", "evaluation.select=top")
    print_runs([], as_json=False)
    lines = capsys.readouterr().out.splitlines()
    assert "selection" in lines[1].split()
    rows = {line.split()[0]: line for line in lines[2:] if line.strip()}
    assert "greedy" in rows["ours"] and " top" in rows["theirs"]
    print_runs([], as_json=True)
    found = {run["name"]: run["selection"] for run in json.loads(capsys.readouterr().out)}
    assert found == {"ours": "greedy", "theirs": "top"}


def test_listing_loads_no_model_library() -> None:
    code = 'import glov_tui.commands.runs, sys; print({"torch", "textual"} & set(sys.modules))'
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
