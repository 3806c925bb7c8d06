"""Who holds the controls of a run: at most one of the screens that watch it. Pure.

Controls that nobody holds go to the screen that has asked first, or has watched longest. One that
holds them and shows no sign of life for ``HAND_OVER_SECONDS`` loses them to the one who asks: its
line may be dead.
"""

from __future__ import annotations

from engine.common.record import Record

HAND_OVER_SECONDS = 20.0


class Watcher(Record):
    """A screen. Its name is untrusted text: clean it before showing it."""

    number: int
    name: str


class Controls(Record):
    """The screens, in the order in which they came."""

    screens: tuple[Watcher, ...] = ()
    holder: int | None = None
    asking: tuple[int, ...] = ()  # who has asked first is first
    asked_at: float = 0.0  # since when the first of them waits, by the engine's monotonic clock

    def name(self, number: int | None) -> str:
        """The name of a screen; untrusted."""
        return next((s.name for s in self.screens if s.number == number), "nobody")

    def joined(self, number: int, name: str) -> Controls:
        """With another screen."""
        screens = (*self.screens, Watcher(number=number, name=name))
        return self.model_copy(update={"screens": screens})._handed_on()

    def left(self, number: int, now: float) -> Controls:
        """Without a screen; whatever it held or asked for goes on. Itself if it never joined."""
        if all(s.number != number for s in self.screens):
            return self
        changes = {
            "screens": tuple(s for s in self.screens if s.number != number),
            "holder": None if self.holder == number else self.holder,
        }
        return self.model_copy(update=changes)._without(number, now)._handed_on(now)

    def asked(self, number: int, now: float) -> Controls:
        """After a screen has asked for the controls."""
        if number == self.holder or number in self.asking:
            return self
        asked_at = self.asked_at if self.asking else now
        changes = {"asking": (*self.asking, number), "asked_at": asked_at}
        return self.model_copy(update=changes)._handed_on(now)

    def given(self, by: int, now: float) -> Controls:
        """After the holder has given them to whoever asked first."""
        if by != self.holder or not self.asking:
            return self
        return self.model_copy(update={"holder": None})._handed_on(now)

    def kept(self, by: int) -> Controls:
        """After the holder has turned down all who asked."""
        return self.model_copy(update={"asking": ()}) if by == self.holder else self

    def answered(self, by: int, now: float) -> Controls:
        """After a sign of life of the holder, who has not decided yet: the wait begins anew."""
        waiting = by == self.holder and self.asking
        return self.model_copy(update={"asked_at": now}) if waiting else self

    def at(self, now: float) -> Controls:
        """As they are at a later time: who shows no sign of life loses them."""
        if self.asking and now - self.asked_at >= HAND_OVER_SECONDS:
            return self.model_copy(update={"holder": None})._handed_on(now)
        return self

    def _without(self, number: int, now: float) -> Controls:
        asking = tuple(n for n in self.asking if n != number)
        first_stays = asking[:1] == self.asking[:1]
        return self.model_copy(
            update={"asking": asking, "asked_at": self.asked_at if first_stays else now}
        )

    def _handed_on(self, now: float = 0.0) -> Controls:
        """Held by somebody, if there is somebody."""
        if self.holder is not None or not self.screens:
            return self
        holder = self.asking[0] if self.asking else self.screens[0].number
        return self.model_copy(update={"holder": holder})._without(holder, now)
