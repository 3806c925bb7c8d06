"""Facts on the test split: what was measured, and what a person asks to see. The search never
uses any.
"""

from typing import ClassVar, Literal, Self

from pydantic import model_validator

from engine.common.record import Count, Positive, Seconds, Share
from engine.config import Select
from engine.run.event_record import AskedFact, check_hits

Subject = Literal["seed", "best", "ensemble", "asked"]
"""What is measured: ``asked`` is one template that a person asked for while the run was under way,
the others are the run's own.
"""


class TestAsked(AskedFact):
    """A person wants the test accuracy of a template: measured between two steps, or in a pause."""

    __test__: ClassVar[bool] = False  # not a test case, whatever pytest thinks of its name

    kind: Literal["test-asked"] = "test-asked"
    template: str
    every: Count = 0  # it is the best, asked for every so many steps; 0: asked for itself


class TestMeasured(AskedFact):
    """Accuracy on the test split, which the search never uses."""

    __test__: ClassVar[bool] = False

    kind: Literal["test-measured"] = "test-measured"
    step: Count
    subject: Subject
    templates: tuple[str, ...]  # of an ensemble as often as they count
    selection: Select = "top"  # how an ensemble was chosen: evaluation.select
    hits: Count
    n: Positive
    seconds: Seconds
    unnamed: Count = 0  # images whose answer names no class: they count as wrong
    probability: Share | None = None  # mean of the true class, 0 where the answer names none

    @model_validator(mode="after")
    def _possible(self) -> Self:
        check_hits(self.hits, self.n, self.unnamed)
        return self


class TestDropped(AskedFact):
    """What a person asked for is not measured, and waits no longer."""

    __test__: ClassVar[bool] = False

    kind: Literal["test-dropped"] = "test-dropped"
    template: str
    problem: str = ""  # why it can't be; empty: it was called off
