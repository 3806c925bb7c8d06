"""A past step's replies without steering, tried again while the run is paused, and as they are
kept.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import ClassVar, cast

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Static

from engine.common.errors import UserError
from engine.run.commands import Command, EndExperiment, RunExperiment
from engine.run.experiment import MAX_REPLIES, CompareSettings
from engine.run.state import RunState
from engine.session.interface import Session
from engine.storage.past_step import PastStep, read_past_step
from engine.storage.run_folder import run_argument
from glov_tui.cockpit.bound_keys import bound_key
from glov_tui.cockpit.lab.settings import obstacle
from glov_tui.cockpit.panes.pane import Pane, PaneScreen
from glov_tui.cockpit.screens.dialog import LeftOnce
from glov_tui.cockpit.step_reply_lines import how_to_try, is_of_step, kept_lines, tried_lines
from glov_tui.common.glyphs import ASCII, UNICODE
from glov_tui.common.text import clean
from glov_tui.widgets.key_bar import KeyBar
from glov_tui.widgets.spans import Line
from glov_tui.widgets.text_view import TextView


class StepReplies(TextView):
    """The pane: what was tried, which is looked for, over what is kept."""

    TITLE: ClassVar[str] = "step"
    INTERVAL: ClassVar[float] = 0.25

    def __init__(self, session: Session, step: int, is_past: bool, ascii_only: bool) -> None:
        super().__init__(id="step-replies")
        self._session, self._step = session, step
        self._is_past = is_past  # another moment of a run than the present is shown
        self._ascii = ascii_only
        self.past: PastStep | None = None
        self.problem = ""

    @property
    def obstacle(self) -> str | None:
        """Why nothing can be tried at present."""
        if self._is_past and not self._session.ended:
            key = bound_key(self.app, "history")
            return f"That is for the present of a run: {key} in the cockpit goes back to it."
        run = clean(run_argument(self._session.folder))
        return obstacle(self._session.state, self._session.ended, run)

    def fingerprint(self, state: RunState) -> Hashable:
        """What is read once, and the experiment of the session."""
        tried = self._session.state.experiment
        mine = tried if is_of_step(tried, self._step) else None
        return self.past is not None, self.problem, self.obstacle, mine

    def show(self, state: RunState) -> None:
        """Draw it."""
        self._draw()

    def on_resize(self) -> None:
        """Side by side where it is wide."""
        self._draw()

    def _draw(self) -> None:
        if self.problem:
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
            lines = tried_lines(self.past, tried, width, self._ascii)
        else:
            lines = how_to_try(self.past, self.obstacle)
        self.set_lines([*lines, (("", ""),), *kept_lines(self.past, glyphs)])


class StepRepliesScreen(LeftOnce[None], PaneScreen):
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
        step: int,
        send: Callable[[Command], None],
        is_past: bool = False,
        ascii_only: bool = False,
    ) -> None:
        """``send`` is the app's: it shows what comes of it at once."""
        super().__init__()
        self._session, self._step, self._send = session, step, send
        self._is_past, self._ascii = is_past, ascii_only
        self._ready = False

    def compose(self) -> ComposeResult:
        """One view."""
        yield Static(f"step {self._step}: replies", classes="about", markup=False)
        yield StepReplies(self._session, self._step, self._is_past, self._ascii)
        yield KeyBar()

    @property
    def _view(self) -> StepReplies:
        return self.query_one(StepReplies)

    def on_mount(self) -> None:
        """Read the journal: of a long run that takes a while."""
        self._ready = True
        self._view.focus()
        self._view.show(self._session.state)
        self.run_worker(self._read, thread=True)

    def _read(self) -> None:
        try:
            past, problem = read_past_step(self._session.folder, self._step), ""
        except UserError as error:
            past, problem = None, clean(str(error), keep_newlines=True)
        self.app.call_from_thread(self._found, past, problem)

    def _found(self, past: PastStep | None, problem: str) -> None:
        if self.is_mounted:
            self._view.past, self._view.problem = past, problem
            self._view.show(self._session.state)
            self.refresh_bindings()

    def panes(self) -> Iterable[Pane]:
        """What the pump repaints."""
        if self._ready:
            yield from cast(Iterable[Pane], self.query(StepReplies))

    @property
    def _trying(self) -> bool:
        tried = self._session.state.experiment
        return tried is not None and tried.running and not self._session.ended

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Trying is for steps that were steered."""
        if action == "give_up":
            return self._trying
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

    def action_give_up(self) -> None:
        """End what is being tried."""
        self._send(EndExperiment())

    def action_close(self) -> None:
        """Back to the map; what is being tried ends."""
        self.dismiss(None)

    def on_unmount(self) -> None:
        """However it is left, what is being tried ends with it."""
        if self._trying:
            self._session.send(EndExperiment())
