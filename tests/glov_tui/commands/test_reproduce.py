"""``glov reproduce`` as users call it: offline, killed and gone on with, and in the wrong way."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from engine.analysis.compare import compare, read_records
from engine.common.errors import UserError
from engine.data.catalogue.table import catalogue
from engine.data.readers.listed import classes_of
from engine.demo.training.ladder import WEIGHTS
from engine.storage.run_folder import EVENTS
from engine.sweeps.sweep import run_folders
from glov_tui.commands.reproduce import Call, reproduce
from glov_tui.commands.several import _spread
from tests.support.command import called, check_refused, started
from tests.support.miniatures import image, put
from tests.support.patience import wait_until
from tests.support.written_runs import write_run

SMALL = (
    *("--set", "steps=1", "--set", "proposal.candidates=3", "--set", "sampling.max_new_tokens=30"),
)
ROWS = ("--datasets", "demo-cabinet", "--methods", "s-temp", "ds-temp", "unsteered", "glov")
TABLE = ("reproduce", "--table", "demo", *ROWS, "--seeds", "0", "1", *SMALL, "--sweep-dir", "t")


def call_of(**options) -> Call:
    nothing: dict = {"datasets": [], "methods": [], "seeds": [], "overrides": []}
    rest = {"templates": None, "folder": None, "dry_run": False, "yes": True, "as_json": False}
    return Call(**{"table": "demo", **nothing, **rest, **options})


def test_killed_in_the_middle_the_same_command_goes_on(tmp_path: Path) -> None:
    with Path(os.devnull).open("wb") as nowhere:
        process = started(*TABLE, cwd=tmp_path, output=nowhere.fileno(), errors=nowhere.fileno())
    journal = tmp_path / "t" / "demo-cabinet,unsteered,seed=1" / EVENTS
    wait_until(lambda: (journal.exists() and journal.stat().st_size) or process.has_ended)
    process.kill(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    kept = {
        path: path.read_bytes()
        for name in ("s-temp,seed=0", "ds-temp,seed=0", "unsteered,seed=0")
        for path in [tmp_path / "t" / f"demo-cabinet,{name}" / EVENTS]
    }
    done = called(*TABLE, "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "finished already: 3 of 6 runs" in done.stderr
    assert "left to do, at most: 3 runs" in done.stderr and "takes about" in done.stderr
    assert all(path.read_bytes() == content for path, content in kept.items())
    facts = json.loads(done.stdout)
    (row,) = facts["rows"]
    assert [cell["method"] for cell in row["cells"]] == ["s-temp", "ds-temp", "unsteered", "glov"]
    assert [cell["ours"]["runs"] for cell in row["cells"]] == [1, 1, 2, 2]
    assert all(cell["paper"] is None for cell in row["cells"])

    # Nothing is left to do: no model is loaded, and the table is printed at once.
    again = called(*TABLE, cwd=tmp_path, PYTHONIOENCODING="ascii")
    assert again.returncode == 0 and again.stdout.isascii()
    assert again.stdout.startswith("# The demo's small models") and "+-" in again.stdout
    assert "for the costs" not in again.stderr
    table = (tmp_path / "t" / "table.md").read_text()
    assert table.replace("±", "+-").strip() == again.stdout.strip()
    records, _ = read_records(run_folders(str(tmp_path / "t")))
    (block,) = compare(records).blocks
    assert [len(group.runs) for group in block.groups] == [1, 1, 2, 2]
    assert not any("search.templates" in group.name for group in block.groups)


SETTINGS = ("steps=1", "proposal.candidates=3", "sampling.max_new_tokens=30")


def test_a_dry_run_says_what_it_costs_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call = call_of(
        datasets=["demo-cabinet"],
        methods=["s-temp", "glov"],
        seeds=["0:2"],
        overrides=SETTINGS,
        folder=tmp_path / "t",
        dry_run=True,
        as_json=True,
    )
    assert reproduce(call) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["planned"], facts["finished"], facts["missing"]) == (3, 0, [])
    assert facts["cost"]["seconds"] > 0 and facts["cost"]["memory_bytes"] > 2**26
    assert facts["cost"]["tokens"] == 2 * 3 * 30
    assert facts["cost"]["measured_on"] == "demo-cabinet"
    assert not list(tmp_path.iterdir())


def test_a_table_takes_more_data_sets_later(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("demo-cabinet", "demo-funfair"):
        call = call_of(datasets=[name], methods=["s-temp"], folder=tmp_path / "t")
        assert reproduce(call) == 0
    table = capsys.readouterr().out.split("# The demo's")[-1]
    assert "| demo-cabinet" in table and "| demo-funfair" in table and "| mean of 2" in table


def test_without_data_it_ends_at_once_and_names_all_that_is_missing(tmp_path: Path) -> None:
    call = ("reproduce", "--table", "1", "--datasets", "dtd", "imagenet-a", "--sweep-dir", "t")
    done = called(*call, cwd=tmp_path, GLOV_DATA_DIR=str(tmp_path))
    check_refused(done, "not on this machine: dtd, imagenet, imagenet-a", tmp_path)
    assert "glov datasets dtd" in done.stderr and "pip install --no-deps" in done.stderr
    dry = called(*call, "--dry-run", cwd=tmp_path, GLOV_DATA_DIR=str(tmp_path))
    assert dry.returncode == 2
    assert "tokens of the LLM" in dry.stdout and "is not known: the LLM" in dry.stdout
    assert "not on this machine: dtd, imagenet, imagenet-a" in dry.stderr
    assert not list(tmp_path.iterdir())


DEMO_MODELS = (
    *("--set", f"vlm.model={WEIGHTS}", "--set", f"llm.model={WEIGHTS.parent / 'llm'}"),
    *("--set", "llm.dtype=float32", "--set", "steering.layers=2", "--set", "vlm.device=cpu"),
)


def test_without_data_the_demos_images_stand_in_for_the_costs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GLOV_DATA_DIR", str(tmp_path))
    settings = [text for text in DEMO_MODELS if text != "--set"]
    call = call_of(
        table="1",
        datasets=["eurosat"],
        methods=["glov"],
        overrides=[*settings, *SETTINGS],
        folder=tmp_path / "t",
        dry_run=True,
        as_json=True,
    )
    assert reproduce(call) == 2
    facts = json.loads(capsys.readouterr().out)
    assert facts["missing"] == ["eurosat"] and facts["not_measured"] is None
    assert facts["cost"]["seconds"] > 0 and facts["cost"]["measured_on"] == "demo-cabinet"
    assert facts["cost"]["images"] == 10 + 8_100


def eurosat(base: Path) -> None:
    """All of its classes in CoOp's layout, two images each."""
    split: dict[str, list[list[object]]] = {"train": [], "val": [], "test": []}
    for label, name in enumerate(classes_of(catalogue()["eurosat"]).names):
        for number, part in enumerate(("train", "test")):
            path = f"{label}/{number}.jpg"
            put(base / "eurosat" / "2750" / path, image(label, number))
            split[part].append([path, label, name])
    put(base / "eurosat" / "split_zhou_EuroSAT.json", json.dumps(split))


