"""Keys that come in one read are obeyed one after the other, as if they had been pressed slowly.

Textual hands each key to the widget that has the focus when the key is read, and what the key does
comes later: of `x`, tab and a path in one read (a slow line, tmux's ``send-keys``), all would go to
where `x` was pressed, and nothing to the field of the dialog that it opens.
"""

from __future__ import annotations

import asyncio
from collections import deque

from textual.app import App
from textual.dom import DOMNode
from textual.events import Event, InputEvent, Key, Paste
from textual.message_pump import MessagePump

_ROUNDS = 2
"""Walks through the queues for a key: behind the key, and behind the messages that it causes."""


class KeysInOrder(App[None]):
    """Keeps what is typed until what was typed before it has been obeyed."""

    _typed: deque[Event] | None = None  # what waits; None while nothing is being obeyed
    _field: DOMNode | None = None  # that letters went to since it was last waited for
    _obeying: asyncio.Task[None] | None = None

    async def on_event(self, event: Event) -> None:
        """Hand on what is typed, or keep it; what is clicked stays behind what is typed."""
        is_input = isinstance(event, (InputEvent, Paste)) and not event.is_forwarded
        if not is_input:
            await super().on_event(event)
        elif self._typed is not None:
            self._typed.append(event)
        else:
            await self._hand_on(event)

    async def _hand_on(self, event: Event) -> None:
        if isinstance(event, Key) and self._is_text(event):
            self._field = self.focused
            await super().on_event(event)
            return
        if self._field is not None:  # a key of the dialog's is not to overtake its text
            field, self._field = self._field, None
            self._typed = deque([event])
            self._obeying = asyncio.create_task(self._let_in(field), name="letting in")
            return
        if not isinstance(event, (Key, Paste)):
            await super().on_event(event)
            return
        target, screens = self.focused or self.screen, len(self.screen_stack)
        self._typed = deque()
        await super().on_event(event)
        self._obeying = asyncio.create_task(self._obey(event, target, screens), name="obeying")

    def _is_text(self, event: Key) -> bool:
        """Whether it is one more letter in a field: only what is no letter waits for it."""
        if not event.is_printable or self.focused is None:
            return False
        return self.focused.check_consume_key(event.key, event.character)

    async def _let_in(self, field: DOMNode) -> None:
        """Wait until a field has all letters that went to it, then hand on what came after."""
        await _has_handled(field)
        self.call_next(self._next, None)

    async def _obey(self, event: Key | Paste, target: DOMNode, screens: int) -> None:
        """Wait until what was handed to ``target`` has had its effect, then hand on the next."""
        for _ in range(_ROUNDS):
            for node in target.ancestors_with_self:
                await _has_handled(node)
        if self.screen_stack:
            await _has_handled(self.screen)  # one that was opened has chosen its focus then
        self.call_next(self._next, event if len(self.screen_stack) < screens else None)

    async def _next(self, closed_by: Key | Paste | None) -> None:
        """In the app's own loop, as keys that come from the driver."""
        kept, self._typed = self._typed or deque(), None
        if isinstance(closed_by, Key):
            # The same key again, because nothing seemed to happen: not for what lies below.
            while kept and isinstance(kept[0], Key) and kept[0].key == closed_by.key:
                kept.popleft()
        while kept and self.screen_stack:  # none while the app closes
            await self._hand_on(kept.popleft())
            if self._typed is not None:
                self._typed.extend(kept)  # nothing came between: this is the app's own loop
                return


async def _has_handled(node: MessagePump) -> None:
    """Wait until a node has come through all that is in its queue now, or is no more."""
    done = asyncio.Event()
    if not node.is_running or not node.call_later(done.set):
        return
    waiting = asyncio.ensure_future(done.wait())
    own = [node._task] if node._task is not None else []  # an app that runs has none
    await asyncio.wait([waiting, *own], return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
