"""A screen of a run for one page of a browser: `glov attach` in a process of its own.

The process outlives a dropped connection for a while, so that what was typed, the pane and the
cursor are there when the page is back. It is never kept waiting: what a slow line can't take is
thrown away, and the whole screen sent when it can.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import sys
from asyncio.subprocess import PIPE, Process
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from aiohttp import WSCloseCode, web
from textual_serve.app_service import AppService
from textual_serve.download_manager import DownloadManager

from engine.common.harmless import clean
from glov_tui.commands.on_screen import BROWSER_DRIVER
from glov_tui.commands.showing import SCREEN_NAME

END_SECONDS = 5.0  # for a process that was told to end
MOST_WAITING = 256 * 1024  # bytes for a page that does not take them
SAID_BYTES = 4096  # of the last that a process said
BEGINNING = b"__GANGLION__\n"  # of Textual's packets


@dataclass(frozen=True, slots=True)
class Attach:
    """How a screen is started."""

    folder: Path  # of the run
    low_bandwidth: bool

    @property
    def arguments(self) -> list[str]:
        """The command line."""
        options = ["--low-bandwidth"] if self.low_bandwidth else []
        return [sys.executable, "-m", "glov_tui", "attach", *options, "--", str(self.folder)]


class BrowserScreen(AppService):
    """The process of a screen, and the connection to the page that shows it, while there is one."""

    def __init__(
        self,
        attach: Attach,
        name: str,
        downloads: DownloadManager,
        ended: Callable[[BrowserScreen], None],
    ) -> None:
        """``ended`` is called when the process has ended, for whatever reason."""
        super().__init__(
            "",
            write_bytes=self._put,
            write_str=self._put,
            close=_nothing,
            download_manager=downloads,
        )
        self._attach, self._name, self._ended = attach, name, ended
        self.times_shown = 0
        self._page: web.WebSocketResponse | None = None
        self._waiting: deque[bytes | str] = deque()
        self._bytes_waiting = 0
        self._missed = False  # something that was written did not reach the page
        self._news = asyncio.Event()
        self._sender: asyncio.Task[None] | None = None
        self._said = b""

    # -- the page ----------------------------------------------------------------------------

    async def show_in(self, page: web.WebSocketResponse, width: int, height: int) -> None:
        """Show it in this page from now on, of so many cells."""
        self.times_shown += 1
        before, self._page = self._page, page
        if before is not None:
            await before.close()
        if self._task is None:
            await self.start(width, height)
            return
        self._drop_waiting()
        await self.set_terminal_size(width, height)
        self._news.set()

    def is_shown_in(self, page: web.WebSocketResponse) -> bool:
        """Whether that is its page."""
        return self._page is page

    def let_go(self) -> None:
        """The page is gone, perhaps for a moment."""
        self._page = None

    async def tell(self, *message: object) -> None:
        """Send the page a message of its script's, if it is there."""
        if self._page is not None:
            with contextlib.suppress(ConnectionError):
                await self._page.send_str(json.dumps(message))

    async def on_meta(self, data: bytes) -> None:
        """From the process: its end, or a file to be downloaded under a plain name."""
        message = json.loads(data)
        if message["type"] == "deliver_file_start":
            name = re.sub(r"[^\w.+-]+", "-", Path(message["path"]).name, flags=re.ASCII)
            data = json.dumps({**message, "path": name}).encode()
        await super().on_meta(data)

    async def _put(self, data: bytes | str) -> None:
        """From the process; returns at once."""
        if self._page is None or self._bytes_waiting > MOST_WAITING:
            self._drop_waiting()
        if not self._missed or isinstance(data, str):
            self._waiting.append(data)
            self._bytes_waiting += len(data)
        self._news.set()

    def _drop_waiting(self) -> None:
        # Messages (a download that is ready) are few and small: they wait for the page.
        self._waiting = deque(data for data in self._waiting if isinstance(data, str))
        self._bytes_waiting = sum(map(len, self._waiting))
        self._missed = True

    async def _send(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            while (page := self._page) is not None and not page.closed:
                if self._missed and not self._waiting:
                    self._missed = False
                    await self.send_meta({"type": "redraw"})
                if not self._waiting:
                    break
                data = self._waiting.popleft()
                self._bytes_waiting -= len(data)
                try:
                    await (
                        page.send_bytes(data) if isinstance(data, bytes) else page.send_str(data)
                    )
                except ConnectionError:
                    self._missed = True
                    break

    # -- the process -------------------------------------------------------------------------

    def _build_environment(self, width: int = 80, height: int = 24) -> dict[str, str]:
        environment = super()._build_environment(width, height)
        return environment | {"TEXTUAL_DRIVER": BROWSER_DRIVER, SCREEN_NAME: self._name}

    async def _open_app_process(self, width: int = 80, height: int = 24) -> Process:
        # In a session of its own: ctrl+c is for the server, which ends its screens in order.
        self._process = await asyncio.create_subprocess_exec(
            *self._attach.arguments,
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            env=self._build_environment(width, height),
            start_new_session=True,
        )
        self._stdin = self._process.stdin
        return self._process

    async def run(self) -> None:
        """Pass on what the process sends, to its end, and tell the page of that; see ``start``."""
        process = self._process
        assert process is not None and process.stdout is not None and process.stderr is not None
        self._sender = asyncio.create_task(self._send())
        saying = asyncio.create_task(self._listen(process.stderr))
        try:
            await self._read_packets(process.stdout)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # it has ended, or ends
        except (asyncio.LimitOverrunError, ValueError, KeyError):
            process.kill()  # these are no packets
        finally:
            code = await process.wait()
            await saying
            self._sender.cancel()
            self._ended(self)
        page = self._page
        if page is not None:
            said = clean(self._said.decode(errors="replace"), keep_newlines=True).strip()
            await self.tell("ended", said or f"The screen's process ended with {code}.", code)
            await page.close()

    async def _listen(self, stream: asyncio.StreamReader) -> None:
        while data := await stream.read(SAID_BYTES):
            self._said = (self._said + data)[-SAID_BYTES:]

    async def _read_packets(self, stream: asyncio.StreamReader) -> None:
        await stream.readuntil(BEGINNING)
        while True:
            kind = await stream.readexactly(1)
            size = int.from_bytes(await stream.readexactly(4), "big")
            payload = await stream.readexactly(size)
            match kind:
                case b"D":
                    await self.on_data(payload)
                case b"M":
                    await self.on_meta(payload)
                case b"P":
                    await self.on_packed(payload)

    async def stop(self) -> None:
        """End the process, and wait for its end; the run goes on."""
        task, process = self._task, self._process
        if task is None or process is None:
            return
        await self._download_manager.cancel_app_downloads(app_service_id=self.app_service_id)
        if process.returncode is None:
            await self.send_meta({"type": "quit"})
        try:
            await asyncio.wait_for(asyncio.shield(task), END_SECONDS)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await task

    async def go_away(self) -> None:
        """End the process; its page is not told that it ended, and tries to come back."""
        page, self._page = self._page, None
        if page is not None:
            with contextlib.suppress(ConnectionError):
                await page.close(code=WSCloseCode.GOING_AWAY)
        await self.stop()


async def _nothing() -> None:
    """The page is told of the end when the process has said what there is to say."""
