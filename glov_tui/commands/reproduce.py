"""``glov reproduce``: the runs of one of the paper's tables, and ours beside its numbers."""

from __future__ import annotations

import dataclasses
import re
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import typer

from engine.common.errors import ConfigError, UserError
from engine.common.files import write_atomic
from engine.common.kept import Kept
from engine.common.names import quoted, what_there_is
from engine.common.ownership import why_denied
from engine.common.wording import counted, numbers
from engine.config.run_name import runs_folder
from engine.config.toml_file import load_config, preset_file
from engine.storage.run_folder import LOG
from engine.sweeps.document import Ended
from engine.sweeps.grid import parse_axis
from engine.sweeps.sweep import Sweep, open_sweep
from engine.sweeps.tables.costs import CostFacts, Speeds
from engine.sweeps.tables.plan import Wanted, wanted
from engine.sweeps.tables.proposal import PlannedTable, Proposal, planned_facts, propose, timed
from engine.sweeps.tables.report import markdown, table_facts
from engine.sweeps.tables.table import Table, dataset_title, tables
from engine.vlm.families import task_of
from glov_tui.commands.headless import EXIT_DONE, EXIT_INTERRUPTED, say
from glov_tui.commands.running_jobs import run_jobs, say_ended
from glov_tui.common.text import clean
from glov_tui.terminal.outliving import ProgressConsole, Readers, outliving_the_terminal
from glov_tui.terminal.printing import print_json, result_console
from glov_tui.terminal.streams import tell

EXIT_MISSING = 2
TABLE_FILE = "table.md"
_SEEDS = re.compile(r"\d+(:\d+){0,2}(,\d+(:\d+){0,2})*", re.ASCII)
_LISTS = (".txt", ".json", ".jsonl", ".csv")


@dataclass(frozen=True)
class Call:
    """What was typed."""

    table: str
    datasets: Sequence[str]
    methods: Sequence[str]
    seeds: Sequence[str]
    overrides: Sequence[str]
    templates: Path | None  # a file, or a folder with one for each data set
    folder: Path | None
    dry_run: bool
    yes: bool
    as_json: bool

    def again(self, folder: Path) -> str:
        """The same call, as one types it."""
        words = ["glov", "reproduce", "--table", self.table]
        for option, values in (
            ("--datasets", self.datasets),
            ("--methods", self.methods),
            ("--seeds", self.seeds),
        ):
            words += [option, *values] if values else []
        words += [f"--set={override}" for override in self.overrides]
        words += [f"--templates={self.templates}"] if self.templates is not None else []
        return shlex.join([*words, f"--sweep-dir={folder}"])


def reproduce(call: Call) -> int:
    """Run a table, or go on with it; returns the exit code.

    Ctrl+c and SIGTERM stop the run under way at its next safe point; a second one ends the
    process. When the terminal goes, the runs go on.

    Raises:
        UserError: before any run is started, if something of the call is wrong or missing.
    """
    table = _table(call.table)
    asked = wanted(table, call.datasets, call.methods, _seeds(call.seeds), call.overrides)
    if call.templates is not None:
        asked = dataclasses.replace(asked, templates=_templates(call.templates, asked))
    folder = call.folder or runs_folder() / f"table-{table.name}"
    proposal = propose(asked, folder)
    if call.dry_run:
        return _dry_run(proposal, call.as_json)
    if not proposal.can_start:
        raise ConfigError(proposal.problem())
    kept = Kept()
    if proposal.left:
        facts = planned_facts(proposal, _timed(proposal, kept))
        for line in _cost_lines(facts):
            say(line)
        if not call.yes and _is_asked():
            try:
                wanted_so = typer.confirm("Start?", err=True)
            except typer.Abort:  # ctrl+c or ctrl+d in place of an answer
                return EXIT_INTERRUPTED
            if not wanted_so:
                say("nothing was started")
                return EXIT_DONE
    sweep = open_sweep(folder, proposal.grid, grows=True)
    with outliving_the_terminal(folder / LOG) as readers:
        return _drive(call, table, sweep, proposal, kept, readers)


def _table(name: str) -> Table:
    if name not in tables():
        raise ConfigError(f"--table {quoted(name)}: {what_there_is(name, list(tables()))}")
    return tables()[name]


def _seeds(texts: Sequence[str]) -> list[int]:
    """Seeds as they are typed: whole numbers, and ranges such as 0:5."""
    seeds: list[int] = []
    for text in texts:
        if not _SEEDS.fullmatch(text):
            raise ConfigError(
                f"--seeds {quoted(text)}: write whole numbers from 0 on, e.g. 0 1 2 or 0:5"
            )
        values = parse_axis(f"seed={text}", f"--seeds {text}").values
        if max(values) >= 2**63:
            raise ConfigError(f"--seeds {text}: {max(values)} is too large; below 2^63 is allowed")
        seeds += values
    return seeds


