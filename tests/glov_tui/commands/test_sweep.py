"""``glov sweep`` and ``glov compare`` as users call them."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from engine.sweeps.grid import make_grid, parse_axis
from engine.sweeps.sweep import open_sweep
from tests.support.command import called, check_refused, started
from tests.support.patience import wait_until
from tests.support.written_runs import write_run

SWEEP = (
    *("sweep", "demo", "--grid", "steering.mode=last-token,off", "--grid", "seed=0:2"),
    *("--set", "steps=1", "--set", "data.shots=1", "--set", "proposal.candidates=3"),
    *("--sweep-dir", "s"),
)


def test_ctrl_c_stops_a_sweep_and_the_same_command_goes_on(tmp_path: Path) -> None:
    output, errors = tmp_path / "output", tmp_path / "errors"
    with output.open("wb") as out, errors.open("wb") as err:
        process = started(*SWEEP, cwd=tmp_path, output=out.fileno(), errors=err.fileno())
    journal = tmp_path / "s" / "mode=last-token,seed=1" / "events.jsonl"
    wait_until(lambda: (journal.exists() and journal.stat().st_size) or process.has_ended)
    process.kill(signal.SIGINT)
    code, stdout, stderr = process.wait(), output.read_text(), errors.read_text()
    assert code == 130, stderr
    assert "go on with: glov sweep demo --grid=steering.mode=last-token,off" in stderr
    assert "--sweep-dir=s" in stderr
    assert "1 of 2" in stdout  # runs of the first row
    done = called(*SWEEP, "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "finished already" in done.stderr
    document = json.loads(done.stdout)
    assert document["status"] == "finished"
    assert document["grid"] == {"steering.mode": ["last-token", "off"], "seed": [0, 1]}
    for row in document["rows"]:
        assert row["finished"] == row["planned"] == 2
        for metric in ("best_train_accuracy", "ensemble_test_accuracy", "area"):
            assert {"mean", "deviation", "low", "high"} <= set(row[metric])
    assert len(document["runs"]) == 4
    assert {run["status"] for run in document["runs"]} == {"finished"}

    again = called("resume", "s/mode=off,seed=1", "--headless", "--json", cwd=tmp_path)
    assert json.loads(again.stdout)["status"] == "finished"
    table = called(*SWEEP, cwd=tmp_path, PYTHONIOENCODING="ascii")
    assert table.returncode == 0 and table.stdout.isascii()
    assert "steering.mode=off" in table.stdout and "+-" in table.stdout
    assert "ensemble test accuracy" in table.stdout and "o mean" in table.stdout
    compared = json.loads(called("compare", "s", "--json", cwd=tmp_path).stdout)
    (comparison,) = compared["blocks"][0]["comparisons"]
    assert comparison["baseline"] == "steering.mode=off"
    assert comparison["metrics"]["area"]["pairs"] == 2
    other = called(*SWEEP[:-2], "--set", "steps=2", "--sweep-dir", "s", cwd=tmp_path)
    assert other.returncode == 2 and "steps was 1 and is now 2" in other.stderr


CLUSTER = ("sweep", "demo", "--grid", "seed=0:2", "--backend", "ray")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("sweep", "demo"), "--grid"),
        (("sweep", "demo", "--grid", "seed"), "KEY=VALUE"),
        (("sweep", "dem", "--grid", "seed=0:2"), "no such file"),
        (("sweep", "demo", "--grid", "steering.alpa=1,2"), "did you mean steering.alpha"),
        (("sweep", "demo", "--grid", "steering.mode=off,on"), "steering.mode"),
        ((*CLUSTER[:-2], "--address", "auto"), "--address is for a cluster: add --backend ray"),
        ((*CLUSTER, "--gpus-per-trial", "1.5"), "1.5: a share from 0 to 1, or a whole number"),
        ((*CLUSTER, "--cpus-per-trial", "0"), "--cpus-per-trial 0: a number over 0"),
        ((*CLUSTER, "--retries", "-1"), "--retries -1: a number from 0 to 1000"),
        ((*CLUSTER, "--address", "127.0.0.1:1"), "no Ray cluster answers there"),
        ((*CLUSTER, "--address", "head"), "write HOST:PORT as `ray start --head` says it"),
        (("compare",), "Missing argument"),
        (("compare", "nothing"), "no run"),
        (("compare", "r", "--baseline", "steering.mode=off"), "no group has that"),
    ],
)
def test_wrong_calls_exit_with_2_and_one_clear_message(tmp_path, arguments, expected) -> None:
    write_run(tmp_path / "r")
    check_refused(called(*arguments, cwd=tmp_path), expected, tmp_path)


def test_a_failing_run_makes_the_exit_code_1(tmp_path: Path) -> None:
    grid = make_grid("demo", ["steps=2"], [parse_axis("seed=0:2")])
    sweep = open_sweep(tmp_path / "s", grid)
    for job in sweep.jobs:
        write_run(job.folder, f"seed={job.config.seed}")
    (sweep.jobs[1].folder / "events.jsonl").write_text("{}\n")
    arguments = ("sweep", "demo", "--grid", "seed=0:2", "--set", "steps=2", "--sweep-dir", "s")
    done = called(*arguments, "--json", cwd=tmp_path)
    assert done.returncode == 1
    assert "1 of 2 runs failed" in done.stderr and "Traceback" not in done.stderr
    document = json.loads(done.stdout)
    assert document["status"] == "failed" and document["rows"][0]["finished"] == 1
    assert "line 1 of 1 is damaged" in document["runs"][1]["error"]


def test_compare_prints_groups_tests_and_what_they_cannot_show(tmp_path: Path) -> None:
    for mode in ("last-token", "off"):
        for seed in range(3):
            folder = tmp_path / f"{mode}-{seed}"
            settings = (f"steering.mode={mode}", f"seed={seed}")
            write_run(folder, *settings, ensemble=700 + 10 * seed, dataset="caf\x1b[2Jé")
    names = [f"{mode}-{seed}" for mode in ("last-token", "off") for seed in range(3)]
    done = called("compare", *names, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout and "café" not in done.stdout
    text = " ".join(done.stdout.split())
    assert "2 steering.mode=off (baseline)" in text
    assert "1 against 2" in text and "3 (0 differ)" in text
    assert "the smallest two-sided p of a sign-flip test is then 0.25" in text
    assert all(len(line) <= 80 for line in done.stdout.splitlines())
    plain = called("compare", *names, cwd=tmp_path, PYTHONIOENCODING="ascii")
    assert plain.returncode == 0 and plain.stdout.isascii()
