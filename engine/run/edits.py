"""What a person can change in a running run: one closed union of frozen records.

An edit is journaled as a fact (``events.Edited``) with the step from which it holds, so that a
run that is resumed or replayed sees every edit where it was made.
"""

from typing import Annotated, Any, Literal

from pydantic import Field

from engine.common.record import Record


class SetOption(Record):
    """Give a configuration key of ``EDITABLE`` another value; None is its default."""

    kind: Literal["set-option"] = "set-option"
    key: str
    value: Any

    def describe(self) -> str:
        """One line for the log."""
        if isinstance(self.value, str) and self.key in ("proposal.system_prompt", "proposal.task"):
            return f"{self.key} rewritten"
        return f"{self.key} = {'default' if self.value is None else self.value}"


class SetNextPrompt(Record):
    """Send these very messages in the next step, and the composed ones again after it."""

    kind: Literal["set-next-prompt"] = "set-next-prompt"
    system: str
    user: str

    def describe(self) -> str:
        """One line for the log."""
        return "next meta-prompt rewritten"


class PinTemplate(Record):
    """Always show this template among the best in-context examples, or no longer."""

    kind: Literal["pin-template"] = "pin-template"
    key: str
    pinned: bool

    def describe(self) -> str:
        """One line for the log."""
        return f"{'pinned' if self.pinned else 'unpinned'}: {self.key}"


class BanTemplate(Record):
    """Keep this template out of the examples, the anchors and the ensemble, or no longer."""

    kind: Literal["ban-template"] = "ban-template"
    key: str
    banned: bool

    def describe(self) -> str:
        """One line for the log."""
        return f"{'banned' if self.banned else 'allowed again'}: {self.key}"


class ChooseAnchors(Record):
    """Hold P+ and P- at these templates; both None hands them back to the optimiser."""

    kind: Literal["choose-anchors"] = "choose-anchors"
    positive: str | None
    negative: str | None

    def describe(self) -> str:
        """One line for the log."""
        if self.positive is None or self.negative is None:
            return "P+ and P- handed back to the optimiser"
        return f"P+ chosen: {self.positive}; P- chosen: {self.negative}"


Edit = Annotated[
    SetOption | SetNextPrompt | PinTemplate | BanTemplate | ChooseAnchors,
    Field(discriminator="kind"),
]
