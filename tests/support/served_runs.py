"""`glov serve` in a process of its own, and its page in a real browser without a window."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

from tests.support import ROOT
from tests.support.command import glov
from tests.support.patience import CEILING_SECONDS, wait_until

CHROMIUM = Path("/usr/bin/chromium")
LOOK_MS = 100  # between looks at the page, each of which costs some milliseconds
TOKEN = "a-token-of-the-tests"

_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

# xterm.js is not to be had from outside textual-serve's script, but for the object that holds it.
_CATCH_TERMINAL = """
Object.defineProperty(Object.prototype, "fitAddon", {
  configurable: true,
  set(value) {
    window.caught = this;
    Object.defineProperty(this, "fitAddon", { value, writable: true, configurable: true });
  },
});
"""
_ROWS = """() => {
  const terminal = window.caught?.terminal;
  if (!terminal) return "";
  const rows = Array.from({ length: terminal.rows }, (_, row) => row);
  return rows.map((row) => terminal.buffer.active.getLine(row).translateToString(true)).join("\\n");
}"""


class Served:
    """The server of a run, until the end of a ``with``."""

    def __init__(self, folder: Path, *options: str) -> None:
        command = glov("serve", str(folder), "--port", "0", "--token", TOKEN, *options)
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        assert self.process.stdout is not None
        self.address = self.process.stdout.readline().strip()
        self.port = urlsplit(self.address).port or 0

    def end(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, str]:
        """Its exit code, and what it said on standard error."""
        self.process.send_signal(number)
        _, said = self.process.communicate(timeout=CEILING_SECONDS)
        return self.process.returncode, said

    def __enter__(self) -> Served:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


class Page:
    """What a person sees and does."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.requested: set[str] = set()  # hosts
        self.complaints: list[str] = []
        page.on("request", lambda request: self.requested.add(urlsplit(request.url).netloc))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", self._heard)

    def _heard(self, message: Any) -> None:
        if "Content Security Policy" in message.text:
            self.complaints.append(message.text)

    @property
    def text(self) -> str:
        """The rows of the terminal; nothing while the page is loaded anew."""
        from playwright.sync_api import Error

        try:
            return str(self.page.evaluate(_ROWS))
        except Error:
            return ""

    @property
    def notice(self) -> str:
        """The line above it; empty where there is none."""
        line = self.page.locator("#notice")
        return line.inner_text() if line.is_visible() else ""

    def wait_for(self, *texts: str, without: str | None = None) -> None:
        """Wait until all of these are on the terminal at once, and another text is not."""

        def looked() -> bool:
            shown = self.text
            return all(text in shown for text in texts) and (
                without is None or without not in shown
            )

        self._wait(looked, f"for {texts} without {without!r}")

    def wait_for_pattern(self, pattern: str) -> str:
        """Wait until the terminal shows such a text; its first group."""
        self._wait(lambda: re.search(pattern, self.text) is not None, f"for {pattern}")
        found = re.search(pattern, self.text)
        return found.group(1) if found else self.wait_for_pattern(pattern)

    def wait_for_notice(self, text: str) -> None:
        """Wait for a text in the line above the terminal; an empty one: that the line is gone."""
        self._wait(
            lambda: text in self.notice if text else not self.notice, f"for the notice {text!r}"
        )

    def wait_for_end(self, text: str) -> None:
        """Wait until the page says that the screen is over, in words with this text."""
        said = self.page.locator("#said")
        self._wait(lambda: said.is_visible() and text in said.inner_text(), f"for the end {text!r}")

    def press(self, *keys: str) -> None:
        """Press keys, by Playwright's names."""
        for key in keys:
            self.page.keyboard.press(key)

    def _wait(self, condition: Any, what: str) -> None:
        def looked() -> bool:
            self.page.wait_for_timeout(LOOK_MS)  # its events are handled meanwhile
            return bool(condition())

        try:
            wait_until(looked, what)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.notice}\n{self.text}") from None


class Browser:
    """A browser with a folder of its own for what it keeps."""

    def __init__(self, context: Any) -> None:
        self._context = context

    def close_pages(self) -> None:
        """Close all pages; nothing of them is kept."""
        self._context.clear_cookies()
        for page in self._context.pages[1:]:  # without one the browser would end
            page.close()

    def open(self, address: str) -> Page:
        """A new page."""
        raw = self._context.new_page()
        raw.add_init_script(_CATCH_TERMINAL)
        page = Page(raw)
        raw.goto(address)
        return page


@contextmanager
def browser(folder: Path) -> Iterator[Browser]:
    """Debian's Chromium, without a window."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            str(folder),
            executable_path=str(CHROMIUM),
            headless=True,
            args=_ARGUMENTS,
            viewport={"width": 1280, "height": 800},
        )
        context.set_default_timeout(CEILING_SECONDS * 1000)
        try:
            yield Browser(context)
        finally:
            context.close()
