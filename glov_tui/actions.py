"""What the keys of the cockpit do to the run: commands, edits, and the screens that ask for more.

Screens are imported when they are opened, to keep the first paint quick.
"""

from __future__ import annotations

from itertools import takewhile
from typing import Literal

from textual.app import App

from engine.commands import (
    Command,
    InjectTemplate,
    MakeEdit,
    Pause,
    Resume,
    StepOnce,
    UndoEdit,
)
from engine.edits import ChooseAnchors, Edit
from engine.files import write_atomic
from engine.ownership import why_denied
from engine.result import summarise
from engine.session import Session
from engine.state import RunState
from glov_tui import choices
from glov_tui.external_editor import edit_text
from glov_tui.text import clean

ANSWER_POLL_SECONDS, ANSWER_POLLS = 0.01, 200  # how closely a command's effect is awaited

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


class RunActions(App[None]):
    """The actions that drive a session; ``GlovApp`` lays out the panes and repaints them."""

    session: Session
    ascii_only: bool

    def _repaint(self, state: RunState, *, by_user: bool = False) -> None:
        raise NotImplementedError

    def _selected(self) -> str | None:
        raise NotImplementedError

    def may_drive(self) -> bool:
        """Whether this screen may drive the run now; where it may not, the person is told."""
        raise NotImplementedError

    def _send(self, command: Command) -> None:
        """Send a command, and show what it does as soon as the engine has obeyed it."""
        before = self.session.state
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

        timer = self.set_interval(ANSWER_POLL_SECONDS, look)

    def _tell_warnings(self, before: RunState, now: RunState) -> None:
        """Say at once what the engine answered to a command: the log may not be in view."""
        last = before.log[-1] if before.log else None
        for line in takewhile(lambda line: line is not last, reversed(now.log)):
            if line.level == "warning":
                self.notify(clean(line.text), severity="warning", markup=False, timeout=8)

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
        from glov_tui.screens.editor import EditorScreen

        def done(edits: list[Edit] | None) -> None:
            self._edit(*(edits or []))

        self.push_screen(
            EditorScreen(self.session.state, self.may_drive, self._edit_externally), done
        )

    def _edit_externally(self, text: str) -> str | None:
        return edit_text(self, text)

    def action_inject(self) -> None:
        """Type a template to be scored at once."""
        from glov_tui.screens.inject import InjectScreen

        def done(text: str | None) -> None:
            if text:
                self._send(InjectTemplate(text=text))

        config = self.session.state.config
        accept = config.proposal.accept if config else "usable"
        self.push_screen(InjectScreen(self.may_drive, accept), done)

    def action_options(self) -> None:
        """Change options of the run."""
        from glov_tui.screens.options import OptionsScreen

        if self.session.state.config is None:
            return

        def done(edits: list[Edit] | None) -> None:
            self._edit(*(edits or []))

        self.push_screen(OptionsScreen(self.session.state, self.may_drive), done)

    def action_lab(self) -> None:
        """Open the steering lab."""
        from glov_tui.screens.lab import LabScreen

        def closed(_: None) -> None:
            self._repaint(self.session.state, by_user=True)

        lab = LabScreen(self.session, self._send, self._edit, self.ascii_only)
        self.push_screen(lab, closed)

    def action_pin(self) -> None:
        """Pin the selected template, or unpin it."""
        key = self._selected()
        if key is not None:
            self._edit(choices.pin_toggled(self.session.state, key))

    def action_ban(self) -> None:
        """Ban the selected template, or allow it again."""
        key = self._selected()
        if key is not None:
            self._edit(choices.ban_toggled(self.session.state, key))

    def action_undo(self) -> None:
        """Take back the latest edit that still waits."""
        self._send(UndoEdit())

    def action_layer(self, by: int) -> None:
        """Steer another layer."""
        self._edit(*choices.another_layer(self.session.state, by))

    def action_alpha(self, by: int) -> None:
        """Change alpha by one step."""
        self._edit(*choices.another_alpha(self.session.state, by))

    def action_mode(self) -> None:
        """Change to the next steering mode."""
        self._edit(*choices.another_mode(self.session.state))

    def action_anchor(self, which: Literal["positive", "negative"]) -> None:
        """Hold the selected template as P+ or P-."""
        key = self._selected()
        if key is not None:
            self._edit(*choices.anchor_held(self.session.state, key, which))

    def action_hand_back(self) -> None:
        """Let the optimiser choose P+ and P- again."""
        self._edit(ChooseAnchors(positive=None, negative=None))

    def action_export(self) -> None:
        """Write the result so far into the run's folder."""
        import json

        path = self.session.folder / "result.json"
        result = json.dumps(summarise(self.session.state), indent=2, ensure_ascii=False)
        try:
            write_atomic(path, result)
        except OSError as error:
            reason = why_denied(error, path)
            self.notify(clean(f"{path}: {reason}"), severity="error", markup=False)
        else:
            self.notify(clean(str(path)), title="Exported", markup=False)
