"""Driving a run without a screen: Rich progress on stderr, the result on stdout."""

from __future__ import annotations

import contextlib

from rich.console import Console, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from engine.common.stop_signals import stop_on_signal
from engine.remote.server import attachable
from engine.run.commands import Stop
from engine.run.result import PrintedResult, summarise
from engine.run.state import RunState
from engine.session.interface import Session
from engine.session.local import LocalSession
from engine.session.telling.teller import telling
from engine.storage.run_folder import LOG, run_argument
from glov_tui.common.members import with_repeats
from glov_tui.common.progress import format_seconds, seconds_left
from glov_tui.common.results import ensemble_title, few_shot, on_test, result_title
from glov_tui.common.text import clean
from glov_tui.terminal.outliving import ProgressConsole, Readers, outliving_the_terminal
from glov_tui.terminal.printing import print_json

POLL_SECONDS = 0.1
TABLE_CELLS = 80  # below which the templates would stand in a column of a few letters
STOPPING = "stopping at the next safe point; once more ends the process at once"
EXIT_DONE, EXIT_FAILED, EXIT_INTERRUPTED = 0, 1, 130


def drive(session: LocalSession, as_json: bool) -> int:
    """Run a session to its end; returns the exit code of the command line contract.

    Ctrl+c and SIGTERM stop the run at its next safe point; a second one ends the process. When
    the terminal goes, or who reads a pipe, the run goes on.
    """
    session.unattended = True
    with outliving_the_terminal(session.folder / LOG) as readers, telling(session, say=say):
        with stop_on_signal(lambda: session.send(Stop())), attachable(session):
            session.start()
            for _ in range(2):  # the second time where the log is in a terminal's place
                try:
                    _show_progress(session, ProgressConsole(), readers)
                except OSError:
                    readers.replace()
                if session.ended:
                    break
            session.wait()
        try:
            return conclude(session, as_json)
        except OSError:
            readers.replace()
        try:
            return conclude(session, as_json)
        except OSError:
            name = run_argument(session.folder)
            say(f"the run is whole: `glov resume {name} --headless` prints its result")
            raise


def say(text: str) -> None:
    """Print a sentence for the user on stderr, if somebody reads it."""
    with contextlib.suppress(OSError):
        ProgressConsole().print(Text(clean(text)), soft_wrap=True)


def conclude(session: Session, as_json: bool) -> int:
    """Say how a session ended, and how to go on; returns the exit code."""
    state = session.state
    if as_json:
        document: PrintedResult = {**summarise(state), "folder": str(session.folder)}
        print_json(document)
    elif state.status == "finished":
        console = Console(highlight=False)
        console.print(
            _result_table(state) if console.width >= TABLE_CELLS else _result_lines(state)
        )
    if state.status == "failed":
        say(f"glov: {state.error or 'the run failed'}")
        return EXIT_FAILED
    if state.status == "stopped":
        say(f"stopped; go on with: glov resume {run_argument(session.folder)}")
        return EXIT_INTERRUPTED
    say(f"run: {session.folder}")
    return EXIT_DONE


def _show_progress(session: LocalSession, console: Console, readers: Readers) -> None:
    """Until the run ends, or a terminal to show it on is gone."""
    printed = 0.0  # time of the last log line shown
    stopping = False

    def say_stopping() -> None:
        nonlocal stopping
        if session.is_told_to_stop and not stopping:
            stopping = True
            console.print(STOPPING, soft_wrap=True)

    if not console.is_terminal:
        while not session.wait(POLL_SECONDS):
            printed = _print_log(session.state, console, printed)
            say_stopping()
        _print_log(session.state, console, printed)
        return
    bar = Progress(
        TextColumn("step {task.fields[step]}"),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[phase]}"),
        TextColumn("best {task.fields[best]}"),
        TimeElapsedColumn(),
        TextColumn("ETA {task.fields[eta]}"),
        console=console,
    )
    task = bar.add_task("run", total=None, step="-", phase="starting", best="-", eta="-")
    with Live(bar, console=console, refresh_per_second=8, transient=True):
        while not session.wait(POLL_SECONDS) and not readers.gone:
            state = session.state
            printed = _print_log(state, console, printed)
            _update(bar, task, state)
            say_stopping()
        _print_log(session.state, console, printed)


