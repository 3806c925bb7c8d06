"""The engine's side of a run's socket, on a thread of its own.

Nothing of it runs on the engine's thread. For each screen it pulls what is new from the journal's
file and from the state that the session publishes, and pulls again when that is sent: a screen
that does not read holds up itself only, and nothing is kept for it. What screens send is read at
a limited rate and handed to the session as any command.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from pydantic import ValidationError

import engine
from engine.common.errors import JournalError
from engine.common.files import append_traceback
from engine.common.validation import problem
from engine.remote import address
from engine.remote.controls import Controls
from engine.remote.messages import (
    LONGEST_LINE,
    ControlsChanged,
    Greeting,
    Join,
    Refused,
    Request,
    TakeControls,
    format_line,
    parse_request,
)
from engine.remote.telemetry import telemetry_since
from engine.run.commands import Command, Stop, WriteNote
from engine.run.state import RunState
from engine.session.local import LocalSession
from engine.storage.run_folder import EVENTS, LOG
from engine.storage.summary import Published

LOOK_SECONDS, CLOSE_LOOK_SECONDS, CLOSE_LOOK_FOR = 0.05, 0.005, 0.25
"""How often a screen is sent what is new; more often for a while after somebody did something."""

CONNECTIONS = 16  # at once
ACCEPT_SECONDS = 0.02  # between two new connections
ACCEPTED_AT_ONCE, ACCEPTED_PER_SECOND = 16.0, 5.0  # so that a flood of them is none
JOURNAL_BYTES = 64 * 1024  # at once
LINES_PER_SECOND, LINES_AT_ONCE, BYTES_PER_LINE = 50.0, 100.0, 4096  # a longer line counts as more
BAD_LINES = 20  # then the connection is closed
JOIN_SECONDS = 10.0  # to say who one is, or be disconnected
LIVES, REST_SECONDS = 5, 0.5  # how often what serves screens is begun, and the time between
FAREWELL_SECONDS = 2.0  # for screens to read how the run ended


class ControlServer:
    """Lets screens of other processes watch and drive a session, while its context is entered.

    Raises:
        JournalError: if the run's folder can have no socket.
    """

    def __init__(self, session: LocalSession) -> None:
        self._session = session
        self._listener = address.listen(session.folder)
        self._mark = address.mark(session.folder)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = threading.Event()  # told to close, whatever the loop does
        self._closing = asyncio.Event()
        self._controls = Controls()
        self._connections: dict[int, _Connection] = {}
        self._numbers = 0
        self._asked = asyncio.Event()  # a new one after each request
        self._close_look_until = 0.0
        self._thread = threading.Thread(target=self._main, name="glov-socket", daemon=True)

    def __enter__(self) -> ControlServer:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        """Tell screens what is left to tell, and remove the socket."""
        # Only this one: the run is given back, and another process may listen there already.
        address.remove(self._session.folder, self._mark)
        self._closed.set()
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # it has died
                self._loop.call_soon_threadsafe(self._closing.set)
        self._thread.join(2 * FAREWELL_SECONDS)

    # -- on its own thread -------------------------------------------------------------------

    def _main(self) -> None:
        with self._listener:
            for left in reversed(range(LIVES)):
                try:
                    with asyncio.Runner() as runner:
                        self._loop = runner.get_loop()
                        runner.run(self._serve())
                    return
                except BaseException as error:  # a defect of ours, or no memory: the run goes on
                    self._died(error, left)
                    if self._closed.wait(REST_SECONDS):
                        return
                self._closing, self._asked = asyncio.Event(), asyncio.Event()
                self._controls = Controls()  # screens connect again by themselves
                self._connections.clear()

    def _died(self, error: BaseException, lives_left: int) -> None:
        """Say in the run that its screens have lost it, which they can't know."""
        log = self._session.folder / LOG
        append_traceback(log, error)
        reason = f"{type(error).__name__}: {error}"
        what = f"what serves the screens has died: {reason} (details in {log})"
        if lives_left:
            self._session.report(f"{what}; it is begun again, and screens come back by themselves")
        else:
            address.remove(self._session.folder, self._mark)
            self._session.report(f"{what}, again and again; no screen can attach any more")

    async def _serve(self) -> None:
        if self._closed.is_set():
            self._closing.set()
        accepting = asyncio.create_task(self._accept())
        closing = asyncio.create_task(self._closing.wait())
        await asyncio.wait([accepting, closing], return_when=asyncio.FIRST_COMPLETED)
        if accepting.done():
            await accepting  # raises what ended it
        accepting.cancel()
        for connection in self._connections.values():
            if not connection.joined.is_set():
                connection.task.cancel()
        tasks = [connection.task for connection in self._connections.values()]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=FAREWELL_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*tasks, accepting, return_exceptions=True)

    async def _accept(self) -> None:
        self._listener.setblocking(False)
        loop = asyncio.get_running_loop()
        rate = _Rate(ACCEPTED_AT_ONCE, ACCEPTED_PER_SECOND, time.monotonic())
        while True:
            with contextlib.suppress(OSError):  # gone already, or no file descriptors left
                accepted, _ = await loop.sock_accept(self._listener)
                try:
                    if not address.same_user(accepted):
                        raise PermissionError("it belongs to another user")
                    await self._connected(accepted)
                except BaseException:
                    accepted.close()
                    raise
            await asyncio.sleep(max(ACCEPT_SECONDS, rate.wait(1.0, time.monotonic())))

    async def _connected(self, accepted: socket.socket) -> None:
        accepted.setblocking(False)
        reader, writer = await asyncio.open_unix_connection(sock=accepted, limit=LONGEST_LINE)
        if len(self._connections) >= CONNECTIONS:
            text = f"{CONNECTIONS} are connected to this run already; close one first"
            writer.write(_greeting() + format_line(Refused(message=text)))
            writer.close()
            return
        self._numbers += 1
        try:
            connection = _Connection(self._numbers, self._session.folder, reader, writer)
        except OSError:  # no file descriptors left
            writer.close()
            raise
        self._connections[connection.number] = connection
        connection.task = asyncio.create_task(self._converse(connection))

    async def _converse(self, connection: _Connection) -> None:
        reading = asyncio.create_task(self._read(connection))
        writing = asyncio.create_task(self._write(connection))
        try:
            await asyncio.wait([reading, writing], return_when=asyncio.FIRST_COMPLETED)
        finally:
            reading.cancel()
            writing.cancel()
            for end in await asyncio.gather(reading, writing, return_exceptions=True):
                if isinstance(end, Exception):  # a defect of ours, and not the run's
                    append_traceback(self._session.folder / LOG, end)
            connection.close()
            del self._connections[connection.number]
            self._controls = self._controls.left(connection.number)

    async def _read(self, connection: _Connection) -> None:
        """Obey a screen until it goes, or sends what no screen sends."""
        rate = _Rate(LINES_AT_ONCE, LINES_PER_SECOND, time.monotonic())
        bad = 0
        while bad < BAD_LINES:
            try:
                line = await connection.reader.readline()
            except (OSError, ValueError):  # ValueError: longer than any line may be
                return
            if not line.endswith(b"\n"):  # the other side has closed; half a line is none
                return
            size = max(1.0, len(line) / BYTES_PER_LINE)
            await asyncio.sleep(rate.wait(size, time.monotonic()))
            try:
                request = parse_request(line)
            except ValidationError as error:
                bad += 1
                connection.refuse(f"not understood: {problem(error.errors()[0]):.200}")
                continue
            self._obey(connection, request)

    def _obey(self, connection: _Connection, request: Request) -> None:
        self._close_look_until = time.monotonic() + CLOSE_LOOK_FOR
        self._asked.set()  # screens look at once
        self._asked = asyncio.Event()
        number = connection.number
        match request:
            case Join():
                if not connection.joined.is_set():
                    self._controls = self._controls.joined(number, request.name, request.role)
                    connection.joined.set()
            case Stop():  # from whoever asks for it, as with SIGTERM
                self._session.send(request)
            case _ if not connection.joined.is_set():
                connection.refuse("join first")
            case WriteNote():  # of any screen: it changes nothing of the run
                self._session.send(request)
            case TakeControls():
                self._controls = self._controls.taken(number, time.time())
            case _:
                self._command(number, request)

    def _command(self, number: int, command: Command) -> None:
        if self._controls.holder == number:
            if not self._session.send(command):
                why = f"{command.kind}: not done, as the run has just ended"
                self._connections[number].refuse(why)
        else:
            holder = self._controls.name(self._controls.holder)
            self._connections[number].refuse(f"{command.kind}: {holder} has the controls")

    async def _write(self, connection: _Connection) -> None:
        """Send a screen what is new, as fast as it reads, until the engine has ended."""
        with contextlib.suppress(OSError):
            # What one says who goes at once is heard first: writing to it would be the end.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await connection.joined.wait()
            connection.writer.write(_greeting())
            async with asyncio.timeout(JOIN_SECONDS):
                await connection.joined.wait()
            while True:
                ended = self._closing.is_set()  # looked at first: nothing is published after it
                news = connection.news(self._session.published, self._controls)
                if news:
                    connection.writer.write(news)
                    await connection.writer.drain()
                elif ended:
                    return
                else:
                    await self._wait_for_news()

    async def _wait_for_news(self) -> None:
        close = time.monotonic() < self._close_look_until
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_LOOK_SECONDS if close else LOOK_SECONDS):
                await self._asked.wait()


