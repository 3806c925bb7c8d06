"""The replies of the step under way, as they are written, and what became of them."""

from __future__ import annotations

from collections.abc import Hashable
from typing import ClassVar

from engine.events import CandidateProposed
from engine.prompt_template import RejectReason, normalise
from engine.state import RunState
from glov_tui.glyphs import Glyphs
from glov_tui.text import clean
from glov_tui.widgets.spans import Line, Span
from glov_tui.widgets.text_view import TextView

THOUGHT_CHARACTERS = 160  # of a thought's end that are shown


class CandidatesPane(TextView):
    """One line per reply: the text while it streams, then its template, outcome and score.

    While the LLM thinks, the line has the end of its thought.
    """

    TITLE: ClassVar[str] = "candidates"
    INTERVAL: ClassVar[float] = 0.25

    def __init__(self, glyphs: Glyphs) -> None:
        super().__init__(id="candidates")
        self.border_title = self.TITLE
        self._glyphs = glyphs

    def fingerprint(self, state: RunState) -> Hashable:
        """Streams grow, candidates and scores come one by one."""
        streamed = state.streams, state.thoughts
        return state.step, state.attempt, streamed, state.candidates, len(state.templates)

    def show(self, state: RunState) -> None:
        """Draw what is known of each reply of the current attempt."""
        if not state.streams and not state.candidates:
            self.border_title = self.TITLE
            self.set_lines([(("Replies of the LLM appear here as they are written.", "dim"),)])
            return
        attempt = f", attempt {state.attempt}" if state.attempt > 1 else ""
        self.border_title = f"{self.TITLE}: step {state.step}{attempt}"
        read = {c.candidate: c for c in state.candidates if c.attempt == state.attempt}
        n = max(len(state.streams), len(read))
        lines = []
        for i in range(n):
            number: Span = (f"{i + 1:>2} ", "dim")
            if i in read:
                lines.append((number, *self._outcome(read[i], state)))
            else:
                lines.append((number, (f"{self._glyphs.writing} ", "dim"), self._stream(state, i)))
        self.set_lines(lines)

    def _stream(self, state: RunState, i: int) -> Span:
        """What reply ``i`` is so far: its thought, dim, until it has words of its own."""
        text = state.streams[i] if i < len(state.streams) else ""
        thought = state.thoughts[i] if i < len(state.thoughts) else ""
        if thought and not text.strip():
            return self._thought(thought), "dim"
        return clean(text).lstrip(), "" if thought else "dim"

    def _thought(self, thought: str) -> str:
        end = clean(thought[-THOUGHT_CHARACTERS:]).strip()
        left_out = self._glyphs.writing if len(thought) > THOUGHT_CHARACTERS else ""
        return f"thinks: {left_out}{end}"

    def _outcome(self, candidate: CandidateProposed, state: RunState) -> Line:
        glyphs = self._glyphs
        if candidate.outcome == "rejected":
            reason = RejectReason(candidate.reason).explanation if candidate.reason else ""
            only_thought = candidate.thought and not candidate.reply.strip()
            said = self._thought(candidate.thought) if only_thought else clean(candidate.reply)
            return (
                (f"{glyphs.rejected} ", "bad"),
                (f"{reason} ", "bad"),
                (said, "dim"),
            )
        note = f" ({clean(candidate.note)})" if candidate.note else ""
        text = candidate.template or ""
        scored = state.find(normalise(text))
        accuracy = f"{scored.accuracy:>6.1%} " if scored else "     - "
        if candidate.outcome == "duplicate":
            return (
                (f"{glyphs.duplicate} ", "dim"),
                (accuracy, "dim"),
                (f"{clean(text)} (seen before)", "dim"),
            )
        seed = state.seed
        better = scored is not None and seed is not None and scored.accuracy > seed.accuracy
        return (
            (f"{glyphs.new} ", "good"),
            (accuracy, "good" if better else "strong"),
            (clean(text), ""),
            (note, "dim"),
        )
