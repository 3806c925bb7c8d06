"""`glov check`: names what is wrong with a run, where, and what to do; changes nothing."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest

from engine.common.cache_folder import features_folder
from engine.common.errors import JournalError
from engine.common.kept import Kept
from engine.run import events as ev
from engine.session.local import LocalSession
from engine.storage.check import RunCheck, check_run
from engine.storage.journal import Journal, read_state
from engine.storage.lock import OWNER
from engine.storage.run_folder import CONFIG, EVENTS, LOG, SUMMARY
from engine.storage.run_record import read_record
from engine.storage.summary import read_summary
from engine.vlm.feature_cache import FeatureCache, FeatureSet
from glov_tui.commands.check import print_check
from tests.support.sealing import resealed
from tests.support.small_runs import demo, drive
from tests.support.written_runs import write_run


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return write_run(tmp_path / "run")


def levels(found: RunCheck) -> set[tuple[str, str]]:
    return {(f.level, f.where.rpartition("/")[2]) for f in found.findings}


def test_a_run_that_is_as_it_was_written_is_sound(run: Path) -> None:
    read_summary(run)
    before = {path.name: path.read_bytes() for path in run.iterdir()}
    found = check_run(run)
    assert found.sound and not found.findings
    assert found.state == read_state(run)
    assert found.facts == len((run / EVENTS).read_bytes().splitlines())
    assert {path.name: path.read_bytes() for path in run.iterdir()} == before


def test_a_file_that_goes_while_it_is_looked_at_is_no_finding(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (run / OWNER).write_text("{}")
    scandir = os.scandir

    def scanned(folder: Path) -> Iterable[os.DirEntry[str]]:
        if folder != run:
            return scandir(folder)
        found = list(scandir(folder))
        (run / OWNER).unlink(missing_ok=True)  # as an engine that ends does
        return found

    monkeypatch.setattr(os, "scandir", scanned)
    assert check_run(run).sound


def flipped(path: Path) -> None:
    lines = path.read_bytes().split(b"\n")
    lines[4] = lines[4].replace(b"1", b"2", 1)
    path.write_bytes(b"\n".join(lines))


def missing(path: Path) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:4] + lines[5:]))


def foreign(path: Path) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:4], b'{"kind":"run-paused","step":1}\n', *lines[4:]]))


def impossible(path: Path) -> None:
    lines = path.read_bytes().splitlines()
    lines[4] = b'{"kind":"run-paused","step":-1}'
    path.write_bytes(resealed(lines))


@pytest.mark.parametrize("harm", [flipped, missing, foreign, impossible])
def test_the_damaged_line_and_no_other_is_named(run: Path, harm: Callable[[Path], None]) -> None:
    harm(run / EVENTS)
    found = check_run(run)
    assert not found.sound and found.state is None
    named = [f.where for f in found.findings if ", line" in f.where]
    assert named == [f"{run / EVENTS}, line 5"]
    (whole,) = (f for f in found.findings if f.where == str(run / EVENTS))
    assert "1 of" in whole.what and f"head -n 4 {EVENTS}" in whole.todo


def test_many_damaged_lines_are_counted(run: Path) -> None:
    lines = (run / EVENTS).read_bytes().splitlines()
    (run / EVENTS).write_bytes(lines[0] + b"\n" + b"x\n" * 100)
    found = check_run(run)
    assert len(found.findings) < 30
    assert any("100 of 101 lines" in f.what for f in found.findings)


def test_facts_that_can_not_follow_each_other_are_named(run: Path) -> None:
    lines = (run / EVENTS).read_bytes().splitlines()
    odd = b'{"kind":"edited","number":1,"step":1,"edit":{"kind":"set-option","key":"no","value":1}}'
    start = b'{"kind":"step-started","step":9}'
    (run / EVENTS).write_bytes(resealed([*lines, odd, start]))
    found = check_run(run)
    assert not found.sound
    assert any("step-started can't be here" in f.what for f in found.findings)


def test_a_torn_end_is_a_warning(run: Path) -> None:
    with (run / EVENTS).open("ab") as file:
        file.write(b'{"kind":"ru')
    found = check_run(run)
    assert found.sound and levels(found) == {("warning", EVENTS)}
    assert "glov resume" in found.findings[0].todo


def test_a_summary_that_says_otherwise_is_named(run: Path) -> None:
    read_summary(run)
    said = json.loads((run / SUMMARY).read_bytes())
    (run / SUMMARY).write_text(json.dumps(said | {"ensemble_test_accuracy": 0.99}))
    found = check_run(run)
    assert not found.sound and levels(found) == {("error", SUMMARY)}
    (run / SUMMARY).write_text(
        json.dumps(said | {"ensemble_test_accuracy": 0.99, "journal_bytes": 1})
    )
    assert check_run(run).findings == ()  # of an earlier journal: nobody believes it


def test_another_configuration_beside_the_journal_is_a_warning(run: Path) -> None:
    (run / CONFIG).write_text((run / CONFIG).read_text().replace("steps = 2", "steps = 3"))
    found = check_run(run)
    assert levels(found) == {("warning", CONFIG)}
    assert found.findings[0].what.endswith("began with: steps")
    (run / CONFIG).write_text("steps = [")
    assert levels(check_run(run)) == {("warning", CONFIG)}


def test_a_lost_configuration_is_written_anew_as_the_run_began(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", "llm.model=/nowhere", finished=False, edited=True)
    assert read_state(run).config.steering.alpha == 0.1
    (run / CONFIG).unlink()
    assert drive(LocalSession.resume(run)).status == "failed"
    assert (run / CONFIG).exists() and (("warning", CONFIG) not in levels(check_run(run)))


def test_links_and_files_of_nobody_are_named(run: Path, tmp_path: Path) -> None:
    os.link(run / EVENTS, tmp_path / "backup")
    (run / LOG).symlink_to(tmp_path / "elsewhere")
    (run / "notes.txt").write_text("x")
    os.mkfifo(run / SUMMARY)
    found = check_run(run)
    assert found.sound
    assert levels(found) >= {
        ("warning", EVENTS),
        ("warning", LOG),
        ("note", "notes.txt"),
        ("warning", SUMMARY),
    }


def test_the_image_features_that_a_run_rests_on_are_looked_at(tmp_path: Path, kept: Kept) -> None:
    folder = tmp_path / "run"
    state = drive(LocalSession.create(demo("steps=0"), folder, kept=kept))
    assert state.models is not None and len(state.models.cache_entries) == 2
    assert check_run(folder).findings == ()
    path = features_folder() / f"{state.models.cache_entries[0]}.safetensors"
    whole = path.read_bytes()
    try:
        path.write_bytes(whole[:-4] + bytes(4))
        found = check_run(folder)
        assert not found.sound and levels(found) == {("error", path.name)}
        path.unlink()  # one that is not there is computed anew
        assert check_run(folder).findings == ()
    finally:
        path.write_bytes(whole)
    other = FeatureSet(np.zeros((1, 2), np.float32), np.array([0]), {})
    FeatureCache(features_folder()).store("of-another-run", other)
    entry = features_folder() / "of-another-run.safetensors"
    entry.write_bytes(b"damaged")
    assert check_run(folder).findings == ()
    entry.unlink()


@pytest.mark.parametrize("dataset", ["{0}/photos", "../photos", "demo-\x00"])
def test_no_file_of_ours_is_said_to_be_a_cache_because_a_journal_names_it(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dataset: str
) -> None:
    monkeypatch.setenv("GLOV_CACHE_DIR", str(tmp_path / "cache"))
    features_folder().mkdir(parents=True)
    (tmp_path / "cache" / "datasets").mkdir()
    (tmp_path / "cache" / "photos-mine").mkdir()
    (tmp_path / "model.safetensors").write_text("weights")
    begun, loaded, *rest = map(json.loads, (run / EVENTS).read_bytes().splitlines())
    begun["config"]["data"]["dataset"] = dataset.format(tmp_path)
    loaded["cache_entries"] = [str(tmp_path / "model"), "../../model", "\x00", "x" * 5000]
    facts = [json.dumps(fact, separators=(",", ":")).encode() for fact in (begun, loaded, *rest)]
    (run / EVENTS).write_bytes(resealed(facts))
    found = check_run(run)
    assert found.sound
    assert levels(found) == {("warning", CONFIG)}  # which says another data set


def test_a_run_under_way_is_looked_at_as_far_as_it_is(run: Path) -> None:
    journal = Journal(run)
    journal.append(ev.Warned(message="goes on"))
    found = check_run(run)
    journal.close()
    assert found.sound
    assert ("note", "run") in levels(found)


def test_a_run_that_nobody_drives_any_more_is_interrupted_not_running(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = write_run(tmp_path / "killed", curve=(40, 60), finished=False)
    assert print_check(str(run), as_json=False) == 0
    assert "killed: sound: " in (said := capsys.readouterr().out)
    assert said.endswith("interrupted after 1 step\n")
    assert check_run(run).as_dict()["status"] == read_record(run).status == "interrupted"
    journal = Journal(run)
    assert check_run(run).status == read_record(run).status == "running"
    journal.close()


def test_the_command_prints_and_exits_as_agreed(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert print_check(str(run), as_json=False) == 0
    assert "run: sound" in capsys.readouterr().out
    flipped(run / EVENTS)
    assert print_check(str(run), as_json=True) == 1
    said = json.loads(capsys.readouterr().out)
    assert said["sound"] is False and said["findings"][0]["where"].endswith("line 5")
    assert print_check(str(run), as_json=False) == 1
    printed = capsys.readouterr().out
    assert "error: " in printed and "run: damaged" in printed
    with pytest.raises(JournalError, match="no run there"):
        print_check(str(run / "nothing"), as_json=True)
