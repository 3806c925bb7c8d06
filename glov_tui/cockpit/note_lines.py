"""Notes as lines of a text."""

from __future__ import annotations

import time

from engine.run.notes import Note
from engine.run.state import RunState
from glov_tui.common.text import clean
from glov_tui.widgets.spans import Line


def note_in_full(note: Note, state: RunState) -> list[Line]:
    """A note: who wrote it when, its text, and what it is on, which may be long."""
    on = (("on ", "dim"), (about(note, state), "strong"))
    return [*text_lines(note), (), on]


def text_lines(note: Note) -> list[Line]:
    """Who wrote it when, and its text."""
    who = f"{when(note.time)} {clean(note.author)}".rstrip()
    if note.changed_at is not None:
        other = f" by {clean(note.other)}" if note.other else ""
        who += f", changed {when(note.changed_at)}{other}"
    lines: list[Line] = [((who, "dim"),)]
    return [*lines, *(((clean(text), ""),) for text in note.text.splitlines())]


def about(note: Note, state: RunState) -> str:
    """What it is on; harmless."""
    found = state.find(note.template) if note.template is not None else None
    return clean(found.text if found is not None else note.about)


def when(at: float) -> str:
    """A Unix time in the person's own time, to the minute."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(at))
