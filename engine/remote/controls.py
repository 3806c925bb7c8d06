"""Who holds the controls of a run: at most one of the screens that watch it. Pure.

All screens are one user's: who takes the controls has them at once, and the others are told.
Controls that nobody holds go to the one that has been there longest, but never to one that only
watches.
"""

from __future__ import annotations

from typing import Literal

from engine.common.record import Record, UnixTime

Role = Literal["screen", "script", "watcher"]
"""A screen is a person's; a script has the controls for a moment; a watcher never has them."""


class Client(Record):
    """A screen, or what does as one. Its name is untrusted text: clean it before showing it."""

    number: int
    name: str
    role: Role = "screen"


class Controls(Record):
    """The screens, in the order in which they came."""

    screens: tuple[Client, ...] = ()
    holder: int | None = None
    taken_at: UnixTime | None = None  # when the holder took them from another one, if it did

    def name(self, number: int | None) -> str:
        """The name of a screen; untrusted."""
        return next((s.name for s in self.screens if s.number == number), "nobody")

    @property
    def held_by(self) -> Role | None:
        """What the holder is; None where nobody holds them."""
        return next((s.role for s in self.screens if s.number == self.holder), None)

    def joined(self, number: int, name: str, role: Role = "screen") -> Controls:
        """With another one."""
        return self._with((*self.screens, Client(number=number, name=name, role=role)))

    def left(self, number: int) -> Controls:
        """Without a screen: what it held goes on. Itself if it never joined."""
        stay = tuple(s for s in self.screens if s.number != number)
        return self if len(stay) == len(self.screens) else self._with(stay)

    def taken(self, by: int, now: float) -> Controls:
        """After a screen has taken them, at a Unix time; itself if it has them or can't have."""
        if by == self.holder or all(s.number != by for s in _driving(self.screens)):
            return self
        return self.model_copy(update={"holder": by, "taken_at": now})

    def _with(self, screens: tuple[Client, ...]) -> Controls:
        """Of these screens; held by one of them, if there is one that can."""
        changes: dict[str, object] = {"screens": screens}
        if all(s.number != self.holder for s in screens):
            first = next(iter(_driving(screens)), None)
            changes |= {"holder": first.number if first is not None else None, "taken_at": None}
        return self.model_copy(update=changes)


def _driving(screens: tuple[Client, ...]) -> list[Client]:
    return [screen for screen in screens if screen.role != "watcher"]
