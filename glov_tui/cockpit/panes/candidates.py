"""The replies of the step under way, as they are written, and what became of them."""

from __future__ import annotations

from collections.abc import Hashable
from typing import ClassVar

from textual.content import Content

from engine.prompts.template import RejectReason, normalise
from engine.run.events import CandidateProposed, SampleAnswer
from engine.run.state import RunState
from engine.search.registry import asks_llm
from glov_tui.common.glyphs import Glyphs
from glov_tui.common.text import clean, cut
from glov_tui.widgets.spans import Line, Span
from glov_tui.widgets.text_view import TextView, wrap

THOUGHT_CHARACTERS = 160  # of a thought's end that are shown
NO_ACCURACY = f"{'-':>6} "
NO_CLASS = "no class"


def _answer_now(state: RunState) -> SampleAnswer | None:
    return state.progress.answer if state.progress is not None else None


class CandidatesPane(TextView):
    """One line per reply: the text while it streams, then its template, outcome and score.

    While the LLM thinks, the line has the end of its thought. A text stays where it is written:
    its accuracy has a place before it from the start, and so have the rows of the longest reply,
    where all fit. Else each row that is added would move all replies below it.
    """

    TITLE: ClassVar[str] = "candidates"
    INTERVAL: ClassVar[float] = 0.25

    def __init__(self, glyphs: Glyphs) -> None:
        super().__init__(id="candidates")
        self.border_title = self.TITLE
        self._glyphs = glyphs
        self._rows = (0, 1)  # the pane's width, and the rows of the longest reply at it

    def fingerprint(self, state: RunState) -> Hashable:
        """Streams grow, candidates and scores come one by one."""
        streamed = state.streams, state.thoughts
        scores = state.candidates, state.scored.scores
        return state.step, state.attempt, streamed, scores, _answer_now(state)

    def show(self, state: RunState) -> None:
        """Draw what is known of each reply of the current attempt."""
        self.border_subtitle = self._answer(state)
        if not state.streams and not state.candidates:
            self.border_title = self.TITLE
            waits = "Replies of the LLM appear here as they are written."
            text = waits if asks_llm(state.config) else "None: this search asks no LLM."
            self.set_lines([((text, "dim"),)])
            return
        attempt = f", attempt {state.attempt}" if state.attempt > 1 else ""
        self.border_title = f"{self.TITLE}: step {state.step}{attempt}"
        read = {c.candidate: c for c in state.candidates if c.attempt == state.attempt}
        n = max(len(state.streams), len(read))
        before = [t.at_least for t in state.ranking if t.first.step < state.step]
        best = max(before, default=1.0)
        lines: list[Line] = []
        for i in range(n):
            number: Span = (f"{i + 1:>2} ", "dim")
            if i in read:
                lines.append((number, *self._outcome(read[i], state, best)))
            else:
                lines.append((number, *self._stream(state, i)))
        self.set_lines(self._spaced(lines))

    def on_resize(self) -> None:
        """Wrap at the new width."""
        super().on_resize()
        if any(self._lines):  # else nothing was shown yet
            self.set_lines(self._spaced([line for line in self._lines if line]))

    def _answer(self, state: RunState) -> Content:
        """What the VLM has just said of an image. It has a place of its own, so that no reply moves
        when one comes.
        """
        sample = _answer_now(state)
        if sample is None:
            return Content("")
        read = (c for c in state.candidates if c.template == sample.template)
        number = next((f"reply {c.candidate + 1}: " for c in read), "")
        taken = NO_CLASS if sample.predicted is None else clean(sample.predicted)
        is_right = sample.predicted == sample.truth
        end = "" if is_right else f", taken for {taken}"
        begin = f'{number}{clean(sample.truth)}: "'
        room = max(10, self.size.width - len(begin) - len(end) - len('"    '))
        return Content(f'{begin}{cut(clean(sample.answer).strip(), room)}"{end}')

    def _spaced(self, lines: list[Line]) -> list[Line]:
        """With empty rows, so that each has as many as the longest has had, where they fit.

        Where they do not, those at the end have fewer.
        """
        width, height = self.scrollable_content_region.size
        rows = [len(wrap(line, width)) for line in lines] if width else []
        if not rows:
            return lines
        most = max(*rows, self._rows[1] if self._rows[0] == width else 1)
        self._rows = width, most
        spare = max(0, height - sum(rows))
        wanted = min(most, height // len(rows))
        spaced: list[Line] = []
        for line, taken in zip(lines, rows, strict=True):
            empty = min(spare, max(0, wanted - taken))
            spare -= empty
            spaced += [line, *[()] * empty]
        return spaced

    def _stream(self, state: RunState, i: int) -> Line:
        """What reply ``i`` is so far: its thought, dim, until it has words of its own."""
        text = state.streams[i] if i < len(state.streams) else ""
        thought = state.thoughts[i] if i < len(state.thoughts) else ""
        writing = f"{self._glyphs.writing} "
        if thought and not text.strip():
            return (writing, "dim"), (self._thought(thought), "dim")
        return (writing + " " * len(NO_ACCURACY), "dim"), (clean(text).lstrip(), "")

    def _thought(self, thought: str) -> str:
        end = clean(thought[-THOUGHT_CHARACTERS:]).strip()
        left_out = self._glyphs.writing if len(thought) > THOUGHT_CHARACTERS else ""
        return f"thinks: {left_out}{end}"

    def _outcome(self, candidate: CandidateProposed, state: RunState, best: float) -> Line:
        """``best`` is what the best one before the step had at least: what is over it is marked."""
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
        accuracy = f"{scored.accuracy:>6.1%} " if scored else NO_ACCURACY
        if scored is not None and state.is_partial(scored):
            accuracy += f"{scored.hits}/{scored.n} "
        if candidate.outcome == "duplicate":
            return (
                (f"{glyphs.duplicate} ", "dim"),
                (accuracy, "dim"),
                (f"{clean(text)} (seen before)", "dim"),
            )
        seed = state.seed
        style = ""
        if scored is not None and scored.at_least > best:
            style = "good"
        elif scored is not None and seed is not None and scored.at_least > seed.at_least:
            style = "strong"
        return (
            (f"{glyphs.new} ", "good"),
            (accuracy, style),
            (clean(text), ""),
            (note, "dim"),
        )
