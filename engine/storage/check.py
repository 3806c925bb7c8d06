"""Whether a run on disk is what an engine wrote, and what it rests on: nothing is changed.

Its journal line by line, what the journal leads to, the files beside it, and the entries of the
caches that its numbers rest on. No model is loaded.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from typing_extensions import TypedDict

from engine.common.cache_folder import features_folder
from engine.common.errors import JournalError, UserError
from engine.common.ownership import user_name, why_denied, why_foreign
from engine.common.record import Count
from engine.common.toml_reading import read_toml
from engine.common.wording import counted
from engine.config import RunConfig
from engine.config.old import written_config
from engine.run.events import Event
from engine.run.state import RunState
from engine.storage import journal_lines
from engine.storage.journal import fold_journal, is_driven
from engine.storage.journal_versions import check_head, read_lines
from engine.storage.lock import OWNER
from engine.storage.run_folder import (
    CONFIG,
    EVENTS,
    EXPORTS,
    LOG,
    PREDICTIONS,
    QUIET,
    SOCKET,
    SUMMARY,
    run_argument,
)
from engine.storage.run_record import begun_config
from engine.storage.run_status import RunStatus, status_now
from engine.storage.summary import kept_summary, summary_of_journal

Level = Literal["error", "warning", "note"]
MOST_LINES = 20  # that are named; of more only the number is
_OURS = {EVENTS, CONFIG, LOG, SUMMARY, OWNER, SOCKET, QUIET}


class FindingFacts(TypedDict):
    """Something that is not as it should be."""

    level: Level
    where: str  # a file, and the line in it
    what: str
    todo: str  # what can be done about it; may be empty


class CheckFacts(TypedDict):
    """What was found in a run's folder."""

    run: str  # the name of its folder
    folder: str
    sound: bool  # there is no finding of level "error"
    facts: Count  # lines of the journal that are as they were written
    status: RunStatus | None  # what the run does now; null where the journal is damaged
    steps: Count | None  # that are done; null likewise
    findings: list[FindingFacts]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it should be. Its texts are untrusted: clean before showing.

    An ``error`` is content that is not what was written; a ``warning`` may come to be one.
    """

    level: Level
    where: str  # a file, and the line in it
    what: str
    todo: str  # what can be done about it


@dataclass(frozen=True)
class RunCheck:
    """What was found in a run's folder."""

    folder: Path
    facts: int  # lines of the journal that are as they were written
    state: RunState | None  # that they lead to; None where the journal is damaged
    status: RunStatus | None  # what the run does now; None likewise
    findings: tuple[Finding, ...]

    @property
    def sound(self) -> bool:
        """Whether everything is what was written."""
        return all(finding.level != "error" for finding in self.findings)

    def as_dict(self) -> CheckFacts:
        """Plain data for ``--json``."""
        return {
            "run": self.folder.name,
            "folder": str(self.folder),
            "sound": self.sound,
            "facts": self.facts,
            "status": self.status,
            "steps": self.state.steps_done if self.state else None,
            "findings": [
                {"level": f.level, "where": f.where, "what": f.what, "todo": f.todo}
                for f in self.findings
            ],
        }


def check_run(folder: Path) -> RunCheck:
    """Look at all that a run left and rests on.

    Raises:
        JournalError: if there is no journal, or it can't be read.
    """
    path = folder / EVENTS
    driven = is_driven(folder)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise JournalError(f"{path} can't be read: {why_denied(error, path)}") from error
    events, findings = _journal(folder, data, driven)
    state: RunState | None = None
    if all(finding.level != "error" for finding in findings):
        try:
            state = fold_journal(folder, events)
        except JournalError as error:
            findings.append(Finding("error", str(path), str(error), _fork_todo(folder)))
    if state is not None:
        findings += _beside(folder, events, state, driven)
        findings += _caches(begun_config(events), state)
    findings += _predictions(folder)
    findings += _files(folder)
    status = status_now(state.status, folder) if state is not None else None
    return RunCheck(folder, len(events), state, status, tuple(findings))


def _journal(folder: Path, data: bytes, driven: bool) -> tuple[list[Event], list[Finding]]:
    path, name = folder / EVENTS, run_argument(folder)
    lines, torn = journal_lines.whole_lines(data)
    events: list[Event] = []
    findings: list[Finding] = []
    damaged: list[journal_lines.Damage] = []
    try:
        if not lines:
            raise JournalError(f"{path} holds no event: the run ended before it began")
        version, found = read_lines(path, lines)
        for each in found:
            if isinstance(each, journal_lines.Damage):
                damaged.append(each)
            else:
                if not events and not damaged:
                    check_head(path, each)
                events.append(each)
    except JournalError as error:
        return [], [Finding("error", str(path), str(error), "")]
    for one in damaged[:MOST_LINES]:
        findings.append(Finding("error", f"{path}, line {one.line}", one.what, ""))
    if damaged:
        first = damaged[0].line
        todo = (
            f"put {EVENTS} back from a backup; or `head -n {first - 1} {EVENTS}` into a copy of "
            "the folder, which can be resumed"
            if first > 1
            else f"put {EVENTS} back from a backup: nothing before the damage is left"
        )
        what = (
            f"damaged: {len(damaged)} of {counted(len(lines), 'line')}; whole before: {first - 1}"
        )
        findings.append(Finding("error", str(path), what, todo))
    elif version == 1:
        what = "a journal of version 1 has no checksums: only what can't be is noticed"
        findings.append(Finding("note", str(path), what, f"`glov resume {name}` writes them"))
    if torn and not driven:
        what = f"the last append is torn after {counted(torn, 'byte')} of it"
        findings.append(Finding("warning", str(path), what, f"`glov resume {name}` cuts them off"))
    return events, findings


