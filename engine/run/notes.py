"""The lab book of a run: what people noted on its steps and templates. No part of the search.

A note is journaled as ``events.Noted``; with the same number again that is another text of the same
note, and without a text the note is taken away.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from engine.run import events as ev


@dataclass(frozen=True, slots=True)
class Note:
    """What somebody noted. Its texts are untrusted."""

    number: int
    text: str
    author: str
    time: float  # Unix time of the first text
    step: int | None  # that it is on
    template: str | None  # that it is on, by its identity; neither: it is on the run
    changed_at: float | None = None  # Unix time of the latest text, where it is another one
    changed_by: str = ""

    @property
    def first_line(self) -> str:
        """The beginning of the text."""
        return self.text.partition("\n")[0]

    @property
    def other(self) -> str:
        """Who changed it last, where that is not who wrote it; else nothing."""
        return "" if self.changed_by == self.author else self.changed_by

    @property
    def about(self) -> str:
        """What it is on, in words; a template by its identity."""
        if self.template is not None:
            return self.template
        return "the run" if self.step is None else f"step {self.step}"


Notes = tuple[Note, ...]
"""All that were not taken away, oldest first."""


def with_note(notes: Notes, event: ev.Noted) -> Notes:
    """The notes after a fact; one that changes a note which is not there is another note."""
    place = next((i for i, note in enumerate(notes) if note.number == event.number), None)
    if place is None:
        if not event.text:
            return notes
        note = Note(event.number, event.text, event.author, event.time, event.step, event.template)
        return (*notes, note)
    before, after = notes[:place], notes[place + 1 :]
    if not event.text:
        return (*before, *after)
    changed = replace(notes[place], text=event.text, changed_at=event.time, changed_by=event.author)
    return (*before, changed, *after)
