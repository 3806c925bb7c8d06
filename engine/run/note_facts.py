"""The fact of a lab book: what a person noted."""

from typing import Literal

from engine.common.record import Author, Count, NoteText, Positive
from engine.run.event_record import EventRecord


class Noted(EventRecord):
    """A person's note on a step, a template or the run; it changes nothing of the run.

    With the number of a note that is there it is another text of that one.
    """

    kind: Literal["noted"] = "noted"
    number: Positive
    text: NoteText  # empty: it is taken away
    step: Count | None = None
    template: str | None = None  # by its identity
    author: Author = ""
