"""The line of a search in a text: what is looked for, and the keys that go on. It is the mode.

While it is shown a search is open. It is typed into first; after enter the text has the focus
again, and the owner's keys call ``go``. Escape while typing brings back what was shown before;
later it leaves the text where it is, as less and vim do. Enter without a text looks for the last
one again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Input, Static

from glov_tui.widgets.text_view import TextView


class FindLine(Horizontal):
    """One line, shown while a search is open in a ``TextView``."""

    DEFAULT_CSS = """
    FindLine {
        display: none; height: 1; width: 1fr; background: $panel;
        &.-open { display: block; }
        Input { width: 1fr; border: none; padding: 0; height: 1; background: $panel; }
        #find-name { width: auto; padding: 0 1; color: $text-warning; text-style: bold reverse; }
        #find-keys { width: auto; padding: 0 1; color: $text-muted; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down", "go(1)", "Next", show=False, tooltip="Next place, while typing"),
        Binding("up", "go(-1)", "Before", show=False, tooltip="The place before, while typing"),
    ]

    @dataclass
    class Changed(Message):
        """A search was opened or ended, or is no longer typed into: other keys work now."""

        is_open: bool

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self._view: TextView | None = None
        self._has_room = True  # the view is in view
        self._last = ""  # that was looked for
        self._keys = ("n", "N", "/")

    def compose(self) -> ComposeResult:
        """Nothing before the first search: no screen pays for what it may never show."""
        yield from ()

    @property
    def view(self) -> TextView | None:
        """The text that is searched; None while no search is open."""
        return self._view

    @property
    def is_open(self) -> bool:
        """Whether there is a search."""
        return self._view is not None

    @property
    def is_typing(self) -> bool:
        """Whether what is looked for is being typed."""
        return self.is_open and any(field.has_focus for field in self.query(Input))

    def begin(self, view: TextView, keys: tuple[str, str, str] = ("n", "N", "/")) -> None:
        """Look for a text in a view, or for another where a search is open there.

        ``keys``: those for the next place, the one before, and another search.
        """
        self._keys = keys
        if self._view is not view:
            self.end(back=False)
        if not self.query(Input):
            name = Static("FIND", id="find-name", markup=False)
            hint = Static("", id="find-keys", markup=False)
            self.mount(name, Input(placeholder="text to find", compact=True), hint)
        field = self.query_one(Input)
        if not self.is_open:
            field.value = ""
            view.find("")
        self._view, self._has_room = view, True
        next_one, before, _ = self._keys
        self._say(f"enter: go on with {next_one} and {before}   esc: back")
        self.add_class("-open")
        field.focus()
        self.post_message(self.Changed(True))

    def go(self, by: int) -> None:
        """To the next place, or the one before."""
        if self._view is not None and self._has_room:
            self._view.find_next(by)

    def give_room(self, view: TextView, has_room: bool) -> None:
        """Tell that a view went as it has no room now, or came back.

        The search stays open without its view, for the keys that go on must not become others
        under the hands of the person who presses them.
        """
        if view is not self._view or has_room == self._has_room:
            return
        self._has_room = has_room
        self._say(self._going_on if has_room else "no room for what was searched   esc end")
        if has_room:
            view.focus()

    @property
    def lost_its_view(self) -> bool:
        """Whether what is searched has no room now."""
        return self.is_open and not self._has_room

    def action_go(self, by: int) -> None:
        """The same by a key."""
        self.go(by)

    def end(self, back: bool) -> None:
        """Close the search; ``back`` shows what was shown before it."""
        view, self._view = self._view, None
        if view is None:
            return
        had_focus = any(field.has_focus for field in self.query(Input))
        self.remove_class("-open")
        view.end_find(back)
        if had_focus:
            view.focus()
        self.post_message(self.Changed(False))

    def focus_went_to(self, focused: Widget | None) -> None:
        """A search ends where the person goes elsewhere: its keys must not hold there."""
        own = focused is None or focused is self._view or not (self.is_open and self._has_room)
        if not own and focused is not None and self not in focused.ancestors_with_self:
            self.end(back=False)

    def _say(self, hint: str) -> None:
        line = self.query_one("#find-keys", Static)
        line.update(hint if self.app.size.width >= 80 or not self._has_room else "")

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        if self._view is not None:
            self._view.find(event.value)

    @on(Input.Submitted)
    def _entered(self, event: Input.Submitted) -> None:
        event.stop()
        if self._view is None:
            return
        if not event.value and not self._last:
            self.end(back=True)
            return
        if not event.value:
            with self.prevent(Input.Changed):
                event.input.value = self._last
            self._view.find(self._last)
        self._last = event.input.value
        self._say(self._going_on)
        self._view.focus()
        self.post_message(self.Changed(True))

    @property
    def _going_on(self) -> str:
        next_one, before, other = self._keys
        return f"{next_one} next   {before} before   {other} other   esc end"