def _greeting() -> bytes:
    return format_line(Greeting(glov=engine.__version__, pid=os.getpid()))


@contextlib.contextmanager
def attachable(session: LocalSession) -> Iterator[None]:
    """Have screens attach to a session that is not started; warn and go on where none can."""
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(ControlServer(session))
        except JournalError as error:
            session.warn(str(error))
        yield


class _Connection:
    """One that has connected, and how much it has been sent."""

    task: asyncio.Task[None]

    def __init__(
        self,
        number: int,
        folder: Path,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self.number = number
        self.reader, self.writer = reader, writer
        self.joined = asyncio.Event()
        writer.transport.set_write_buffer_limits(high=0)  # drain: until the system has all of it
        self._journal = os.open(folder / EVENTS, os.O_RDONLY | os.O_CLOEXEC)
        self._offset = 0
        self._shown = RunState()
        self._controls: Controls | None = None
        self._refusals: collections.deque[str] = collections.deque(maxlen=5)

    def refuse(self, message: str) -> None:
        """Say soon that something is not done."""
        self._refusals.append(message)

    def news(self, published: Published, controls: Controls) -> bytes:
        """The next lines to send, none if all is sent; facts come before what follows them."""
        left = published.journal_bytes - self._offset
        if left:
            facts = os.pread(self._journal, min(left, JOURNAL_BYTES), self._offset)
            self._offset += len(facts)
            if left > len(facts):
                return facts
        else:
            facts = b""
        lines = [facts]
        if published.state is not self._shown:
            news = telemetry_since(self._shown, published.state)
            lines += [format_line(event) for event in news]
            if published.unwritten is not None:
                lines.append(format_line(published.unwritten))
            self._shown = published.state
        if controls is not self._controls:
            lines.append(format_line(ControlsChanged(you=self.number, controls=controls)))
            self._controls = controls
        while self._refusals:
            lines.append(format_line(Refused(message=self._refusals.popleft())))
        return b"".join(lines)

    def close(self) -> None:
        """Let it go, and what it has not read: it may never do so."""
        os.close(self._journal)
        self.writer.transport.abort()


class _Rate:
    """How long to wait after each, so that there are no more than so many in a second."""

    def __init__(self, at_once: float, per_second: float, now: float) -> None:
        self._at_once, self._per_second = at_once, per_second
        self._left, self._at = at_once, now

    def wait(self, size: float, now: float) -> float:
        """Seconds, after one at the time ``now`` that counts as ``size`` of them."""
        left = min(self._at_once, self._left + (now - self._at) * self._per_second)
        self._left, self._at = left - size, now
        return max(0.0, -self._left / self._per_second)
