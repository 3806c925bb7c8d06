"""What the keys of the cockpit do to the run: commands, edits, and the screens that ask for more.

Screens are imported when they are opened, to keep the first paint quick.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

from textual import on
from textual.screen import Screen

from engine.common.files import write_atomic
from engine.common.ownership import why_denied
from engine.prompts.template import normalise
from engine.run.commands import (
    Command,
    InjectTemplate,
    MakeEdit,
    Pause,
    Resume,
    StepOnce,
    UndoEdit,
)
from engine.run.edit_check import edit_problem
from engine.run.edits import ChooseAnchors, Edit
from engine.run.events import Edited, EditUndone
from engine.run.state import RunState
from engine.session.interface import Session
from engine.vlm.families import task_of
from glov_tui.cockpit import choices
from glov_tui.cockpit.bound_keys import bound_key
from glov_tui.cockpit.notices import NoticesApp
from glov_tui.cockpit.panes.pane import DetailsRequested
from glov_tui.common.glyphs import ASCII, UNICODE
from glov_tui.common.text import clean
from glov_tui.terminal.external_editor import edit_text
from glov_tui.terminal.governor import Governor

if TYPE_CHECKING:
    from glov_tui.cockpit.injecting import Sorted
    from glov_tui.cockpit.screens.injected import AskedList

T = TypeVar("T")

EXPECTED_SECONDS = 10.0  # after which what was asked for counts as lost
ANSWER_POLL_SECONDS, ANSWER_POLLS = 0.01, 200  # how closely a command's effect is awaited
LATE_POLLS = 50  # after which it is said what a pause waits for

DRIVING = frozenset(
    [
        "pause",
        "resume",
        "step_once",
        "edit",
        "inject",
        "options",
        "pin",
        "ban",
        "undo",
        "layer",
        "alpha",
        "mode",
        "anchor",
        "hand_back",
    ]
)
"""Actions that need an engine to obey."""


class RunActions(NoticesApp):
    """The actions that drive a session; ``GlovApp`` lays out the panes and repaints them."""

    session: Session
    ascii_only: bool
    governor: Governor
    _expected: RunState | None = None
    _expected_at = 0.0
    _last_list: AskedList | None = None  # that was injected, for ``InjectedScreen``
    _injected: dict[str, bool]  # by key; whether the template was scored before

    def _repaint(self, state: RunState, *, by_user: bool = False) -> None:
        raise NotImplementedError

    def _selected(self) -> str | None:
        raise NotImplementedError

    def _select(self, key: str) -> None:
        raise NotImplementedError

    def _chosen(self) -> str | None:
        """The key of the selected template; where none is, the person is told."""
        key = self._selected()
        if key is None:
            self.notify("No template that was scored is selected.", timeout=3)
        return key

    def may_drive(self) -> bool:
        """Whether this screen may drive the run now; where it may not, the person is told."""
        raise NotImplementedError

    def _open(self, screen: Screen[T], callback: Callable[[T | None], None] | None = None) -> None:
        """Open a screen, unless one of its kind is there: keys may come twice in one read."""
        if not any(type(shown) is type(screen) for shown in self.screen_stack):
            self.push_screen(screen, callback)

    @property
    def expected(self) -> RunState:
        """The state as all that was asked for will leave it: keys count on it.

        The engine obeys at its next safe point, and a line may be slow; four quick presses of +
        are four steps.
        """
        state, asked = self.session.state, self._expected
        if asked is None:
            return state
        waits = [edited.edit for edited in state.pending]
        obeyed = state.edits_made >= asked.edits_made
        obeyed = obeyed and waits == [edited.edit for edited in asked.pending]
        if obeyed or time.monotonic() - self._expected_at > EXPECTED_SECONDS:
            self._expected = None
            return state
        return asked

    def _expect(self, command: Command) -> None:
        """Count with what a command will change."""
        state = self.expected
        match command:
            case MakeEdit(edit=edit) if edit_problem(state, edit) is None:
                number = state.edits_made + 1
                made = Edited(number=number, step=state.next_step, edit=edit)
                self._expected = state.apply(made)
            case UndoEdit() if state.pending:
                self._expected = state.apply(EditUndone(number=state.pending[-1].number))
            case _:
                return
        self._expected_at = time.monotonic()

    def _send(self, command: Command) -> None:
        """Send a command, and show what it does as soon as the engine has obeyed it."""
        before = self.session.state
        self._expect(command)
        self.session.send(command)
        polls = 0

        def look() -> None:
            nonlocal polls
            polls += 1
            state = self.session.state
            obeyed = (
                state.log is not before.log
                or state.status != before.status
                or state.experiment is not before.experiment
            )
            if obeyed:
                self._repaint(state, by_user=True)
                self._tell_warnings(before, state)
            if obeyed or polls >= ANSWER_POLLS:
                timer.stop()
            elif polls == LATE_POLLS and isinstance(command, Pause):
                self._tell_pause(state)

        timer = self.set_interval(ANSWER_POLL_SECONDS, look)

    def _tell_warnings(self, before: RunState, now: RunState) -> None:
        """Say at once what the engine answered to a command: the log may not be in view."""
        last = before.log[-1] if before.log else None
        for line in takewhile(lambda line: line is not last, reversed(now.log)):
            if line.level == "warning":
                self.notify(clean(line.text), severity="warning", markup=False, timeout=8)

    def _tell_pause(self, state: RunState) -> None:
        """Say what is done first, where it takes longer than a token."""
        phase = state.progress.phase if state.progress is not None else ""
        if phase in ("seed template", "scoring", "ensemble", "testing"):
            what = "the VLM is through with the images or texts that it reads at once"
        elif phase == "loading":
            what = "what is being loaded is there"
        else:
            what = "the LLM is through with the token that it writes"
        self.notify(f"It holds as soon as {what}.", title="Pausing", timeout=4)

    def _edit(self, *edits: Edit) -> None:
        for edit in edits:
            self._send(MakeEdit(edit=edit))

    def action_pause(self) -> None:
        """Hold at the next safe point, at most one token away."""
        self._send(Pause())

    def action_resume(self) -> None:
        """Go on after a pause."""
        self._send(Resume())

    def action_step_once(self) -> None:
        """Run to the end of one step."""
        self._send(StepOnce())

    def action_edit(self) -> None:
        """Edit the meta-prompt."""
        from glov_tui.cockpit.screens.editor import EditorScreen

        def done(edits: list[Edit] | None) -> None:
            self._edit(*(edits or []))

        state, folder = self.session.state, self.session.folder
        self._open(EditorScreen(state, folder, self.may_drive, self._edit_externally), done)

    def _edit_externally(self, text: str) -> str | None:
        return edit_text(self, text)

    def action_inject(self) -> None:
        """Type templates to be scored at once; the field begins with the selected one."""
        from glov_tui.cockpit.injecting import Reader
        from glov_tui.cockpit.screens.inject import InjectScreen

        config = self.session.state.config
        if config is None:  # of a run that has not begun
            return
        reader = Reader(config.proposal.accept, task_of(config.vlm))

        def done(found: Sorted | None) -> None:
            if found is None:
                return
            lines = {line: reader.read(line).template for line in found.usable}
            if len(lines) == 1 and not found.wrong:
                self._inject(*next(iter(lines.items())))
            else:
                self._inject_all(lines, found)

        selected = self.session.state.find(self._selected() or "")
        template = selected.text if selected is not None else ""
        state = lambda: self.session.state  # noqa: E731
        self._open(InjectScreen(self.may_drive, reader, state, template), done)

    def _inject(self, line: str, template: str) -> None:
        """Send a template, and show what comes of it as soon as it is known."""
        key = normalise(template)
        known = self.session.state.find(key) is not None
        self._send(InjectTemplate(text=line))
        self._injected[key] = known

    def _inject_all(self, lines: dict[str, str], found: Sorted) -> None:
        """Send several templates, and show what comes of them in a table."""
        from glov_tui.cockpit.injecting import AT_ONCE
        from glov_tui.cockpit.screens.injected import AskedList

        state = self.session.state
        templates = {normalise(read): read for read in lines.values()}
        known = frozenset(key for key in templates if state.find(key) is not None)
        new = [line for line, read in lines.items() if normalise(read) not in known]
        for begin in range(0, len(new), AT_ONCE):  # a list is in the journal before it is scored
            text, *more = new[begin : begin + AT_ONCE]
            self._send(InjectTemplate(text=text, more=tuple(more)))
        before = state.best.accuracy if state.best is not None else 0.0
        self._last_list = AskedList(templates, known, before, found.wrong, found.twice)
        self.action_injected()

    def action_injected(self) -> None:
        """Show what came of the last list of templates."""
        from glov_tui.cockpit.screens.injected import InjectedScreen

        if self._last_list is None:
            key = bound_key(self, "inject")
            self.notify(f"No list of templates was injected from this screen ({key}).", timeout=5)
            return
        glyphs = ASCII if self.ascii_only else UNICODE
        self._open(InjectedScreen(self._last_list, lambda: self.session.state, glyphs))

    def _show_injected(self, state: RunState) -> None:
        """Select templates of a person that were scored, and say where they stand."""
        for key, known in list(self._injected.items()):
            template = state.find(key)
            if template is None:
                continue
            del self._injected[key]
            self._select(key)
            rank = 1 + next(i for i, t in enumerate(state.ranking) if t.key == key)
            title = f"Repeats rank {rank}" if known else f"Injected: rank {rank}"
            text = f"{template.accuracy:.1%} {clean(template.text)}"
            self.notify(text, title=title, markup=False, timeout=6)

    @on(DetailsRequested)
    def _show_details(self, message: DetailsRequested) -> None:
        from glov_tui.cockpit.screens.details import DetailsScreen

        state = self.shown
        template = state.find(message.key)
        if template is not None:
            folder, slow = self.session.folder, self.governor.is_slow
            details = DetailsScreen(template, state, folder, self.ascii_only, slow)
            self._open(details, lambda key: self._compare(key, state))

    def _compare(self, key: str | None, state: RunState) -> None:
        """Compare a template with another one; None: nothing is asked."""
        raise NotImplementedError

    def action_options(self) -> None:
        """Change options of the run."""
        from glov_tui.cockpit.screens.options import OptionsScreen

        if self.session.state.config is None:
            return

        def done(edits: list[Edit] | None) -> None:
            self._edit(*(edits or []))

        self._open(OptionsScreen(self.session.state, self.may_drive), done)

    def action_pin(self) -> None:
        """Pin the selected template, or unpin it."""
        key = self._chosen()
        if key is not None:
            self._edit(choices.pin_toggled(self.expected, key))

    def action_ban(self) -> None:
        """Ban the selected template, or allow it again."""
        key = self._chosen()
        if key is not None:
            self._edit(choices.ban_toggled(self.expected, key))

    def action_undo(self) -> None:
        """Take back the latest edit that still waits."""
        self._send(UndoEdit())

    def action_layer(self, by: int) -> None:
        """Steer another layer."""
        self._edit(*choices.another_layer(self.expected, by))

    def action_alpha(self, by: int) -> None:
        """Change alpha by one step."""
        self._edit(*choices.another_alpha(self.expected, by))

    def action_mode(self) -> None:
        """Change to the next steering mode."""
        self._edit(*choices.another_mode(self.expected))

    def action_anchor(self, which: Literal["positive", "negative"]) -> None:
        """Hold the selected template as P+ or P-."""
        key = self._chosen()
        if key is not None:
            self._edit(*choices.anchor_held(self.expected, key, which))

    def action_hand_back(self) -> None:
        """Let the optimiser choose P+ and P- again."""
        self._edit(ChooseAnchors(positive=None, negative=None))

    @property
    def shown(self) -> RunState:
        """The state that the screen shows."""
        raise NotImplementedError

    @property
    def shows_all(self) -> bool:
        """Whether that is all there is of the run, and not an earlier step of it."""
        raise NotImplementedError

    def deliver_screenshot(
        self,
        filename: str | None = None,
        path: str | None = None,
        time_format: str | None = None,
    ) -> str | None:
        """Write the screen as a picture into the run's folder, and say where it is."""
        name = filename or f"screen-{time.strftime('%Y%m%d-%H%M%S')}.svg"
        folder = Path(path) if path else self.session.folder
        self._write(folder / name, self.export_screenshot(), "The screen")
        return None

    def _write(self, path: Path, text: str, what: str) -> None:
        try:
            write_atomic(path, text)
        except OSError as error:
            message = clean(f"{path}: {why_denied(error, path)}")
            self.notify(message, severity="error")
        else:
            self.notify(clean(str(path)), title=f"{what} is in", timeout=8)