def _print_log(state: RunState, console: Console, after: float) -> float:
    new = [line for line in state.log if line.time > after]  # those of one event share its time
    for line in new:
        style = {"info": "", "warning": "yellow", "error": "red"}[line.level]
        if line.level != "error":  # errors are said once, at the end
            console.print(Text(clean(line.text)), style=style, soft_wrap=True)
    return max((line.time for line in new), default=after)


def _update(bar: Progress, task: TaskID, state: RunState) -> None:
    steps = state.config.steps if state.config else 0
    progress = state.progress
    within = progress.done / progress.total if progress and progress.total else 0.0
    phase = escape(clean(_phase(state)))
    best = f"{state.best.accuracy:.1%}" if state.best is not None else "-"
    bar.update(
        task,
        total=max(steps, 1),
        completed=state.steps_done + (within * 0.9 if state.step_begin else 0),
        step=f"{state.step}/{steps}",
        phase=f"{phase:<24.24}",
        best=best,
        eta=format_seconds(seconds_left(state)),
    )


def _phase(state: RunState) -> str:
    if state.progress is None:
        return state.status
    if state.progress.phase == "loading":
        return f"loading {state.progress.detail}"
    if state.progress.phase == "proposing":
        return state.progress.detail or state.progress.phase  # why nothing comes
    return state.progress.phase


def _result_lines(state: RunState) -> RenderableType:
    """The result for a narrow terminal: each template under its accuracies."""
    result = summarise(state)
    lines = [result_title(result)]
    for name, row in (("seed", result["baseline"]), ("best", result["best"])):
        lines.append(f"{name}: few-shot {few_shot(row)}, test {on_test(row)}")
        lines.append(f"  {clean(row['template'] or '-')}")
    ensemble = result["ensemble"]
    lines.append(f"{ensemble_title(ensemble)}: test {on_test(ensemble)} (95 % intervals)")
    lines += [f"  {clean(member)}" for member in with_repeats(ensemble["templates"])]
    if state.spent is not None:
        lines.append(f"the LLM's server: {state.spent.describe()}")
    return Text("\n".join(lines))


def _in_cell(accuracy: str) -> str:
    """The probability below the accuracy, so that templates have room beside both."""
    return accuracy.replace(" P ", "\nP ")


def _result_table(state: RunState) -> RenderableType:
    result = summarise(state)
    table = Table(title=Text(result_title(result)), title_justify="left")
    table.add_column("")
    table.add_column("template", overflow="fold")
    table.add_column("few-shot", justify="right", no_wrap=True)
    table.add_column("test (95 %)", justify="right", no_wrap=True)
    for name, row in (("seed", result["baseline"]), ("best", result["best"])):
        text = Text(clean(row["template"] or "-"))
        table.add_row(name, text, _in_cell(few_shot(row)), _in_cell(on_test(row)))
    told = []
    if result["baseline"]["test_probability"] is not None:
        told.append("P: mean probability of the true class")
    scored, of_all = state.images_scored
    if scored < of_all:
        told.append(f"scored on {scored:,} of {of_all:,} training images (search.racing)")
    if state.spent is not None:
        told.append(f"the LLM's server: {state.spent.describe()}")
    if told:
        table.caption = Text("; ".join(told))
        table.caption_justify = "left"
    ensemble = result["ensemble"]
    templates = Text("\n".join(clean(member) for member in with_repeats(ensemble["templates"])))
    title = ensemble_title(ensemble).replace(" ", "\n")
    table.add_row(title, templates, "", _in_cell(on_test(ensemble)))
    return table
