"""The meta-prompt that the LLM was asked with; what changed since the last step is marked."""

from __future__ import annotations

from collections.abc import Hashable
from typing import ClassVar

from engine.prompts.message import Message
from engine.prompts.template import normalise
from engine.run.state import RunState
from engine.run.state_facts import ENDED
from engine.search.registry import DEFAULT_SEARCH, asks_llm
from glov_tui.common.glyphs import Glyphs
from glov_tui.common.text import clean
from glov_tui.widgets.spans import Line
from glov_tui.widgets.text_view import TextView


class MetaPromptPane(TextView):
    """System and user message of the step, and which edits wait for the next one.

    Until a reader scrolls it, the pane begins at the templates: what stands before them is the
    same at every step.
    """

    TITLE: ClassVar[str] = "meta-prompt"
    INTERVAL: ClassVar[float] = 0.2

    def __init__(self, glyphs: Glyphs) -> None:
        super().__init__(id="meta-prompt")
        self.heading = self.TITLE
        self._glyphs = glyphs
        self._shown: tuple[Message, ...] = ()
        self.past = False
        """Whether another moment of a run is shown: then what is of another step is not."""
        self._step = 0  # of the shown prompt
        self._before: frozenset[str] = frozenset()  # lines of the prompt before the shown one
        self._examples = 0  # the line with the first template
        self._opened_at = 0  # the row to which it was scrolled

    def fingerprint(self, state: RunState) -> Hashable:
        """The prompt changes once per attempt; the edits whenever a person makes one."""
        prompt = state.prompt
        shown = (prompt.step, prompt.attempt) if prompt else None
        return shown, state.pending, self.past and state.step

    def show(self, state: RunState) -> None:
        """Draw the messages last sent."""
        if state.pending:
            n = len(state.pending)
            edits = f"{n} edit{'s' if n > 1 else ''} {state.when(state.pending[-1].step)}"
            self.border_subtitle = edits
        else:
            self.border_subtitle = ""
        if state.prompt is None or (self.past and state.prompt.step != state.step):
            self.heading = self.TITLE
            self._shown, self._step, self._before = (), 0, frozenset()
            waits = "Shown here once the seed template is scored."
            if state.status in ENDED and not state.steps:
                waits = "Nothing: the run ended before its first step."
            text = waits if asks_llm(state.config) else "Nothing: this search asks no LLM."
            self.set_lines([((text, "dim"),)])
            return
        self.heading = f"{self.TITLE}: step {state.prompt.step}"
        if state.config is not None and state.config.search.kind != DEFAULT_SEARCH:
            self.heading += f", {state.config.search.kind} search"
        if state.prompt.messages != self._shown or state.prompt.step < self._step:
            onwards = state.prompt.step >= self._step  # going back, nothing has changed
            self._before = frozenset(_all_lines(self._shown)) if onwards else frozenset()
            self._shown = state.prompt.messages
        self._step = state.prompt.step
        keys = (*state.prompt.best, *state.prompt.worst)
        found = None
        lines: list[Line] = []
        for message in self._shown:
            begun = message["role"] == "assistant"
            lines.append((("the reply is begun with" if begun else message["role"], "mark"),))
            for text in message["content"].splitlines():
                if found is None and message["role"] == "user":
                    folded = normalise(text)
                    found = len(lines) if any(key in folded for key in keys) else None
                changed = bool(self._before) and bool(text) and text not in self._before
                gutter = self._glyphs.changed if changed else " "
                lines.append(((gutter, "mark"), (clean(text), "")))
        self._examples = max(0, (found or 0) - 1)  # with the line that says what they are
        self.set_lines(lines)
        self._open()

    def on_resize(self) -> None:
        """Wrap at the new width."""
        self._rewrap()
        self._open()

    def _open(self) -> None:
        """Begin at the templates, unless a reader was elsewhere; a larger pane may hold it all."""
        moved = self.scroll_offset.y != min(self._opened_at, self.max_scroll_y)
        if moved or self.is_searched:
            return
        row = min(self.row_of(self._examples), self.max_scroll_y)
        if row != self._opened_at:
            self._opened_at = row
            self.scroll_to(y=row, animate=False, immediate=True, force=True)


def _all_lines(messages: tuple[Message, ...]) -> list[str]:
    return [line for message in messages for line in message["content"].splitlines()]