def _templates(path: Path, asked: Wanted) -> dict[str, tuple[str, ...]]:
    """Templates of DS-TEMP by data set: of a file for all, or of a folder's NAME.txt and the like.

    Raises:
        UserError: if there is none, or a file can't be read.
    """
    from engine.analysis.template_list import read_list

    values = {"data.dataset": asked.datasets[0]}
    task = task_of(load_config(preset_file(asked.table.preset), values=values).vlm)
    if "ds-temp" not in asked.methods:
        raise ConfigError("--templates are those of DS-TEMP, and ds-temp is not among the methods")
    found: dict[str, tuple[str, ...]] = {}
    read: dict[Path, tuple[str, ...]] = {}
    for name in asked.datasets:
        files = [path]
        if path.is_dir():
            files = [path / f"{name}{end}" for end in _LISTS if (path / f"{name}{end}").is_file()]
        if len(files) > 1:
            raise ConfigError(f"--templates {path}: there are {files[0].name} and {files[1].name}")
        for file in files:
            if file not in read:  # a pipe can be read once
                read[file] = read_list(file, task)[-1].templates  # the last: all together
            found[name] = read[file]
    if not found:
        ends = ", ".join(_LISTS)
        raise ConfigError(
            f"--templates {path}: there is no file for {' or '.join(asked.datasets)}; the name of "
            f"one is the data set's with {ends}"
        )
    return found


def _is_asked() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()


# -- what it costs -----------------------------------------------------------------------------


def _dry_run(proposal: Proposal, as_json: bool) -> int:
    speeds, reason = None, None
    if proposal.left:
        try:
            speeds = _timed(proposal, Kept())
        except UserError as error:
            reason = str(error)
    facts = planned_facts(proposal, speeds, reason)
    if as_json:
        print_json(facts)
    else:
        console, _ = result_console()
        for line in _cost_lines(facts):
            console.print(clean(line, keep_newlines=True), markup=False, soft_wrap=True)
    if proposal.can_start:
        return EXIT_DONE
    tell(f"glov: {proposal.problem()}")
    return EXIT_MISSING


def _timed(proposal: Proposal, kept: Kept) -> Speeds:
    said: set[str] = set()

    def progress(what: str, _done: int, _total: int) -> None:
        if what not in said:
            said.add(what)
            say(f"for the costs: {what}")

    return timed(proposal, kept, progress, lambda message: None)


def _cost_lines(facts: PlannedTable) -> list[str]:
    """What a person should know before it starts."""
    cost, left = facts["cost"], facts["planned"] - facts["finished"]
    done = f", {facts['finished']} of them finished already" if facts["finished"] else ""
    lines = [
        f"table {facts['table']}: {facts['title']}",
        f"{counted(len(facts['datasets']), 'data set')} x {len(facts['methods'])} methods "
        f"({', '.join(facts['methods'])}), seeds {numbers(facts['seeds'])}: "
        f"{counted(facts['planned'], 'run')}{done}; in {facts['folder']}",
    ]
    if not left:
        return lines
    lines.append(f"left to do, at most: {_amounts(cost)}")
    if cost["seconds"] is None:
        reason = facts["not_measured"] or "nothing was measured"
        lines.append(f"how long that takes is not known: {reason}")
        return lines
    lines.append(
        f"takes about {_hours(cost['seconds'])} at most, by a short measurement on images of "
        f"{dataset_title(cost['measured_on'] or '')}; "
        f"{(cost['memory_bytes'] or 0) / 2**30:.1f} GiB of memory ({cost['memory_of']})"
    )
    if cost["another_seed_seconds"]:
        lines.append(
            f"it buys {counted(cost['templates'], 'template')} tried on labelled images; "
            f"each further seed takes {_hours(cost['another_seed_seconds'])}"
        )
    return lines


def _amounts(cost: CostFacts) -> str:
    parts = [counted(cost["runs"], "run"), f"{counted(cost['images'], 'image')} read"]
    if cost["texts"]:
        parts.append(f"{cost['texts']:,} texts encoded")
    if cost["answers"]:
        parts.append(f"{cost['answers']:,} answers about images")
    parts.append(f"{counted(cost['tokens'], 'token')} of the LLM")
    return ", ".join(parts)


def _hours(seconds: float) -> str:
    if seconds < 90 * 60:
        return f"{max(1, round(seconds / 60))} min"
    return f"{seconds / 3600:.1f} h"


# -- the runs ----------------------------------------------------------------------------------


def _drive(
    call: Call, table: Table, sweep: Sweep, proposal: Proposal, kept: Kept, readers: Readers
) -> int:
    asked = {cell.folder for cell in proposal.grid.cells}
    jobs = tuple(job for job in sweep.jobs if job.name in asked)
    failed, stopped = run_jobs(
        dataclasses.replace(sweep, jobs=jobs), ProgressConsole(), readers, kept
    )
    records, damaged = sweep.records()
    status: Ended = "stopped" if stopped else "failed" if failed else "finished"
    facts = table_facts(table, sweep, records, damaged | failed, status, call.overrides)
    text = markdown(facts)
    if call.as_json:
        print_json(facts)
    else:
        _, plain = result_console()
        shown = clean(text, keep_newlines=True)
        print(shown.replace("±", "+-") if plain else shown, flush=True)  # noqa: T201
    path = sweep.folder / TABLE_FILE
    try:
        write_atomic(path, text)
    except OSError as error:  # the table is printed, and its runs are kept
        raise UserError(f"{path} can't be written: {why_denied(error, path)}") from error
    code = say_ended(failed, stopped, len(jobs), call.again(sweep.folder))
    if code == EXIT_DONE:
        say(f"the table: {path}; paired tests: glov compare {shlex.quote(str(sweep.folder))}")
    return code
