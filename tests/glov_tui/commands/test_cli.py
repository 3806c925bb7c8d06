"""The command line as users call it: exit codes, messages, JSON, a user's own data."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import tomllib
from pathlib import Path

import pytest
from PIL import Image

from engine.config.toml_file import load_config, preset_names
from engine.vlm.encoder_decoder.task import TASK
from glov_tui import cli
from glov_tui.commands import driving
from glov_tui.commands.config import write_config
from tests.support import ROOT
from tests.support.command import called, check_refused, started
from tests.support.patience import wait_until
from tests.support.written_runs import write_run

NO_SEED = "seed_template is 'a photo'; it needs the placeholder <category>"
WEIGHTS = ROOT / "engine" / "demo" / "weights"


def test_demo_prints_one_json_document_with_the_promised_keys(tmp_path: Path) -> None:
    command = ("demo", "--headless", "--json", "--steps", "2", "--seed", "1")
    done = called(*command, cwd=tmp_path, fresh=True)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["steps"] == 2 and result["seed"] == 1
    for key in ("train_accuracy", "test_accuracy"):
        assert 0 < result["baseline"][key] < 1
        assert 0 < result["best"][key] <= 1
    assert result["best"]["template"]
    assert len(result["ensemble"]["templates"]) == 3
    assert 0 < result["ensemble"]["test_accuracy"] <= 1
    assert result["seconds_per_step"] > 0
    row = result["leaderboard"][0]
    assert {"template", "train_accuracy", "step", "origin"} <= set(row)
    assert (tmp_path / "runs" / result["run"] / "events.jsonl").is_file()


@pytest.mark.parametrize("answer", ["likelihood", "embedding"])
def test_the_demo_of_questions_improves_on_its_seed_question(tmp_path: Path, answer: str) -> None:
    command = ("demo", "--vlm", "llava", "--headless", "--json", "--steps", "2", "--seed", "0")
    done = called(*command, "--set", f"vlm.answer={answer}", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["baseline"]["template"] == TASK.seed_template
    assert result["ensemble"]["test_accuracy"] > result["baseline"]["test_accuracy"]
    assert result["replies"]["parse_rate"] >= 0.8


EVIL = "x\x1b[2J\x9b\u202e\u200by"


@pytest.mark.parametrize(
    "arguments",
    [
        ("resume", EVIL),
        ("runs", EVIL),
        ("run", f"{EVIL}.toml"),
        ("run", "demo", "--set", EVIL),
        ("run", "demo", "--set", f"llm.model=./{EVIL}"),
        ("attach", "a", EVIL),
        ("attach", f"--{EVIL}"),
        (EVIL,),
        ("fork", "a", "--at-step", EVIL),
    ],
)
def test_a_name_does_nothing_to_the_terminal_that_it_is_printed_on(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    done = called(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert "x" in done.stderr or "at-step" in done.stderr
    for character in EVIL[1:-1]:
        assert character in "[2J" or character not in done.stderr


def test_json_and_toml_are_escaped_too(tmp_path: Path) -> None:
    text = f'[proposal]\ntask = "{EVIL} <category>"\n'.replace("\x1b", "\\u001b")
    (tmp_path / "c.toml").write_text(text)
    for options in ((), ("--json",)):
        shown = called("config", "show", "c.toml", "--set", "data.path=x", *options, cwd=tmp_path)
        assert shown.returncode == 0, shown.stderr
        read = json.loads(shown.stdout) if options else tomllib.loads(shown.stdout)
        assert read["proposal"]["task"] == f"{EVIL} <category>"
        assert not set(EVIL[1:-1]) - set("[2J") & set(shown.stdout)


def test_without_json_the_result_is_a_table_and_progress_is_on_stderr(tmp_path: Path) -> None:
    done = called("demo", "--headless", "--steps", "1", "--run-dir", "r", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    rows = {line.split()[1]: line for line in done.stdout.splitlines() if line.startswith("│")}
    for name in ("seed", "best", "ensemble"):  # as the screen calls them, each with its interval
        assert re.search(r"\d\d\.\d% \(\d+-\d+\)", rows[name])
    assert "step 1:" in done.stderr and "step 1:" not in done.stdout


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("run", "clip-papr", "--headless"), "Did you mean the preset clip-paper"),
        (("demo", "--headless", "--set", "steering.alpa=1"), "did you mean steering.alpha"),
        (("demo", "--headless", "--set", "steps=-1"), "should be at least 0"),
        (("demo", "--headless", "--set", "nonsense"), "key.path=value"),
        (("demo", "--headless", "--set", "llm.model=./nowhere"), "llm.model = "),
        (("run", "clip-paper", "--set", "data.path=nowhere"), "data.path = "),
        (("demo", "--set", "proposal.template_file=nowhere"), "proposal.template_file"),
        (("demo", "--headless", "--dataset", "cabinett"), "demo-cabinet"),
        (("demo", "--headless", "--steps", "x"), "--steps"),
        (("demo", "--headless", "--vlm", "blip"), "'clip', 'llava'"),
        (("resume", "nothing", "--headless"), "no run there"),
        (("fork", "nothing", "--at-step", "1"), "no run there"),
        (("fork", "nothing"), "--at-step"),
        (("replay", "nothing"), "no run there"),
        (("runs", "nothing"), "no such folder"),
        (("config", "show", "nothing"), "no such file"),
        (("datasets", "--path", "n" * 300), "can't be looked for"),
        (("config", "show", "demo", "--set", "seed_template=a photo"), NO_SEED),
        (("run", "demo", "--headless", "--set", "seed_template=a photo"), NO_SEED),
        (("sweep", "demo", "--set", "seed_template=a photo", "--grid", "seed=0:1"), NO_SEED),
        (
            (
                "steer",
                "--set",
                "seed_template=a photo",
                "--positive",
                "a",
                "--negative",
                "b",
                "--prompt",
                "c",
            ),
            NO_SEED,
        ),
    ],
)
def test_wrong_calls_exit_with_2_and_one_clear_message(tmp_path, arguments, expected) -> None:
    check_refused(called(*arguments, cwd=tmp_path), expected, tmp_path)


def test_a_failed_run_exits_with_1(tmp_path: Path) -> None:
    (tmp_path / "no-model").mkdir()
    done = called("demo", "--headless", "--set", "llm.model=./no-model", cwd=tmp_path)
    assert done.returncode == 1
    assert "no-model" in done.stderr and "Traceback" not in done.stderr


def test_config_init_and_show(tmp_path: Path) -> None:
    assert called("config", "init", "my.toml", cwd=tmp_path).returncode == 0
    again = called("config", "init", "my.toml", cwd=tmp_path)
    assert again.returncode == 2 and "--force" in again.stderr
    shown = called("config", "show", "my.toml", "--set", "steps=7", cwd=tmp_path)
    assert tomllib.loads(shown.stdout)["steps"] == 7
    as_json = called("config", "show", "my.toml", "--json", cwd=tmp_path)
    assert json.loads(as_json.stdout)["steering"]["layers"] == [17]


@pytest.mark.parametrize("preset", preset_names())
def test_config_init_writes_every_preset(preset: str, tmp_path: Path) -> None:
    write_config(tmp_path / "my.toml", preset, force=False)
    assert load_config(tmp_path / "my.toml").name == preset


def test_doctor_and_datasets(tmp_path: Path) -> None:
    found = json.loads(called("doctor", "--json", cwd=tmp_path).stdout)
    assert set(found) == {"versions", "extras", "devices", "folders", "hub", "terminal", "notices"}
    extras = found["extras"]
    assert set(extras) == {
        "GGUF files",
        "data sets of the hub",
        "TensorBoard",
        "weights of 4 and 8 bits",
        "GPU gauges",
        "LLMs on a server",
    }
    assert set(extras.values()) == {"yes"}  # the extra dev has all of them
    assert found["versions"]["torch"] and found["hub"]["reachable"] is False
    names = json.loads(called("datasets", "--json", cwd=tmp_path).stdout)
    assert "image-folder" in names and len(names) >= 4


def test_ctrl_c_stops_and_the_run_can_be_resumed(tmp_path: Path) -> None:
    said = tmp_path / "said"
    with said.open("wb") as file:
        process = started(
            *("demo", "--headless", "--steps", "3", "--run-dir", "r"),
            cwd=tmp_path,
            output=file.fileno(),
            errors=file.fileno(),
        )
    journal = tmp_path / "r" / "events.jsonl"
    wait_until(
        lambda: (
            "step-started" in (journal.read_text() if journal.exists() else "") or process.has_ended
        )
    )
    process.kill(signal.SIGINT)
    assert process.wait() == 130
    assert "glov resume r" in said.read_text()
    resumed = called("resume", "r", "--headless", "--json", cwd=tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    assert json.loads(resumed.stdout)["steps"] == 3


def test_a_users_own_images_with_models_given_by_path(tmp_path: Path) -> None:
    """Coloured squares, and the demo's models named as any folder of a hub model is."""
    draw = random.Random(0)
    for name, colour in (("tomato_red", (220, 40, 30)), ("sky_blue", (60, 120, 220))):
        folder = tmp_path / "images" / name
        folder.mkdir(parents=True)
        for i in range(6):
            shade = tuple(max(0, min(255, c + draw.randint(-30, 30))) for c in colour)
            Image.new("RGB", (40 + i, 48), shade).save(folder / f"{i}.png")
    (tmp_path / "images" / "sky_blue" / "broken.png").write_bytes(b"\x89PNG broken")
    (tmp_path / "my.toml").write_text(
        f"""
        name = "mine"
        steps = 2
        [data]
        path = "images"
        description = "Squares of one colour."
        shots = 2
        [vlm]
        model = "{WEIGHTS / "clip"}"
        [llm]
        model = "{WEIGHTS / "llm"}"
        [proposal]
        candidates = 4
        """
    )
    done = called("run", "my.toml", "--headless", "--json", "--set", "seed=3", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["steps"] == 2
    assert result["dataset"]["classes"] == 2 and result["dataset"]["train_images"] == 4
    assert "broken.png" in done.stderr


@pytest.mark.parametrize(
    "command", [("demo", "--headless"), ("sweep", "demo", "--grid", "seed=0:1")]
)
def test_a_run_outlives_who_reads_its_progress(tmp_path: Path, command: tuple[str, ...]) -> None:
    folder = "--sweep-dir" if command[0] == "sweep" else "--run-dir"
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb") as progress, Path(os.devnull).open("wb") as nowhere:
        process = started(
            *(*command, "--set", "steps=4", "--set", "data.shots=1", folder, "r"),
            cwd=tmp_path,
            output=nowhere.fileno(),
            errors=writer,
        )
        os.close(writer)
        assert progress.readline()
    assert process.wait() == 0  # the pipe was closed, as `2>&1 | head -1` does
    assert "step" in (tmp_path / "r" / "log.txt").read_text() or command[0] == "sweep"
    listed = json.loads(called("runs", "r", "--json", cwd=tmp_path).stdout)
    assert [run["status"] for run in listed] == ["finished"]


@pytest.mark.parametrize("how", [("--detach",), ("--headless",)])
def test_detaching_and_being_attached_to_what_is_finished(tmp_path: Path, how) -> None:
    write_run(tmp_path / "runs" / "done", curve=(40, 60))
    done = called("resume", "done", *how, cwd=tmp_path)
    if how == ("--headless",):
        assert done.returncode == 0
    else:
        assert done.returncode == 2 and "glov resume done" in done.stderr
    for command in (("attach", "done"), ("stop", "done")):
        assert called(*command, cwd=tmp_path).returncode == 2
    both = called("fork", "done", "--at-step", "1", "--headless", "--detach", cwd=tmp_path)
    assert both.returncode == 2 and "give one" in both.stderr
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["done"]


def test_a_fork_in_which_no_step_is_left_is_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    done = str(write_run(tmp_path / "done", curve=(40, 60)))
    monkeypatch.setattr(driving, "drive", lambda *_: 0)  # it would load models
    for step, overrides, told in ((2, [], True), (1, [], False), (2, ["steps=3"], False)):
        fork = tmp_path / f"fork-{step}-{len(overrides)}"
        assert (
            driving.fork_run(done, step, overrides, fork, driving.How(False, False, False, False))
            == 0
        )
        assert ("no step is left after step 2" in capsys.readouterr().err) == told


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("demo", "--steps", "true"), "'--steps': 'true': should be a whole number"),
        (("demo", "--steps", "-1"), "'--steps': '-1': should be at least 0"),
        (("demo", "--seed", "2.5"), "'--seed': '2.5': should be a whole number"),
        (("fork", "x", "--at-step", "x"), "'--at-step': 'x': should be a whole number"),
    ],
)
def test_a_wrong_option_is_said_in_our_words(tmp_path, arguments, expected) -> None:
    done = called(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    said = " ".join(done.stderr.replace("│", " ").split())
    assert expected in said and "Input" not in said


def test_a_command_leaves_the_others_to_the_next_call_in_the_process(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in ("demo", "resume", "datasets"):
        monkeypatch.setattr("sys.argv", ["glov", command, "--help"])
        with pytest.raises(SystemExit) as end:
            cli.main()
        assert end.value.code == 0, capsys.readouterr().err
