"""The replies of the step under way, as they are written, and what became of them."""

from __future__ import annotations

from collections.abc import Hashable
from typing import ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.content import Content

from engine.common.wording import counted
from engine.prompts.template import RejectReason, normalise
from engine.run.events import CandidateProposed, Progress, SampleAnswer, TemplateSoFar
from engine.run.state import RunState
from engine.run.state_facts import ENDED
from engine.search.registry import asks_llm
from glov_tui.cockpit.panes.examples import KEYS_HINT
from glov_tui.cockpit.panes.folding import folded, shared_prefix
from glov_tui.cockpit.panes.pane import DetailsRequested
from glov_tui.common.glyphs import Glyphs
from glov_tui.common.text import clean, cut
from glov_tui.widgets.item_view import ItemView
from glov_tui.widgets.spans import Line, Span

THOUGHT_CHARACTERS = 160  # of a thought's end that are shown
NO_ACCURACY = f"{'-':>6} "
NO_CLASS, NO_VERDICT = "no class", "no verdict"
WIDE = 50  # cells of the pane, below which it has few words
ROOMY = 4  # rows a reply, below which what templates begin with alike is folded


def _under_way(state: RunState) -> Progress | None:
    """The progress of something that is not through: what was is not shown on."""
    progress = state.progress
    return progress if progress is not None and progress.done < progress.total else None


def _so_far(state: RunState) -> tuple[TemplateSoFar, ...]:
    """Of each template that is being scored; a test measurement is none of the candidates'."""
    progress = _under_way(state)
    return progress.so_far if progress is not None and progress.phase == "scoring" else ()


def _waiting(state: RunState) -> str:
    """Why no reply comes, where they come from a server and it is known."""
    progress = state.progress
    return progress.detail if progress is not None and progress.phase == "proposing" else ""


def _answer_now(state: RunState) -> SampleAnswer | None:
    progress = _under_way(state)
    return progress.answer if progress is not None else None


