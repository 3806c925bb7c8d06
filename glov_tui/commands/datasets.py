"""``glov datasets``: which data sets there are, how to get one, whether what is here is right."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from engine.common.errors import ConfigError
from engine.common.names import nearest, quoted
from engine.common.user_path import why_not_there
from engine.common.wording import counted
from engine.config import DataConfig
from engine.config.toml_file import validate
from engine.data.catalogue.table import catalogue
from engine.data.demo_world import DEMO
from engine.data.readers.catalogue import base_folder
from engine.data.registry import QUESTIONS, registered_datasets
from glov_tui.commands.dataset_facts import (
    DatasetFacts,
    DatasetRead,
    facts_of,
    line_of,
    read_here,
    samples,
)
from glov_tui.common.text import clean
from glov_tui.terminal.printing import print_json, result_console
from glov_tui.terminal.streams import tell
from glov_tui.terminal.terminal_kind import wants_colour

if TYPE_CHECKING:
    from engine.data.catalogue.entry import Entry
    from engine.data.dataset import Dataset

_PICTURE = (20, 8)  # cells of one: columns, rows
_EVERY = 0.5  # seconds between lines of progress


def print_chosen(
    name: str | None, path: Path | None, source: str, *, fetch: bool, as_json: bool, images: bool
) -> int:
    """Print the list, or all about one data set; returns the exit code.

    Raises:
        UserError: if the call names no data set or form that there is, or a download fails.
    """
    if name is None:
        if fetch or source != "auto":
            raise ConfigError("--fetch and --source are of one data set: glov datasets NAME")
        print_datasets(path, as_json)
        return 0
    _check_name(name)
    values: dict[str, Any] = {"dataset": name, "source": source}
    if path is not None:
        values["path"] = str(path)
    rest: dict[str, Any] = {}
    if name == QUESTIONS:  # what is there for one way of answering only
        rest = {"vlm": {"kind": "encoder-decoder", "answer": "refusal", "model": "."}}
    elif path is not None and why_not_there(path) is None and not path.is_dir():
        raise ConfigError(f"--path {path}: it is no folder")
    config = validate({"data": {"path": ".", **values}, **rest}, "the call").data
    if path is None:
        config = config.model_copy(update={"path": None})
    return print_dataset(config, fetch=fetch, as_json=as_json, images=images)


def print_datasets(path: Path | None, as_json: bool) -> None:
    """Print all data sets with what is here, as a table or as one JSON document."""
    lines = {name: line_of(name, summary, path) for name, summary in _summaries().items()}
    if as_json:
        print_json({name: line.model_dump() for name, line in lines.items()})
        return
    console, _ = result_console()
    table = Table(box=None)
    table.add_column("data.dataset", style="bold", no_wrap=True)
    table.add_column("here", no_wrap=True)
    table.add_column("what it is")
    for name, line in lines.items():
        forms = ", ".join(dict.fromkeys(place.form for place in line.here))
        if name.startswith(DEMO):
            forms = "in glov"
        table.add_row(name, Text(forms or "-", style="green" if forms else "dim"), line.summary)
    console.print(table)
    base = base_folder(DataConfig(dataset="imagenet", path=None if path is None else str(path)))
    said = f"looked for in {base}; `glov datasets NAME` says how to get one"
    console.print(Text(clean(said)), soft_wrap=True)


def print_dataset(config: DataConfig, *, fetch: bool, as_json: bool, images: bool) -> int:
    """Print how to get a data set and whether what is here is right; returns the exit code.

    1 where it is here and can't be read. ``fetch``: get first what plain downloads get.

    Raises:
        UserError: if there is no such data set, or a download fails.
    """
    _check_name(config.dataset)
    entry = catalogue().get(config.dataset)
    if fetch:
        if entry is None:
            raise ConfigError(f"{config.dataset} is no data set that is to be had elsewhere")
        _fetch(entry, config)
    dataset, found = read_here(entry, config)
    facts = facts_of(entry, config, found)
    if as_json:
        print_json(facts.model_dump())
    else:
        _print(facts, entry, config, dataset, images)
    return 1 if found is not None and (found.error or found.unreadable) else 0


def _summaries() -> dict[str, str]:
    return {name: dataset.summary for name, dataset in registered_datasets().items()}


def _check_name(name: str) -> None:
    known = registered_datasets()
    if name not in known:
        near = nearest(name, known)
        hint = f"did you mean {quoted(near)}? " if near is not None else ""
        raise ConfigError(
            f"there is no data set {quoted(name)}; {hint}`glov datasets` lists those there are"
        )


# -- printing ----------------------------------------------------------------------------------


def _print(
    facts: DatasetFacts,
    entry: Entry | None,
    config: DataConfig,
    dataset: Dataset | None,
    images: bool,
) -> None:
    console, plain = result_console()
    console.print(Text(clean(facts.title), style="bold"))
    console.print(Text(clean(facts.description)), soft_wrap=True)
    if facts.found is not None:
        _print_found(console, facts, facts.found)
    elif entry is not None:
        base = base_folder(config)
        place = f"in {base}" if base.is_dir() else f"in {base}, a folder that is not there"
        console.print(_said("not here: ", f"looked for {place}", "yellow"), soft_wrap=True)
    if dataset is not None and images and console.is_terminal and not plain and wants_colour():
        _print_pictures(console, dataset)
    if entry is not None:
        _print_ways(console, facts, entry, config)


def _print_found(console: Console, facts: DatasetFacts, found: DatasetRead) -> None:
    if found.error is not None:
        is_here = found.folder is not None and why_not_there(Path(found.folder)) is None
        begin = "is here, and can't be read: " if is_here else "can't be read: "
        console.print(_said(begin, found.error, "red"), soft_wrap=True)
        return
    what = "question" if facts.name == QUESTIONS else "image"
    where = f"{found.folder} ({found.form})" if found.folder else found.form
    classes = counted(found.classes or 0, "class", "classes")
    train, test = (
        counted(found.train or 0, f"training {what}"),
        counted(found.test or 0, f"test {what}"),
    )
    counts = f"{classes}, {train} and {test}"
    console.print(_said("here: ", f"{where}: {counts}", "green"), soft_wrap=True)
    if found.split is not None:
        style = "green" if found.split == "CoOp's" else "yellow"
        text = f"{found.split}, its paths, labels and the order of classes compared by hash"
        console.print(_said("split: ", text, style), soft_wrap=True)
    for problem in found.problems:
        console.print(_said("note: ", problem, "yellow"), soft_wrap=True)
    for unreadable in found.unreadable:
        console.print(_said("can't be read: ", unreadable, "red"), soft_wrap=True)


def _print_ways(console: Console, facts: DatasetFacts, entry: Entry, config: DataConfig) -> None:
    from engine.data.fetching.fetch import is_archive, is_fetched

    base = base_folder(config)
    console.print(_said("how to get it ", f"(all below {base}):", "bold"), soft_wrap=True)
    for one in entry.downloads:
        into = f"{one.into or '.'}{'/' if is_archive(one) else ''}"
        done = " (is there)" if is_fetched(one, base) else ""
        known = next((f", {n} {v}" for n, v in (("md5", one.md5), ("sha256", one.sha256)) if v), "")
        line = f"{one.url} into {into}{done}{known}"
        console.print(_said("  --fetch: ", line, ""), soft_wrap=True)
    for step in facts.steps:
        console.print(_said("  by hand: ", step, ""), soft_wrap=True)
    if entry.tars is not None:
        name = entry.tars.repository.rpartition("/")[2]
        line = f"hf download {entry.tars.repository} --repo-type dataset --local-dir {base / name}"
        console.print(_said("  as tars: ", f"{line} ({entry.tars.revision})", ""), soft_wrap=True)
    if entry.hub is not None:
        line = f"--set data.source=hub ({entry.hub.repository} at {entry.hub.revision[:7]})"
        console.print(_said("  from the hub: ", line, ""), soft_wrap=True)
    for dead in facts.dead:
        console.print(_said("  works no more: ", dead, "dim"), soft_wrap=True)
    for note in facts.notes:
        console.print(_said("  note: ", note, "dim"), soft_wrap=True)


def _said(head: str, text: str, style: str) -> Text:
    return Text(head, style=style).append(clean(text), style="")


def _print_pictures(console: Console, dataset: Dataset) -> None:
    from engine.data.images import UnreadableImageError
    from glov_tui.widgets.pictures import picture_rows

    columns, rows = _PICTURE
    shown = []
    for path, name in samples(dataset)[: max(1, console.width // (columns + 1))]:
        try:
            shown.append((picture_rows(dataset.images.file(path), columns, rows), name))
        except UnreadableImageError:
            continue
    for row in range(max((len(lines) for lines, _ in shown), default=0)):
        line = Text()
        for lines, _ in shown:
            used = 0
            for cell, style in lines[row] if row < len(lines) else ():
                line.append(cell, style=_colours(style))
                used += len(cell)
            line.append(" " * (columns + 1 - used))
        console.print(line, no_wrap=True, overflow="crop")
    names = Text()
    for _, name in shown:
        names.append(clean(name)[:columns].ljust(columns + 1))
    console.print(names, no_wrap=True, overflow="crop")


def _colours(style: str) -> str:
    """A widget's ``upper lower`` as rich has it."""
    upper, _, lower = style.partition(" ")
    return f"{upper} on {lower}" if lower else style


# -- getting it --------------------------------------------------------------------------------


def _fetch(entry: Entry, config: DataConfig) -> None:
    from engine.data.fetching.fetch import fetch

    try:
        for said in fetch(entry, base_folder(config), _Progress()):
            tell(said)
    except KeyboardInterrupt:
        tell("interrupted; what has come is kept, and the same command goes on")
        raise


class _Progress:
    """Says on stderr how far a download is, now and then."""

    def __init__(self) -> None:
        self._last = 0.0
        self._on_terminal = sys.stderr.isatty()

    def __call__(self, name: str, done: int, total: int) -> None:
        now = time.monotonic()
        pause = _EVERY if self._on_terminal else 30.0
        if now - self._last < pause and done < total:
            return
        self._last = now
        share = f"{done / 1e6:,.1f} of {total / 1e6:,.1f} MB"
        end = "\n" if done >= total or not self._on_terminal else "\r"
        start = "\r\x1b[K" if self._on_terminal else ""
        print(f"{start}{clean(name)}: {share}", end=end, file=sys.stderr, flush=True)  # noqa: T201
