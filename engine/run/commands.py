"""What a person can tell a running engine: one closed union of frozen records."""

from typing import Annotated, Literal

from pydantic import Field

from engine.common.record import Author, Count, NoteText, Reason, Record
from engine.run.edits import Edit
from engine.run.experiment import Experiment


class Pause(Record):
    """Hold at the next safe point, at most one token away. Pausing twice is pausing once."""

    kind: Literal["pause"] = "pause"


class Resume(Record):
    """Go on after a pause."""

    kind: Literal["resume"] = "resume"


class StepOnce(Record):
    """Go on to the end of the current step (of the next one when between two), then pause."""

    kind: Literal["step-once"] = "step-once"


class Stop(Record):
    """End the engine at the next safe point. Nothing is lost; the run can be resumed."""

    kind: Literal["stop"] = "stop"


class Asked(Record):
    """Something whose author and reason are journaled with it."""

    author: Author = ""  # who asks; empty: a person at a screen
    reason: Reason = ""


class MakeEdit(Asked):
    """Journal an edit; it says itself from which step it holds."""

    kind: Literal["make-edit"] = "make-edit"
    edit: Edit


class UndoEdit(Asked):
    """Take back the latest edit that has not taken effect yet."""

    kind: Literal["undo-edit"] = "undo-edit"


class InjectTemplate(Asked):
    """Score a template of one's own at once and rank it with the others; or those of a list.

    A list is journaled as a whole before the first of it is scored.
    """

    kind: Literal["inject-template"] = "inject-template"
    text: str
    more: tuple[str, ...] = ()  # the others of a list


class WriteNote(Record):
    """Note something on a step, a template or the run, at any time; any screen may."""

    kind: Literal["write-note"] = "write-note"
    text: NoteText  # empty: the note of this number is taken away
    number: Count = 0  # of a note that is there; 0: it is a new one
    step: Count | None = None
    template: str | None = None  # by its identity
    author: Author = ""


class MeasureTest(Asked):
    """Measure the test accuracy of a scored template, for people: the search does not use it.

    It is done in a pause, or between two steps.
    """

    kind: Literal["measure-test"] = "measure-test"
    key: str  # of the template


class CallOffTests(Asked):
    """Measure no test accuracy that was asked for and is not there yet."""

    kind: Literal["call-off-tests"] = "call-off-tests"


class RunExperiment(Record):
    """Try something in the steering lab; only while the run is paused."""

    kind: Literal["run-experiment"] = "run-experiment"
    experiment: Experiment


class EndExperiment(Record):
    """Give up the experiment that is under way."""

    kind: Literal["end-experiment"] = "end-experiment"


Command = Annotated[
    Pause
    | Resume
    | StepOnce
    | Stop
    | MakeEdit
    | UndoEdit
    | InjectTemplate
    | WriteNote
    | MeasureTest
    | CallOffTests
    | RunExperiment
    | EndExperiment,
    Field(discriminator="kind"),
]