def _fork_todo(folder: Path) -> str:
    return f"a copy of {folder.name} whose {EVENTS} is cut before that line can be resumed"


def _beside(
    folder: Path, events: Sequence[Event], state: RunState, driven: bool
) -> Iterator[Finding]:
    """The files that say again what the journal says."""
    if driven:
        what = "a process drives the run: what it writes from now on is not looked at"
        yield Finding("note", str(folder), what, "check again when it has ended")
    kept = kept_summary(folder)
    if kept is not None and not driven:
        now = summary_of_journal(folder)
        if kept.journal_bytes == now.journal_bytes and kept != now.model_copy(
            update={"journal_changed": kept.journal_changed}
        ):
            yield Finding(
                "error",
                str(folder / SUMMARY),
                "it says something else than the journal",
                "delete it; `glov runs` writes it anew",
            )
    elif kept is None and os.path.lexists(folder / SUMMARY):
        what, todo = "it can't be read as a summary", "delete it; `glov runs` writes it anew"
        yield Finding("warning", str(folder / SUMMARY), what, todo)
    problem = _config_problem(folder / CONFIG, begun_config(events))
    if problem is not None:
        todo = "the one in the journal counts; this is for people to read"
        yield Finding("warning", str(folder / CONFIG), problem, todo)


def _config_problem(path: Path, begun: RunConfig) -> str | None:
    if not os.path.lexists(path):
        return None  # nothing rests on it
    try:
        found = written_config(read_toml(path))
    except (UserError, ValueError):
        return "it can't be read as a configuration of this glov"
    before, now = begun.model_dump(mode="json"), found.model_dump(mode="json")
    keys = ", ".join(_different(before, now))
    return f"it is not what the run began with: {keys}" if keys else None


def _different(one: Mapping[str, Any], other: Mapping[str, Any], section: str = "") -> list[str]:
    """The keys that differ, by their paths."""
    found: list[str] = []
    for key in sorted({*one, *other}):
        a, b = one.get(key), other.get(key)
        if isinstance(a, Mapping) and isinstance(b, Mapping):
            found += _different(a, b, f"{section}{key}.")
        elif a != b:
            found.append(f"{section}{key}")
    return found


def _caches(config: RunConfig, state: RunState) -> Iterator[Finding]:
    """Entries of the caches that the run's numbers rest on, where they are still there."""
    from engine.data.readers.generated import changed
    from engine.data.registry import registered_datasets
    from engine.vlm.feature_cache import FeatureCache  # with numpy

    keys = state.models.cache_entries if state.models else ()
    for path in FeatureCache(features_folder()).damaged(keys):
        yield Finding(
            "error",
            str(path),
            "the image features in it are not those that were kept there",
            "delete it: they are computed anew when they are needed",
        )
    if config.data.dataset not in registered_datasets():  # a journal may have any text there
        return
    for path in changed(config.data.dataset):
        what = "the generated data set in it was changed"
        yield Finding("error", str(path), what, "delete it: it is written anew when it is needed")


def _predictions(folder: Path) -> Iterator[Finding]:
    """What templates made of each image, where that is still there."""
    if not (folder / PREDICTIONS).is_dir():
        return
    from engine.storage.predictions import damaged_files  # with numpy

    for path in damaged_files(folder):
        yield Finding(
            "error",
            str(path),
            "what templates made of each image is not what was kept there",
            "delete it: they are scored again when that is needed",
        )


def _files(folder: Path) -> Iterator[Finding]:
    """Links, files of others, and what no engine put there."""
    foreign = why_foreign(folder, folder / EVENTS)
    if foreign is not None:
        what = f"others can have written it: {foreign}"
        yield Finding("warning", str(folder), what, "trust it as far as you trust them")
    try:
        found = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        yield Finding("warning", str(folder), why_denied(error, folder), "")
        return
    for entry in found:
        try:
            finding = _file(entry)
        except FileNotFoundError:  # an engine that ends takes its own away
            continue
        if finding is not None:
            yield finding


def _file(entry: os.DirEntry[str]) -> Finding | None:
    status = entry.stat(follow_symlinks=False)
    socket = entry.name == SOCKET  # may be a link to where a socket can be
    if entry.is_symlink() and not socket:
        what = f"it is a link to {Path(entry.path).readlink()}"
        return Finding("warning", entry.path, what, "put the file itself there")
    if entry.name in _OURS and not socket and not stat.S_ISREG(status.st_mode):
        return Finding("warning", entry.path, "it is no file", "delete it")
    if stat.S_ISREG(status.st_mode) and status.st_nlink > 1:
        what = f"it has {status.st_nlink} names: what is written to one is written to all"
        return Finding("warning", entry.path, what, "keep a copy of its own, not a hard link")
    if status.st_uid != os.geteuid():
        what = f"it belongs to {user_name(status.st_uid)}"
        return Finding("note", entry.path, what, "see that this is what you expect")
    if entry.name in (PREDICTIONS, EXPORTS) and stat.S_ISDIR(status.st_mode):
        return None
    if entry.name not in _OURS and not entry.name.startswith(tuple(f".{name}." for name in _OURS)):
        return Finding("note", entry.path, "no engine put it there", "leave it, or delete it")
    return None
