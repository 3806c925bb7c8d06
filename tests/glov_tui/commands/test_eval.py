"""``glov eval`` as users call it: what it prints, and what it says of wrong calls."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from engine.analysis.evaluating import Asked
from glov_tui.commands.evaluate import print_evaluation
from tests.support.command import called


@pytest.fixture
def run(undisturbed: Path, tmp_path: Path) -> Path:
    """A run that a test may write to."""
    shutil.copytree(undisturbed, tmp_path / "run")
    return tmp_path / "run"


def printed(capsys: pytest.CaptureFixture, **asked) -> tuple[str, str]:
    print_evaluation(Asked(**asked), as_json=False)
    return capsys.readouterr()


def test_json_is_one_document_and_nothing_else(run: Path, tmp_path: Path) -> None:
    done = called("eval", str(run), "--split", "test", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["run"] == document["templates"] == str(run)
    names = [subject["name"] for subject in document["subjects"]]
    assert names == ["seed", "best", "top 3", "greedy 3"]


def test_a_table_with_intervals_and_probabilities(
    run: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    out, _ = printed(capsys, run=str(run))
    assert "run on cabinet: 960 test images, clip" in out
    seed = next(line for line in out.splitlines() if line.split()[:1] == ["seed"])
    assert seed.split()[-3:] == ["47.6%", "(44-51)", "49.0"]
    assert "with the 95 % interval (Wilson)" in out


def test_a_comparison_in_words(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    file = tmp_path / "plain\x1b[2J.txt"
    file.write_text("a photo of a {}.\n")
    out, err = printed(capsys, run=str(run), against=str(file))
    assert "\x1b" not in out + err
    assert "best against plain" in out and "right: both " in out
    assert "gains most: " in out and "p is McNemar's exact test" in out


def test_without_a_configuration_it_is_said_whose_images_these_are(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    file = tmp_path / "one.txt"
    file.write_text("a photo of a {}.\n")
    out, _ = printed(capsys, templates=str(file))
    assert "- measured on the images and with the VLM of the preset demo; --config has" in out
    assert "line 1" in out and "all 1" not in out


def test_wrong_calls_end_with_2_and_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "bad.txt").write_text("a photo\n")
    for arguments, said in (
        (("--templates", "bad.txt"), "bad.txt, line 1: 'a photo'; it needs the placeholder"),
        (("--split", "validation", "latest"), "'validation' is not one of"),
    ):
        done = called("eval", *arguments, cwd=tmp_path)
        assert done.returncode == 2 and not done.stdout
        assert said in " ".join(done.stderr.split()) and "Traceback" not in done.stderr