class CandidatesPane(ItemView):
    """One item per reply: the text while it streams, then its template, outcome and score.

    Enter opens a template that was scored, also one that a reply repeats.

    While the LLM thinks, the line has the end of its thought. A text stays where it is written:
    its accuracy has a place before it from the start, and so have the rows of the longest reply,
    where all fit. Else each row that is added would move all replies below it. In a low pane the
    words that templates of earlier steps begin with alike are folded, from the first one on.
    """

    TITLE: ClassVar[str] = "candidates"
    INTERVAL: ClassVar[float] = 0.25
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "copy", "Copy", show=False, tooltip="Copy the template (OSC 52)"),
    ]

    def __init__(self, glyphs: Glyphs) -> None:
        super().__init__(glyphs.changed, id="candidates")
        self.heading = self.TITLE
        self._glyphs = glyphs
        self._longest = (0, 1)  # the pane's width, and the rows of the longest reply at it
        self._replies: list[Line] = []
        self._state = RunState()
        self._prefix = ""  # of templates, that is folded
        self._unfolds = False  # as something is looked for, which may be in what is folded
        self._parts: dict[str, TemplateSoFar] = {}  # by the template's key
        self._read: dict[int, CandidateProposed] = {}  # the replies of the attempt that were read

    def fingerprint(self, state: RunState) -> Hashable:
        """Streams grow, candidates and scores come one by one."""
        streamed = state.streams, state.thoughts
        scores = state.candidates, state.scored.scores
        shown = _answer_now(state), _so_far(state), _waiting(state)
        return state.step, state.attempt, streamed, scores, *shown

    def show(self, state: RunState) -> None:
        """Draw what is known of each reply of the current attempt."""
        self._state = state
        self._read = {c.candidate: c for c in state.candidates if c.attempt == state.attempt}
        n = max(len(state.streams), len(self._read))
        waits = Content(clean(_waiting(state)))
        self.border_subtitle = self._answer(state) or waits or (KEYS_HINT if n else "")
        if not state.streams and not state.candidates:
            self.heading = self.TITLE
            self._replies = []
            if state.step:  # the last step's are gone for a moment: nothing is to be explained
                self.heading += f": step {state.step}"
                self.set_items((), ())
                return
            text = "Replies of the LLM appear here as they are written."
            if state.status in ENDED:
                text = "None: the run ended before its first step."
            text = text if asks_llm(state.config) else "None: this search asks no LLM."
            self.set_items([((text, "dim"),)], ())
            return
        attempt = f", attempt {state.attempt}" if state.attempt > 1 else ""
        self.heading = f"{self.TITLE}: step {state.step}{attempt}"
        so_far = _so_far(state)
        if so_far:
            between = " of " if self._is_wide else "/"
            self.heading += f", {max(p.n for p in so_far)}{between}{counted(so_far[0].of, 'image')}"
        self._parts = {normalise(part.template): part for part in so_far}
        best = next((t.at_least for t in state.ranking if t.first.step < state.step), 1.0)
        digits = len(str(n))
        earlier = (clean(t.text) for t in state.ranking if t.first.step < state.step)
        is_low = self.scrollable_content_region.height < ROOMY * n
        self._prefix = shared_prefix(earlier) if is_low and not self._unfolds else ""
        self._replies = []
        for i in range(n):
            number: Span = (f"{i + 1:>{digits}} ", "dim")
            found = self._read.get(i)
            said = self._outcome(found, state, best) if found else self._stream(state, i)
            self._replies.append((number, *said))
        self._set_spaced()

    def on_resize(self) -> None:
        """Wrap at the new width, and fold where there is less room."""
        self._rewrap()
        if self._replies:
            self.show(self._state)

    def find(self, wanted: str) -> None:
        """Look for a text in all there is: nothing is folded meanwhile."""
        self._fold(False)
        super().find(wanted)

    def end_find(self, back: bool = False) -> None:
        """Fold again."""
        super().end_find(back)
        self._fold(True)

    def _fold(self, folds: bool) -> None:
        if self._unfolds == folds:
            self._unfolds = not folds
            self.show(self._state)

    @property
    def _is_wide(self) -> bool:
        return self.size.width >= WIDE

    def _answer(self, state: RunState) -> Content | None:
        """What the VLM has just made of an image: what it wrote, or how sure it is.

        It has a place of its own, so that no reply moves when one comes.
        """
        sample = _answer_now(state)
        if sample is None:
            return None
        read = (c for c in state.candidates if c.template == sample.template)
        name = "reply " if self._is_wide else "#"
        number = next((f"{name}{c.candidate + 1}: " for c in read), "")
        begin, end = f"{number}{clean(sample.truth)}", ""
        if state.config is not None and state.config.vlm.answer == "refusal":
            begin = number.removesuffix(": ")  # the right verdict is always the same
            end = f" {sample.predicted or NO_VERDICT}"
        elif sample.predicted != sample.truth:
            taken = NO_CLASS if sample.predicted is None else clean(sample.predicted)
            end = f", taken for {taken}" if self._is_wide else f" > {taken}"
        if sample.answer is None:
            sure = "" if sample.probability is None else f" ({sample.probability:.0%})"
            return Content(cut(f"{begin}{end}{sure}", max(10, self.size.width - 4)))
        begin = f'{begin}: "' if begin else '"'
        room = max(10, self.size.width - len(begin) - len(end) - len('"    '))
        return Content(f'{begin}{cut(clean(sample.answer).strip(), room)}"{end}')

    def _set_spaced(self) -> None:
        """With empty rows, so that each has as many as the longest has had, where they fit.

        Where they do not, those at the end have fewer.
        """
        if not self._replies:
            self.set_items((), ())
            return
        width, height = self.scrollable_content_region.size
        rows = [len(self.rows(line, width)) if width else 1 for line in self._replies]
        most = max(*rows, self._longest[1] if self._longest[0] == width else 1)
        self._longest = width, most
        spare = max(0, height - sum(rows))
        wanted = min(most, height // len(rows))
        lines: list[Line] = []
        begins = []
        for line, taken in zip(self._replies, rows, strict=True):
            empty = min(spare, max(0, wanted - taken))
            spare -= empty
            begins.append(len(lines))
            lines += [line, *[()] * empty]
        self.set_items(lines, begins)

    # -- the reply under the cursor ----------------------------------------------------------

    @property
    def selected_key(self) -> str | None:
        """The key of its template, if that was scored."""
        template = self._template(self.cursor)
        return normalise(template) if template and self._state.find(normalise(template)) else None

    def _template(self, reply: int | None) -> str | None:
        found = self._read.get(reply) if reply is not None else None
        return found.template if found is not None else None

    @on(ItemView.ItemChosen)
    def _open(self, event: ItemView.ItemChosen) -> None:
        event.stop()
        key = self.selected_key
        if key is not None:
            self.post_message(DetailsRequested(key))
            return
        reply = self._read.get(event.index)
        name = f"Reply {event.index + 1}"
        if reply is None:
            is_cut = self._state.status in ENDED
            self.notify(
                f"{name} {'was cut off' if is_cut else 'is still being written'}.", timeout=3
            )
        elif reply.outcome == "rejected":
            self.notify(f"{name} was rejected: there is no score to show.", timeout=3)
        else:
            self.notify(f"{name} is not scored yet.", timeout=3)

    def action_copy(self) -> None:
        """Copy the template, or the reply that has none, to the terminal's clipboard."""
        reply = self._read.get(self.cursor) if self.cursor is not None else None
        if reply is not None:
            self.app.copy_to_clipboard(reply.template or reply.reply)
            self.notify("Copied (if the terminal takes OSC 52).", timeout=3)

    # -- how it is drawn ---------------------------------------------------------------------

    def _stream(self, state: RunState, i: int) -> Line:
        """What reply ``i`` is so far: its thought, dim, until it has words of its own."""
        text = state.streams[i] if i < len(state.streams) else ""
        thought = state.thoughts[i] if i < len(state.thoughts) else ""
        writing = f"{self._glyphs.writing} "
        if thought and not text.strip():
            return (writing, "dim"), (self._thought(thought), "dim")
        said = clean(text).lstrip()
        if said and self._prefix.startswith(said):
            said = "…"  # it may go on as the others do: nothing moves when it does
        return (writing + " " * len(NO_ACCURACY), "dim"), (folded(said, self._prefix), "")

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
        part = self._parts.get(normalise(text))
        accuracy = f"{scored.accuracy:>6.1%} " if scored else NO_ACCURACY
        if scored is None and part is not None and part.n:
            accuracy = f"{part.hits / part.n:>6.1%} "  # not known whole: as dim as what is none
        if scored is not None and state.is_partial(scored):
            accuracy += f"{scored.hits}/{scored.n} "
        if candidate.outcome == "duplicate":
            return (
                (f"{glyphs.duplicate} ", "dim"),
                (accuracy, "dim"),
                (f"{folded(clean(text), self._prefix)} (seen before)", "dim"),
            )
        seed = state.seed
        style = "" if scored is not None else "dim"
        if scored is not None and scored.at_least > best:
            style = "good"
        elif scored is not None and seed is not None and scored.at_least > seed.at_least:
            style = "strong"
        return (
            (f"{glyphs.new} ", "good"),
            (accuracy, style),
            (folded(clean(text), self._prefix), ""),
            (note, "dim"),
        )
