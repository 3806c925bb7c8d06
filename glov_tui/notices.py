"""What is said to the person for a moment: on the line of the keys, where it covers no data."""

from __future__ import annotations

from textual.app import App
from textual.notifications import SeverityLevel

from glov_tui.widgets.key_bar import KeyBar


class NoticesApp(App[None]):
    """``notify`` writes on the key line of the screen on top that has one."""

    def notify(
        self,
        message: str,
        *,
        title: str = "",
        severity: SeverityLevel = "information",
        timeout: float | None = None,
        markup: bool = False,
    ) -> None:
        """Say something for ``timeout`` seconds, 5 by default; it is text, never markup."""
        seconds = self.NOTIFICATION_TIMEOUT if timeout is None else timeout
        super().notify(message, title=title, severity=severity, timeout=seconds, markup=False)
        bar = self._key_bar
        if bar is not None:
            bar.show_notice(title, message, severity, seconds)

    def clear_notifications(self) -> None:
        """Show the keys again."""
        super().clear_notifications()
        bar = self._key_bar
        if bar is not None:
            bar.end_notice()

    @property
    def _key_bar(self) -> KeyBar | None:
        for screen in reversed(self.screen_stack):
            bar: KeyBar | None = next(iter(screen.query(KeyBar)), None)
            if bar is not None:
                return bar
        return None

    def _refresh_notifications(self) -> None:
        """Show no toasts: they would lie on the panes."""
