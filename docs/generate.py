"""Write the tables of journal.md, json.md and socket.md from the records that they describe.

python -m docs.generate            writes them
python -m docs.generate --check    changes nothing; names what is not up to date and ends with 1
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, get_args

from docs.records import Row, about, inner_records, is_record, rows, table, wording
from engine.analysis.compare_report import ReportFacts
from engine.analysis.evaluate_report import EvaluationFacts
from engine.analysis.export.as_json import ExportedResult
from engine.analysis.listed_run import RunLine
from engine.common.record import Record
from engine.config import RunConfig
from engine.remote import messages
from engine.run import events as ev
from engine.run.result import PrintedResult
from engine.storage.check import CheckFacts
from engine.sweeps.document import SweepFacts
from engine.sweeps.tables.proposal import PlannedTable
from engine.sweeps.tables.report import TableFacts
from glov_tui.commands.ctl import Answer, Running
from glov_tui.commands.dataset_facts import DatasetFacts, DatasetLine
from glov_tui.commands.doctor import Machine
from glov_tui.commands.export import ExportFacts
from glov_tui.commands.on_screen import Detached
from glov_tui.commands.steer_report import SteerFacts

HERE = Path(__file__).parent
BEGIN, END = "<!-- {}: written by docs/generate.py -->", "<!-- end -->"


class Document(NamedTuple):
    """What commands print with ``--json``, or always."""

    commands: tuple[str, ...]
    when: str  # of these commands, if not always
    type: Any


DOCUMENTS = (
    Document(("demo", "run", "resume", "fork"), "", PrintedResult),
    Document(("demo", "run", "resume", "fork"), "with `--detach`", Detached),
    Document(("runs",), "", list[RunLine]),
    Document(("check",), "", CheckFacts),
    Document(("ctl",), "`status`", Running),
    Document(("ctl",), "each command", Answer),
    Document(("compare",), "", ReportFacts),
    Document(("export",), "", ExportFacts),
    Document(("export",), "the file of `--format json`", ExportedResult),
    Document(("eval",), "", EvaluationFacts),
    Document(("sweep",), "", SweepFacts),
    Document(("reproduce",), "", TableFacts),
    Document(("reproduce",), "with `--dry-run`", PlannedTable),
    Document(("steer",), "", SteerFacts),
    Document(("config show",), "", RunConfig),
    Document(("datasets",), "without a name, each data set by name", dict[str, DatasetLine]),
    Document(("datasets",), "with a name", DatasetFacts),
    Document(("doctor",), "", Machine),
)


def main() -> int:
    """Write what is not up to date, or only name it; returns the exit code."""
    check = "--check" in sys.argv[1:]
    stale = [path for path, text in generated() if path.read_text(encoding="utf-8") != text]
    for path in stale:
        print(f"{path}: {'not up to date; python -m docs.generate' if check else 'written'}")  # noqa: T201
    if not check:
        for path, text in generated():
            path.write_text(text, encoding="utf-8")
    return int(check and bool(stale))


def generated() -> Iterator[tuple[Path, str]]:
    """The files with generated sections, as they should be."""
    facts = [event for event in _kinds(ev.Event) if event.is_fact]  # type: ignore[attr-defined]
    sent = [one for one in _kinds(messages.Message) if one not in facts]
    asked = _kinds(messages.Request)
    yield from _file("journal.md", {"facts": _of_kinds(facts), "records": _records(_within(facts))})
    yield from _file(
        "socket.md",
        {
            "messages": _of_kinds(sent),
            "requests": _of_kinds(asked),
            "records": _records(_within([*sent, *asked])),
        },
    )
    yield from _file(
        "json.md",
        {
            "documents": [line for document in DOCUMENTS for line in _document(document)],
            "records": _records(_within([d.type for d in DOCUMENTS if d.type is not RunConfig])),
        },
    )


def _kinds(union: Any) -> list[type[Record]]:
    """The records of a union that ``kind`` tells apart, whatever unions it is made of."""
    if is_record(union):
        return [union]
    found = [kind for one in get_args(union) for kind in _kinds(one)]
    return list(dict.fromkeys(found))


def _file(name: str, sections: dict[str, list[str]]) -> Iterator[tuple[Path, str]]:
    path = HERE / name
    text = path.read_text(encoding="utf-8")
    for section, lines in sections.items():
        begin = BEGIN.format(section)
        head, found, rest = text.partition(begin)
        _, closed, tail = rest.partition(END)
        if not found or not closed:
            raise SystemExit(f"{path}: there is no section {begin!r} that ends in {END!r}")
        text = "\n".join([head + begin, "", *lines, END]) + tail
    yield path, text


def _within(annotations: Iterable[Any]) -> list[type]:
    """The records that others hold, however deep, each once and in order."""
    found: list[type] = []
    roots = list(annotations)
    queue = [record for one in roots for record in inner_records(one)]
    while queue:
        record = queue.pop(0)
        if record not in found and record not in roots:
            found.append(record)
            queue = [*inner_records(record), *queue]
    return found


def _of_kinds(events: Iterable[type[Record]]) -> list[str]:
    lines: list[str] = []
    for event in events:
        kind = event.model_fields["kind"].default
        own = [row for row in rows(event) if row.name not in ("time", "kind")]
        said = about(event).removeprefix("Telemetry: ")
        lines += [f"### {kind}", "", said[:1].upper() + said[1:], ""]
        lines += [*table(own), ""] if own else []
    return lines


def _records(records: Iterable[type]) -> list[str]:
    lines: list[str] = []
    for record in records:
        lines += [f"### {record.__name__}", ""]
        lines += [text, ""] if (text := about(record)) else []
        lines += [*table(rows(record)), ""]
    return lines


def _document(document: Document) -> list[str]:
    names = [f"`glov {name}`" for name in document.commands]
    heading = ", ".join(names) + (f", {document.when}" if document.when else "")
    lines = [f"### {heading}", ""]
    if document.type is RunConfig:
        return [*lines, "The configuration as it would run.", "", *table(_keys(RunConfig)), ""]
    if not is_record(document.type):
        text = wording(document.type)
        return [*lines, f"{text[:1].upper()}{text[1:]}.", ""]
    return [*lines, about(document.type), "", *table(rows(document.type)), ""]


def _keys(section: type, prefix: str = "") -> Iterator[Row]:
    """The keys of a configuration, by their paths."""
    for row, hint in zip(rows(section), section.model_fields.values(), strict=True):  # type: ignore[attr-defined]
        if is_record(hint.annotation):
            yield from _keys(hint.annotation, f"{prefix}{row.name}.")
        else:
            yield row._replace(name=prefix + row.name)


if __name__ == "__main__":
    sys.exit(main())
