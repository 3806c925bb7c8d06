"""``glov check``: whether a run's journal and what it rests on are what was written."""

from __future__ import annotations

from rich.text import Text

from engine.common.wording import counted
from engine.storage.check import RunCheck, check_run
from engine.storage.run_folder import find_run
from glov_tui.common.text import clean
from glov_tui.terminal.printing import print_json, result_console

_STYLES = {"error": "red", "warning": "yellow", "note": "dim"}


def print_check(run: str, as_json: bool) -> int:
    """Check a run and print what was found; returns the exit code, 1 where something is damaged.

    Raises:
        UserError: if there is no such run, or its journal can't be read.
    """
    found = check_run(find_run(run))
    if as_json:
        print_json(found.as_dict())
    else:
        _print(found)
    return 0 if found.sound else 1


def _print(found: RunCheck) -> None:
    console, _ = result_console()
    for finding in found.findings:
        line = Text(f"{finding.level}: ", style=_STYLES[finding.level])
        line.append(clean(f"{finding.where}: {finding.what}"), style="")
        if finding.todo:
            line.append(clean(f" ({finding.todo})"), style="")
        console.print(line, soft_wrap=True)
    state = found.state
    how = f", {found.status} after {counted(state.steps_done, 'step')}" if state is not None else ""
    verdict = "sound" if found.sound else "damaged"
    console.print(
        Text(
            clean(f"{found.folder.name}: {verdict}: {counted(found.facts, 'fact')} as written{how}")
        ),
        soft_wrap=True,
    )