def test_a_row_of_the_papers_and_one_that_fails_beside_it(tmp_path: Path) -> None:
    """By the demo's models, which see nothing in such images: how it runs, not what comes out."""
    eurosat(tmp_path)
    put(tmp_path / "dtd" / "images" / "x.jpg", b"")
    put(tmp_path / "dtd" / "split_zhou_DescribableTextures.json", "{}")
    put(tmp_path / "lists" / "eurosat.txt", "a satellite photo of {}.\nan aerial view of {c}.\n")
    call = (
        *("reproduce", "--table", "1", "--datasets", "dtd", "eurosat"),
        *("--set", f"data.path={tmp_path}", *SMALL, *DEMO_MODELS, "--sweep-dir", "t"),
    )
    done = called(*call, "--methods", "s-temp", "glov", cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    assert "2 of 4 runs failed; try them again with: glov reproduce --table 1" in done.stderr
    lines = {line.split("|")[1].strip(): line for line in done.stdout.splitlines() if "|" in line}
    assert "(35.8)" in lines["EuroSAT"] and "(50.8)" in lines["EuroSAT"]
    assert lines["DTD"].count(" - (") == 2
    assert "dtd,glov,seed=0 failed" in done.stdout
    templates = ("--methods", "ds-temp", "--templates", "lists")
    only = tuple(part for part in call if part != "dtd")
    grown = called(*only, *templates, "--json", cwd=tmp_path)
    assert grown.returncode == 0, grown.stderr
    facts = json.loads(grown.stdout)
    cells = {cell["method"]: cell for cell in facts["rows"][1]["cells"]}
    assert cells["ds-temp"]["paper"] == 45.8 and cells["ds-temp"]["ours"] is not None
    assert any("set otherwise" in text and "steps=1" in text for text in facts["differences"])


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"table": "3"}, "--table '3': there are 1, 2, demo"),
        ({"seeds": ["-1"]}, "--seeds '-1': write whole numbers"),
        ({"seeds": ["0:x"]}, "--seeds '0:x': write whole numbers"),
        ({"seeds": ["0:1000000"]}, "--seeds 0:1000000: more than 10,000 values"),
        ({"seeds": ["5:0"]}, "--seeds 5:0: the range 5:0 is empty"),
        ({"seeds": [str(2**63)]}, "is too large"),
        ({"seeds": ["0:2", "1"]}, "--seeds: 1 is there twice"),
        ({"datasets": ["dmo-cabinet"]}, "did you mean 'demo-cabinet'"),
        ({"methods": ["glov", "x"]}, "--methods 'x': there is none"),
        ({"overrides": ["seed=1"]}, "choose with --datasets, --methods, --seeds"),
        ({"overrides": ["steps=-1"]}, "steps"),
        ({"templates": Path()}, "--templates .: there is no file for demo-c"),
        ({"templates": Path("no.txt")}, "no.txt can't be read"),
        ({"methods": ["glov"], "templates": Path()}, "are those of DS-TEMP"),
    ],
)
def test_a_wrong_call_is_refused(
    options: dict, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GLOV_RUNS_DIR", str(tmp_path / "runs"))
    with pytest.raises(UserError, match=expected):
        reproduce(call_of(**options))
    assert not list(tmp_path.iterdir())


def test_another_folder_is_left_alone(tmp_path: Path) -> None:
    write_run(tmp_path / "run")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(UserError, match="it is no sweep's folder"):
        reproduce(call_of(folder=tmp_path / "run"))
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("--seeds 0 1 --yes", "--seeds 0 --seeds 1 --yes"),
        ("--seeds 0,1 2", "--seeds 0 --seeds 1 --seeds 2"),
        ("--seeds=0 1 --table 1", "--seeds 0 --seeds 1 --table 1"),
        ("--seeds=0,1", "--seeds 0 --seeds 1"),
        ("--table 1 x", "--table 1 x"),
        ("--seeds 0 --seeds 1", "--seeds 0 --seeds 1"),
        ("--datasets dtd --seeds 0:2", "--datasets dtd --seeds 0:2"),
        ("--set a=1 --seeds 1", "--set a=1 --seeds 1"),
        ("--seeds", "--seeds"),
        ("--seeds ,", "--seeds ,"),
    ],
)
def test_several_values_stand_behind_one_option(typed: str, meant: str) -> None:
    assert _spread(typed.split(), ("--datasets", "--seeds")) == meant.split()
