"""``glov eval``: what a run found, or any list of templates, on the test split and other models."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from engine.analysis.against import Pair
from engine.analysis.evaluate import Evaluation, Measurement
from engine.analysis.evaluate_report import as_dict, notes
from engine.analysis.evaluating import Asked, Evaluated, evaluate_asked
from engine.analysis.paired import ClassChange
from engine.common.wording import counted
from glov_tui.commands.headless import EXIT_DONE, EXIT_FAILED, say
from glov_tui.common.accuracy import with_interval
from glov_tui.common.members import with_repeats
from glov_tui.common.text import clean
from glov_tui.terminal.outliving import ProgressConsole
from glov_tui.terminal.printing import percent, print_json, probability, result_console

CAPTION = "In %, with the 95 % interval (Wilson). P: mean probability of the true class."

_MOST_MEMBERS = 5
"""Templates of an ensemble that are shown; the JSON document has all."""

_MOST_CLASSES = 5
"""Classes that are shown, of those that gain and of those that lose."""


def print_evaluation(asked: Asked, as_json: bool) -> int:
    """Measure what was asked for, and print it; returns the exit code, 1 where a backbone failed.

    Raises:
        UserError: naming what is missing or can't be used.
    """
    console = ProgressConsole()
    with console.status("loading") as status:

        def progress(what: str, done: int, total: int) -> None:
            doing = what if what == "scoring" else f"loading {what}"
            share = f" {done:,}/{total:,}" if total else ""
            status.update(Text(clean(f"{doing}{share}")))

        try:
            found = evaluate_asked(asked, progress, say)
        except KeyboardInterrupt:
            say("interrupted; the same command goes on with what is kept (`vlm.cache`)")
            raise
    if as_json:
        print_json(as_dict(found))
    else:
        _print(found)
    for name, why in found.failed.items():
        say(f"glov: --backbone {name}: {why}")
    return EXIT_FAILED if found.failed else EXIT_DONE


def _print(found: Evaluated) -> None:
    console, _ = result_console()
    own = found.evaluations[0]
    console.print(Text(clean(_title(found)), style="bold"), soft_wrap=True)
    if len(found.evaluations) == 1:
        console.print(_accuracies(own))
    else:
        for number, one in enumerate(found.evaluations, start=1):
            console.print(Text(clean(f"{number:3} {one.vlm}")), soft_wrap=True)
        console.print(_matrix(found.evaluations))
    console.print(CAPTION, soft_wrap=True)
    for evaluation, pair in found.pairs:
        _print_pair(console, evaluation, pair, several=len(found.evaluations) > 1)
    for note in notes(found):
        console.print(Text(clean(f"- {note}.")), soft_wrap=True)


def _title(found: Evaluated) -> str:
    own = found.evaluations[0]
    images = counted(len(own.images), f"{own.split} image")
    what = f"{found.source.name} on {own.dataset_name}: {images}"
    return what if len(found.evaluations) > 1 else f"{what}, {own.vlm}"


def _table() -> Table:
    return Table(box=box.SIMPLE_HEAD, show_edge=False)


def _accuracies(evaluation: Evaluation) -> Table:
    table = _table()
    unnamed = any(one.unnamed for one in evaluation.measurements)
    table.add_column("")
    table.add_column("template", overflow="fold")
    table.add_column("accuracy", justify="right", no_wrap=True)
    table.add_column("P", justify="right", no_wrap=True)
    if unnamed:
        table.add_column("no class", justify="right", no_wrap=True)
    for one in evaluation.measurements:
        row = [_accuracy(one), percent(one.probability)]
        row += [f"{one.unnamed:,}"] if unnamed else []
        table.add_row(clean(one.subject.name), _templates(one), *row)
    return table


def _matrix(evaluations: Sequence[Evaluation]) -> Table:
    table = _table()
    table.add_column("")
    table.add_column("template", overflow="fold")
    for number in range(1, len(evaluations) + 1):
        table.add_column(str(number), justify="right", no_wrap=True)
    for row, one in enumerate(evaluations[0].measurements):
        cells = []
        for evaluation in evaluations:
            measured = evaluation.measurements[row]
            cells.append(f"{_accuracy(measured)}\nP {percent(measured.probability)}")
        table.add_row(clean(one.subject.name), _templates(one), *cells)
    return table


def _accuracy(one: Measurement) -> str:
    return with_interval(one.accuracy, one.interval)


def _templates(one: Measurement) -> Text:
    members = with_repeats(one.subject.templates)
    begin = "- " if len(one.subject.templates) > 1 else ""
    shown = [clean(f"{begin}{member}") for member in members[:_MOST_MEMBERS]]
    more = len(members) - len(shown)
    return Text("\n".join(shown + ([f"and {more:,} more"] if more else [])))


def _print_pair(console: Console, evaluation: Evaluation, pair: Pair, several: bool) -> None:
    hits = pair.hits
    names = f"{pair.first.subject.name} against {pair.second.subject.name}"
    where = f", {evaluation.vlm}" if several else ""
    console.print()
    console.print(Text(clean(f"{names}{where}"), style="bold"), soft_wrap=True)
    low, high = hits.interval
    lines = [
        f"difference {percent(hits.difference, signed=True)} points "
        f"({percent(low, signed=True)} to {percent(high, signed=True)}), "
        f"p = {probability(hits.p)}".replace("p = <", "p < "),
        f"right: both {hits.both:,}, only the first {hits.first:,}, only the second "
        f"{hits.second:,}, neither {hits.neither:,}",
    ]
    gains = [change for change in pair.changes if change.difference > 0]
    losses = [change for change in reversed(pair.changes) if change.difference < 0]
    for what, changes in (("gains most", gains), ("loses most", losses)):
        if changes:
            shown = ", ".join(_change(change) for change in changes[:_MOST_CLASSES])
            more = len(changes) - _MOST_CLASSES
            lines.append(f"{what}: {shown}" + (f" and {more:,} more" if more > 0 else ""))
    for line in lines:
        console.print(Text(clean(line)), soft_wrap=True)


def _change(change: ClassChange) -> str:
    return f"{change.name} {change.second} to {change.first} of {change.images}"
