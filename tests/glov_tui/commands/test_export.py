"""``glov export`` as users call it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.command import called, check_refused
from tests.support.written_runs import write_run


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return write_run(tmp_path / "one")


def test_it_writes_a_report_into_the_run_and_says_where(run: Path) -> None:
    done = called("export", str(run))
    assert done.returncode == 0, done.stderr
    path = Path(done.stdout.strip())
    assert path == run / "exports" / "one.html" and "<!DOCTYPE html>" in path.read_text()
    again = called("export", str(run))
    assert again.returncode == 2 and "exists; give --force" in again.stderr and not again.stdout
    assert called("export", str(run), "--force").returncode == 0


def test_a_text_can_be_printed(run: Path) -> None:
    done = called("export", str(run), "--format", "md", "--out", "-")
    assert done.returncode == 0 and done.stdout.startswith("# Prompts that glov found: `one`\n")
    assert not (run / "exports").exists()


def test_json_says_what_was_written(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "t.csv"
    done = called("export", str(run), "--format", "csv", "--out", str(out), "--json")
    facts = json.loads(done.stdout)
    assert facts == {"format": "csv", "path": str(out), "bytes": out.stat().st_size}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--format", "xls"), "there are html, md, csv, json, python"),
        (("--format", "head", "--out", "-"), "does not go with --format head"),
        (("--format", "md", "--out", "-", "--json"), "does not go with --json"),
        (("--format", "md", "--out", "nowhere/x.md"), "there is no folder nowhere"),
        (("--set", "steps=3"), "steps can't change when a run is taken up"),
        (("--format", "python-transformers"), "--format python writes a script with open_clip"),
    ],
)
def test_wrong_calls_say_what_is_wrong(
    run: Path, tmp_path: Path, arguments: tuple[str, ...], expected: str
) -> None:
    check_refused(called("export", str(run), *arguments, cwd=tmp_path), expected, tmp_path)


def test_it_is_said_where_models_are_now(run: Path) -> None:
    place = "vlm.model=/models/mine"
    done = called("export", str(run), "--format", "python", "--out", "-", "--set", place)
    assert done.returncode == 0 and "MODEL = 'local-dir:/models/mine'" in done.stdout
