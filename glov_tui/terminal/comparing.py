"""A comparison of runs as tables, which ``glov compare`` prints and a screen shows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich import box
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from engine.analysis.compare import Block, Comparison, Estimate, Group, PairedTest, Report
from engine.analysis.compare_report import notes, title
from engine.storage.run_record import METRICS, PROBABILITY_OF, Metric
from glov_tui.common.text import clean
from glov_tui.terminal.printing import METRIC_NAMES, percent, probability


def comparison_parts(report: Report, plain: bool) -> Iterator[RenderableType]:
    """A comparison as tables and lines, for a console; ``plain``: in ASCII."""
    for block in report.blocks:
        yield from _block_parts(block, report.metrics, plain)
    if report.pooled:
        yield _heading("Pooled: pairs of the same data, shots and seed")
        for comparison in report.pooled:
            above = f"over {comparison.blocks} of the above: "
            yield _tests(comparison, report.metrics, above)
            yield ""
    for note in notes(report):
        yield Text(clean(f"- {note}."))


def _heading(text: str) -> Text:
    return Text(clean(text), style="bold")


def _block_parts(block: Block, metrics: Sequence[Metric], plain: bool) -> Iterator[RenderableType]:
    yield _heading(title(block))
    numbers = {group.name: number for number, group in enumerate(block.groups, start=1)}
    baselines = {comparison.baseline for comparison in block.comparisons}
    for name, number in numbers.items():
        said = " (baseline)" if name in baselines else ""
        yield Text(clean(f"{number:3} {name}{said}"))
    yield ""
    yield _groups(block.groups, plain)
    yield ""
    for comparison in block.comparisons:
        ours, theirs = numbers[comparison.group], numbers[comparison.baseline]
        yield _tests(comparison, metrics, f"{ours} against {theirs}: ")
        yield ""


def _groups(groups: Sequence[Group], plain: bool) -> Table:
    sign = "#" if plain else "†"
    single = any(len(group.runs) == 1 for group in groups)
    shown = [metric for metric in METRICS if metric not in PROBABILITY_OF.values()]
    rows = [[_estimate(group, metric, sign) for metric in shown] for group in groups]
    has_probability = any("\nP " in cell for row in rows for cell in row)
    table = Table(
        box=box.SIMPLE_HEAD,
        show_edge=False,
        collapse_padding=True,
        caption="In %: the mean, below it its 95 % confidence interval (Student's t over seeds)."
        + (f" {sign} one run: Wilson's interval of its images, not over seeds." if single else "")
        + (" P: mean probability of the true class." if has_probability else ""),
        caption_justify="left",
    )
    table.add_column("", justify="right")
    table.add_column("runs", justify="right")
    for metric in shown:
        table.add_column(METRIC_NAMES[metric], justify="right", no_wrap=True)
    for number, (group, cells) in enumerate(zip(groups, rows, strict=True), start=1):
        runs = str(len(group.runs))
        if group.unfinished:
            runs += f"\n{group.unfinished} unfinished"
        table.add_row(str(number), runs, *cells)
    return table


def _estimate(group: Group, metric: Metric, sign: str) -> str:
    """A metric and its interval, and below them the mean probability where it has one."""
    found = group.estimate(metric)
    if found is None:
        return "-"
    if found.interval is None:
        interval = "all equal" if found.spread.n > 1 else "no interval"
    else:
        interval = _range(found.interval) + (sign if found.kind == "wilson" else "")
    beside = PROBABILITY_OF.get(metric)
    of_truth = group.estimate(beside) if beside is not None else None
    last = f"\nP {_mean(of_truth, group)}" if of_truth is not None else ""
    return f"{_mean(found, group)}\n{interval}{last}"


def _mean(found: Estimate, group: Group) -> str:
    """Over the runs that have it, where not all do."""
    n, runs = found.spread.n, len(group.runs)
    return percent(found.spread.mean) + (f" ({n} of {runs})" if n < runs else "")


def _range(interval: tuple[float, float], signed: bool = False) -> str:
    return " to ".join(percent(end, signed) for end in interval)


def _tests(comparison: Comparison, metrics: Sequence[Metric], numbers: str = "") -> Table:
    table = Table(
        box=box.SIMPLE_HEAD,
        show_edge=False,
        collapse_padding=True,
        title=Text(clean(f"{numbers}{comparison.group} against {comparison.baseline}")),
        title_justify="left",
    )
    table.add_column("difference in")
    for heading in ("pairs", "% points", "95 % interval", "p", "p (Holm)"):
        table.add_column(heading, justify="right", no_wrap=True)
    for metric in metrics:
        test = comparison.tests[metric]
        if test is None:
            table.add_row(METRIC_NAMES[metric], "0", *"----")
            continue
        table.add_row(
            METRIC_NAMES[metric],
            _pairs(test),
            percent(test.spread.mean, signed=True),
            _range(test.interval, signed=True) if test.interval else _no_interval(test),
            probability(test.test.p),
            probability(test.holm),
        )
    return table


def _no_interval(test: PairedTest) -> str:
    return "one pair" if len(test.differences) == 1 else "all equal"


def _pairs(test: PairedTest) -> str:
    differ = sum(abs(difference) > 1e-12 for difference in test.differences)
    n = len(test.differences)
    return str(n) if differ == n else f"{n} ({differ} differ)"
