"""The tables of docs/ are what the records say, and the records are what is printed."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, NotRequired

import click
import pytest
import typer
from pydantic import Field, TypeAdapter
from typing_extensions import TypedDict

from docs.generate import DOCUMENTS, generated
from docs.records import about, rows, table, wording
from engine.analysis.compare import compare, read_records
from engine.analysis.compare_report import ReportFacts, as_dict
from engine.analysis.listed_run import RunLine
from engine.analysis.run_list import list_runs
from engine.common.record import Count, Record, Share
from engine.run.experiment import CellMeasured, SteeringSetting
from engine.run.result import RunResult, summarise
from engine.storage.check import CheckFacts, check_run
from engine.storage.journal import read_state
from engine.sweeps.document import SweepFacts, sweep_facts
from engine.sweeps.grid import make_grid, parse_axis
from engine.sweeps.sweep import open_sweep
from glov_tui.cli import app
from glov_tui.commands.doctor import Machine, report
from glov_tui.commands.steer_report import FoundFacts, SteerReport, report_as_dict
from tests.support.sessions import lens_read, measured, traced
from tests.support.written_runs import write_run

FILES = dict(generated())


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_the_tables_are_up_to_date(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == FILES[path], "run: python -m docs.generate"


def test_every_command_with_json_is_described() -> None:
    found = {*_with_json(typer.main.get_command(app)), "ctl"}  # which prints nothing else
    assert found == {name for document in DOCUMENTS for name in document.commands}


def _with_json(command: click.Command, name: str = "") -> list[str]:
    commands = getattr(command, "commands", {})
    inner = [n for key, one in commands.items() for n in _with_json(one, f"{name} {key}".strip())]
    own = any("--json" in option.opts for option in command.params)
    return [*inner, name] if own else inner


def fits(document: Any, described: Any) -> None:
    """See that all of a document is described, and as it is."""
    plain = json.loads(json.dumps(document))
    adapter: TypeAdapter[Any] = TypeAdapter(described)
    assert adapter.validate_python(plain) == plain  # what is not described would be left out


def test_what_is_printed_of_runs_is_what_is_described(tmp_path: Path) -> None:
    folders = [
        write_run(tmp_path / f"{mode}-{seed}", f"steering.mode={mode}", f"seed={seed}")
        for mode in ("off", "last-token")
        for seed in range(3)
    ]
    folders.append(write_run(tmp_path / "begun", "steps=3", finished=False, curve=(40, 50, 60)))
    for folder in folders:
        fits(summarise(read_state(folder)), RunResult)
        fits(check_run(folder).as_dict(), CheckFacts)
    fits([run.as_dict() for run in list_runs([str(tmp_path)])], list[RunLine])
    document = as_dict(compare(*_records(folders)))
    fits(document, ReportFacts)
    assert document["blocks"][0]["comparisons"] and document["blocks"][0]["groups"]


def _records(folders: list[Path]) -> tuple[Any, ...]:
    records, left_out = read_records(folders)
    return records, (), left_out


def test_a_sweep_is_described_with_runs_that_were_not_begun(tmp_path: Path) -> None:
    grid = make_grid("demo", ["steps=2"], [parse_axis("seed=0:2")])
    sweep = open_sweep(tmp_path / "sweep", grid)
    write_run(sweep.jobs[0].folder, "seed=0")
    records, damaged = sweep.records()
    document = sweep_facts(sweep, grid, records, damaged, "stopped")
    fits(document, SweepFacts)
    assert [run["status"] for run in document["runs"]] == ["finished", "new"]


def test_what_steering_does_is_described_also_where_it_is_not_finite() -> None:
    setting = SteeringSetting(layers=(3,), alpha=0.5)
    broken = CellMeasured(layer=1, alpha=1, kl=math.nan, fluency=-math.inf, templates=0)
    found = SteerReport(
        settings=(SteeringSetting(mode="off", layers=()), setting),
        pairs=[(traced(["a"], 0.0), traced(["b"], math.nan))],
        setting=setting,
        cells=[measured(1, 0.5, None).found, broken],
        lens=lens_read(token="x").found.layers,
    )
    fits(report_as_dict(found), FoundFacts)
    fits(report_as_dict(SteerReport()), FoundFacts)


def test_this_machine_is_described(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    report(as_json=True)
    fits(json.loads(capsys.readouterr().out), Machine)


class _Inner(TypedDict):
    """Held by ``_Outer``: None is null there, and <tags> are none."""

    a: Count  # how many `<category>` and <b>
    b: NotRequired[list[Share | None]]


class _Outer(Record):
    kind: str = "x"
    # Of both.
    first: int = Field(ge=1, le=5)
    second: tuple[str, float] = ("", 0.5)
    inner: dict[str, _Inner] | None = None  # by name


def test_a_record_becomes_a_table() -> None:
    assert about(_Inner) == "Held by `_Outer`: null is null there, and &lt;tags> are none."
    assert table(rows(_Inner)) == [
        "| field | type | meaning |",
        "| --- | --- | --- |",
        "| `a` | whole number (0 or more) | how many `<category>` and &lt;b> |",
        "| `b` | list of numbers (0 to 1) or null; may be absent | |",
    ]
    assert [tuple(row) for row in rows(_Outer)] == [
        ("kind", "text", '"x"', ""),
        ("first", "whole number (1 to 5)", None, "Of both."),
        ("second", "[text, number]", '["", 0.5]', "likewise"),
        ("inner", "object of [_Inner](#_inner) or null", "null", "by name"),
    ]


def test_what_has_no_words_is_said() -> None:
    with pytest.raises(TypeError, match="can't be described"):
        wording(complex)
