"""A past step's replies without steering, tried again while the run is paused, and as they are
kept.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, cast

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import Static
from textual.worker import get_current_worker

from engine.common.errors import UserError
from engine.run.commands import Command, RunExperiment
from engine.run.experiment import MAX_REPLIES, CompareSettings
from engine.run.state import RunState
from engine.run.state_facts import ENDED
from engine.session.interface import Session
from engine.storage.past_step import PastStep, read_past_step
from engine.storage.run_folder import run_argument
from glov_tui.cockpit.bound_keys import bound_key, keys_for
from glov_tui.cockpit.lab.obstacles import never, under_way
from glov_tui.cockpit.panes.pane import Pane
from glov_tui.cockpit.screens.trying import TryingScreen
from glov_tui.cockpit.step_reply_lines import how_to_try, is_of_step, kept_lines, tried_lines
from glov_tui.common.glyphs import ASCII, UNICODE
from glov_tui.common.text import clean
from glov_tui.widgets.key_bar import KeyBar
from glov_tui.widgets.spans import Line
from glov_tui.widgets.text_view import TextView

Looked = Literal["present", "past", "replay"]
"""What the cockpit shows: the present of a run, an earlier moment of it, or a journal played."""

STILL_WRITTEN = "The step is under way: its replies are here once all of an attempt are written."


class StepReplies(TextView):
    """The pane: what was tried, which is looked for, over what is kept."""

    TITLE: ClassVar[str] = "step"
    INTERVAL: ClassVar[float] = 0.25

    @dataclass
    class Read(Message):
        """The step as the journal has it now, or why it has not."""

        past: PastStep | None
        problem: str

    def __init__(self, session: Session, step: int, looked: Looked, ascii_only: bool) -> None:
        super().__init__(id="step-replies")
        self._session, self._step = session, step
        self._looked = looked
        self._ascii = ascii_only
        self._read_at: Hashable = None  # what was written when the journal was read last
        self.past: PastStep | None = None
        self.problem = ""

    @property
    def obstacle(self) -> str | None:
        """Why nothing can be tried at present."""
        state, ended = self._session.state, self._session.ended
        hopeless = never(state)
        if hopeless is not None:
            return hopeless
        if ended or state.status in ENDED:
            run = clean(run_argument(self._session.folder))
            no_engine = "This is a replay" if self._looked == "replay" else "The run has ended"
            return f"{no_engine}, without models: `glov steer {run} --step {self._step}` does it."
        if self._looked == "past":
            key = bound_key(self.app, "history")
            return f"That is for the present of a run: {key} in the cockpit goes back to it."
        return under_way(state, keys_for(self.app))

    @property
    def written(self) -> Hashable:
        """How much of the step is in the journal: other facts of it are to be read."""
        state = self._session.state
        if state.step != self._step:
            return state.steps_done >= self._step
        return state.attempt, len(state.candidates), state.step_begin is None

    def fingerprint(self, state: RunState) -> Hashable:
        """What is read once, and the experiment of the session."""
        tried = self._session.state.experiment
        mine = tried if is_of_step(tried, self._step) else None
        return self.past, self.problem, self.obstacle, mine, self._session.ended, self.written

    def show(self, state: RunState) -> None:
        """Draw it, and read the journal where it has more by now."""
        if self.written != self._read_at:
            self._read_at = self.written
            self.run_worker(self._read, thread=True, exclusive=True)
        self._draw()

    def _read(self) -> None:
        try:
            past, problem = read_past_step(self._session.folder, self._step), ""
        except (UserError, OSError) as error:
            past, problem = None, clean(str(error), keep_newlines=True)
        if not get_current_worker().is_cancelled:  # else another one reads what is there by now
            self.post_message(self.Read(past, problem))

    @on(Read)
    def _found(self, event: Read) -> None:
        self.past, self.problem = event.past, event.problem
        self._draw()

    def on_resize(self) -> None:
        """Side by side where it is wide."""
        self._draw()

    def _draw(self) -> None:
        if self.problem:
            state = self._session.state
            begun = state.step == self._step and state.step_begin is not None
            if begun and not self._session.ended and state.status not in ENDED:
                self.set_lines([((STILL_WRITTEN, "note"),)])
            else:
                self.set_lines([((self.problem, "bad"),)])
            return
        if self.past is None:
            self.set_lines([(("Reading the journal ...", "dim"),)])
            return
        glyphs = ASCII if self._ascii else UNICODE
        tried = self._session.state.experiment
        width = self.scrollable_content_region.width or 80
        lines: Sequence[Line]
        if tried is not None and is_of_step(tried, self._step):
            lines = tried_lines(self.past, tried, width, self._ascii, self._session.ended)
        else:
            lines = how_to_try(self.past, self.obstacle)
        self.set_lines([*lines, (("", ""),), *kept_lines(self.past, glyphs)])


class StepRepliesScreen(TryingScreen):
    """Over the map of steering over time."""

    NAME = "Replies"
    APP_ACTIONS: ClassVar[frozenset[str]] = frozenset(
        ["pause", "resume", "help", "leave", "redraw"]
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "give_up", "Give up", tooltip="Give up what is being tried"),
        Binding("escape", "close", "Back", tooltip="Back to the map"),
        Binding(
            "enter",
            "try",
            "Without steering",
            tooltip="Decode the step again without steering and with it, while the run is paused",
        ),
    ]
    DEFAULT_CSS = """
    StepRepliesScreen {
        layout: vertical;
        .about { height: 1; padding: 0 1; background: $panel; text-wrap: nowrap; }
        StepReplies { height: 1fr; padding: 0 1; }
    }
    """

    def __init__(
        self,
        session: Session,
        send: Callable[[Command], None],
        drives: Callable[[], bool],
        step: int,
        looked: Looked = "present",
        ascii_only: bool = False,
    ) -> None:
        """``send``, ``drives``: see ``TryingScreen``."""
        super().__init__(session, send, drives)
        self._step, self._looked, self._ascii = step, looked, ascii_only
        self._ready = False

    def compose(self) -> ComposeResult:
        """One view."""
        yield Static(f"step {self._step}: replies", classes="about", markup=False)
        yield StepReplies(self._session, self._step, self._looked, self._ascii)
        yield KeyBar()

    @property
    def _view(self) -> StepReplies:
        return self.query_one(StepReplies)

    def on_mount(self) -> None:
        """Show the state at once."""
        self._ready = True
        self._view.focus()
        self._view.show(self._session.state)

    @on(StepReplies.Read)
    def _step_read(self) -> None:
        self.refresh_bindings()

    def panes(self) -> Iterable[Pane]:
        """What the pump repaints."""
        if self._ready:
            yield from cast(Iterable[Pane], self.query(StepReplies))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Trying is for steps that were steered."""
        if action == "give_up":
            return self._may_give_up
        if action == "try":
            past = self._view.past if self._ready else None
            return past is not None and past.setting is not None and not self._trying
        return True

    def action_try(self) -> None:
        """Decode the step again, if the run is paused."""
        past, problem = self._view.past, self._view.obstacle
        if problem is not None:
            self.notify(problem, severity="warning", markup=False, timeout=4)
            return
        if past is None or past.setting is None:
            return
        experiment = CompareSettings(
            left=past.setting.model_copy(update={"mode": "off"}),
            right=past.setting,
            replies=min(MAX_REPLIES, len(past.replies)),
            step=self._step,
        )
        self._view.scroll_home(animate=False)
        self._send(RunExperiment(experiment=experiment))
