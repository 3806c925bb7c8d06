"""What a template is to a family of VLMs: known before any model is loaded, and before a paint."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from engine.prompts.template import PLACEHOLDER, RejectReason

if TYPE_CHECKING:
    from engine.prompts.message import Accept, Finish
    from engine.prompts.reply import Parsed


@dataclass(frozen=True, slots=True)
class Placeholders:
    """How often ``<category>`` stands in a template: ``most`` None is any number of times."""

    least: int
    most: int | None = None

    def reason(self, template: str) -> RejectReason | None:
        """Why a template has too few or too many; None if it has as many as it may."""
        count = template.count(PLACEHOLDER)
        if count < self.least:
            return RejectReason.NO_PLACEHOLDER
        if self.most is not None and count > self.most:
            return RejectReason.TOO_MANY_PLACEHOLDERS
        return None

    def problem(self, template: str) -> str | None:
        """The same as a clause that says what is needed, behind the template."""
        match self.reason(template):
            case None:
                return None
            case RejectReason.NO_PLACEHOLDER:
                often = "" if self.least == 1 else f" {self.least} times"
                return f"it needs the placeholder {PLACEHOLDER}{often}"
            case _:
                often = {None: "", 0: "", 1: " more than once"}.get(
                    self.most, f" more than {self.most} times"
                )
                return f"it can't have the placeholder {PLACEHOLDER}{often}"


class ReplyReader(Protocol):
    """Reads the template out of an LLM's reply; never raises."""

    def __call__(
        self, text: str, *, finish: Finish = "stop", accept: Accept = "clean", begun: str = ""
    ) -> Parsed:
        """``finish``: how the reply ended; ``accept``: as ``proposal.accept``; ``begun``: what the
        reply was begun with.
        """
        ...


@dataclass(frozen=True, slots=True)
class Task:
    """What a template is to a family of VLMs, known before one is loaded.

    How much of a text a model reads, in tokens of its own, is known when it is loaded: see
    ``Fitness.check``. What is read out of a reply has a limit in characters, the ``reader``'s.
    """

    seed_template: str
    """What a run starts from."""
    system_prompt: str
    """What the LLM is told a template is for; ``proposal.system_prompt`` replaces it."""
    goal: str
    """What is searched for; ``proposal.task`` replaces it."""
    form: str
    """What the LLM is asked to write one of: ``template with the placeholder <category>``."""
    placeholders: Placeholders
    reader: ReplyReader
    """How replies become templates."""

    def read(
        self, text: str, *, finish: Finish = "stop", accept: Accept = "clean", begun: str = ""
    ) -> Parsed:
        """The template in a reply, or why there is none that can be one of this task."""
        parsed = self.reader(text, finish=finish, accept=accept, begun=begun)
        reason = self.placeholders.reason(parsed.template) if parsed.template else None
        return parsed if reason is None else replace(parsed, template=None, reason=reason)
