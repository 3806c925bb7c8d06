"""A screen's side of a run's socket: a session whose engine is in another process."""

from __future__ import annotations

import collections
import contextlib
import math
import selectors
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from engine.common.errors import JournalError, UserError
from engine.common.versions import own_versions
from engine.remote import address
from engine.remote.controls import Controls, Role
from engine.remote.late_notes import SentNotes
from engine.remote.messages import (
    LONGEST_LINE,
    LONGEST_NAME,
    ControlsChanged,
    Join,
    Message,
    TakeControls,
    format_line,
)
from engine.remote.outgoing import Outgoing, say_farewell
from engine.remote.process import start_engine
from engine.remote.received import Received
from engine.run import events as ev
from engine.run.commands import Command, WriteNote
from engine.run.state import RunState
from engine.run.state_facts import ENDED
from engine.storage.journal import is_driven, read_state
from engine.storage.lock import read_owner, refusal
from engine.storage.run_folder import run_argument
from engine.storage.run_status import why_at_rest, why_interrupted
from engine.storage.trust import check_trust

SILENCE_SECONDS = 10.0  # of an engine, until it counts as one that does not answer
AGAIN_SECONDS = 0.5  # between two tries to connect to an engine that is there
BEGINS_LOOK_SECONDS = 0.05  # the same, to one that only begins to listen
FAREWELL_SECONDS = 5.0  # for an engine to let go of a screen
READ_BYTES = 256 * 1024
Listener = Callable[[Message, bool], None]


class RemoteSession:
    """`engine.session.interface.Session` of a run that another process drives.

    A thread folds what the engine sends. A connection that breaks is made again as long as there
    is an engine; what is shown then is what was there last.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        state: RunState,
        starts_engine: bool,
        role: Role = "screen",
    ) -> None:
        """Use ``of_new_engine``, ``attach`` or ``without_engine``."""
        self._listener: Listener | None = None
        self._folder = folder
        self._join = Join(name=name[:LONGEST_NAME], role=role)
        self._state = state
        self.starts_engine = starts_engine
        self.engine_pid: int | None = None
        self.refused_start: str | None = None  # why no engine could be started
        self.interrupted = False  # the engine is gone, and did not say how the run ended
        self.lost = ""  # why an engine that is there can't be reached at present
        self.is_silent = False  # it is reached, and nothing has come for ``SILENCE_SECONDS``
        self._is_reached = False  # by the connection that there is, or was last
        self._trusted = False
        self._places: Mapping[str, Any] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._controls: ControlsChanged | None = None
        self._refused = ""  # why, if it was turned away
        self._was_current = False  # all that was there when it connected was received, once
        self._bytes = 0  # that were received
        self._answered = threading.Event()  # current once, or ended
        self._ended = threading.Event()
        self._closing = False
        self._sends_no_more = False
        self._outgoing = Outgoing()
        self._sent_notes = SentNotes()
        self._too_long: collections.deque[str] = collections.deque()  # what was not sent
        self._woken, self._wake = socket.socketpair()
        self._wake.setblocking(False)  # one that is full wakes as well
        self._thread = threading.Thread(target=self._main, name="glov-screen", daemon=True)

    @classmethod
    def of_new_engine(
        cls,
        folder: Path,
        name: str,
        trusted: bool = False,
        places: Mapping[str, Any] | None = None,
    ) -> RemoteSession:
        """For a run whose engine ``start`` starts, in a process of its own.

        Raises:
            JournalError: if there is no run, it is damaged, or another process drives it.
            UserError: as ``check_trust``, if it is not ``trusted``.
        """
        state = read_state(folder)
        if is_driven(folder):
            raise JournalError(refusal(folder, read_owner(folder)))
        session = cls(folder, name, state, starts_engine=True)
        session._trusted, session._places = trusted, places
        if state.status == "finished":
            session._ended.set()  # there is nothing left to do: the result is shown again
        else:
            assert state.config is not None  # a journal begins with it
            check_trust(folder, state.config, trusted)
            session._state = state.apply(ev.RunReopened(versions=own_versions()))
        return session

    @classmethod
    def attach(
        cls,
        folder: Path,
        name: str,
        listener: Listener | None = None,
        role: Role = "screen",
    ) -> RemoteSession:
        """For a run that is under way; returns when it is up to date.

        ``listener`` is told each message, on the session's thread, and whether it is news: all of
        the journal comes first, at each connection.

        Raises:
            JournalError: if no engine is there, or it does not answer.
        """
        session = cls(folder, name, RunState(), starts_engine=False, role=role)
        session._listener = listener
        session.start()
        received = -1
        while not session._answered.wait(SILENCE_SECONDS) and session._bytes > received:
            received = session._bytes  # a long journal takes its time
        if not session._answered.is_set():
            session.close()
            raise JournalError(
                f"{folder}: {read_owner(folder) or 'its engine'} does not answer (is it suspended?)"
            )
        if not session._was_current:
            raise JournalError(session.state.error or f"{folder}: no engine is there")
        return session

    @classmethod
    def without_engine(cls, folder: Path, name: str) -> RemoteSession:
        """For a run that no engine is at work on: it is shown as it was left, and nothing started.

        Raises:
            JournalError: if there is no run, or it is damaged.
        """
        session = cls(folder, name, read_state(folder), starts_engine=False)
        session._ended.set()
        if session.state.status not in ENDED:
            session.interrupted = True
            name = run_argument(folder)
            session._fail(
                f"no engine is at work on it. Nothing is lost, `glov resume {name}` goes on"
            )
        return session

    def again(self) -> RemoteSession:
        """For the same run, whose engine ``start`` starts anew as this one's was.

        Raises:
            As ``of_new_engine``.
        """
        name = self._join.name
        return RemoteSession.of_new_engine(self._folder, name, self._trusted, self._places)

    # -- for readers, on any thread ----------------------------------------------------------

    @property
    def state(self) -> RunState:
        """The latest state that was received."""
        return self._state

    @property
    def folder(self) -> Path:
        """The run's folder."""
        return self._folder

    @property
    def ended(self) -> bool:
        """Whether the engine has ended, or can't be reached any more."""
        return self._ended.is_set()

    @property
    def controls(self) -> Controls | None:
        """Who watches and who holds the controls; None before it is known."""
        return self._controls.controls if self._controls is not None else None

    @property
    def number(self) -> int | None:
        """The number of this screen among those of ``controls``."""
        return self._controls.you if self._controls is not None else None

    def start(self) -> None:
        """Start the engine or connect to it, once; returns at once."""
        if self._thread.ident is None and not self.ended:
            self._thread.start()

    def send(self, command: Command | TakeControls) -> None:
        """Queue a command; returns at once."""
        line = format_line(command)
        if len(line) > LONGEST_LINE:
            self._too_long.append(f"{command.kind} not sent: {len(line)} bytes, {LONGEST_LINE} can")
        else:
            if isinstance(command, WriteNote):
                self._sent_notes.add(command, self._state)
            self._outgoing.append(line)
            if self._sends_no_more:
                self._write_late_notes()
        self._wake_up()

    def take_in(self, event: ev.Event) -> None:
        """Show a fact that was journaled after the engine had ended."""
        self._state = self._state.apply(event)

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for the engine's end; returns whether it has ended."""
        return self._ended.wait(seconds)

    def close(self, seconds: float = 0.0) -> None:
        """Let go of the run, which goes on; the state stays as it is. What was sent still goes out.

        Wait at most so long for the engine to know it: who comes next then finds the controls free.
        """
        self._closing = True
        if self._thread.ident is None:  # of a run that was only looked at
            self._woken.close()
            self._wake.close()
            return
        self._wake_up()
        if seconds:
            self._thread.join(seconds)

    def _wake_up(self) -> None:
        with contextlib.suppress(OSError):
            self._wake.send(b"\0")

    # -- on its own thread -------------------------------------------------------------------

    def _main(self) -> None:
        try:
            if self.starts_engine:
                self._process = self._started()
            self._follow_to_the_end()
        except UserError as error:
            self._fail(str(error))
        except Exception as error:  # the run itself is elsewhere, and whole
            self._fail(f"the screen lost the run: {type(error).__name__}: {error}")
        try:
            self._sends_no_more = True
            self._write_late_notes()
        finally:
            self._ended.set()
            self._answered.set()
            self._woken.close()
            self._wake.close()
            if self._process is not None:
                self._process.wait()

    def _write_late_notes(self) -> None:
        for event in self._sent_notes.write(self._folder, self._state):
            self._state = self._state.apply(event)
            if self._listener is not None:
                self._listener(event, True)

    def _started(self) -> subprocess.Popen[bytes]:
        try:
            return start_engine(self._folder, self._trusted, self._places)
        except UserError as error:
            self.refused_start = str(error)
            raise

    def _follow_to_the_end(self) -> None:
        begins_until = time.monotonic() + address.BEGINS_SECONDS
        while True:
            begins = self._is_reached = False
            try:
                with contextlib.closing(address.connect(self._folder, SILENCE_SECONDS)) as engine:
                    self._follow(engine)
            except OSError as error:
                reason = error.strerror or str(error)
                begins = isinstance(error, address.NOT_YET) and time.monotonic() < begins_until
            else:
                reason = "the connection was closed"
            if self._closing or (self._was_current and self.state.status in ENDED):
                return
            reason = self._refused or reason
            if not is_driven(self._folder):
                self._read_the_end()
                return
            if (why := address.why_out_of_reach(self._folder)) is not None:
                raise JournalError(why)
            if not (self._was_current or begins):
                raise JournalError(
                    f"{self._folder} is being driven by "
                    f"{read_owner(self._folder) or 'another process'}, which can't be attached to "
                    f"from here: {reason}"
                )
            if self._was_current and not self._is_reached:  # in vain: a break alone is soon mended
                self.lost = reason
            time.sleep(AGAIN_SECONDS if self._was_current else BEGINS_LOOK_SECONDS)

    def _read_the_end(self) -> None:
        """Show how a run ended whose engine is gone: it may have told only the journal.

        Raises:
            JournalError: if it did not end, or was not even under way.
        """
        state = read_state(self._folder)
        if self._was_current or self.starts_engine:
            self._state, self._was_current = state, True
            if state.status in ENDED:
                return
        if not self._was_current:
            raise JournalError(why_at_rest(self._folder, state.status))
        self.interrupted = True
        raise JournalError(why_interrupted(self._folder))

    def _fail(self, message: str) -> None:
        self._state = self._state.apply(ev.RunFailed(message=message))

    def _follow(self, engine: socket.socket) -> None:
        """Fold what the engine sends and send what waits, until either side closes.

        Raises:
            OSError: if the connection breaks.
            JournalError: if the engine speaks otherwise than this glov.
        """
        engine.setblocking(False)
        received = Received(self._folder)
        self._refused = ""
        self._outgoing.begin(format_line(self._join))
        closed = False  # by the other side, which may have said something before
        last = math.inf  # when it is left, whatever waits to be sent
        heard = time.monotonic()
        with selectors.DefaultSelector() as selector:
            selector.register(self._woken, selectors.EVENT_READ)
            selector.register(engine, selectors.EVENT_READ)
            while True:
                sends = self._outgoing.waits and not closed
                if self._closing:
                    last = min(last, time.monotonic() + FAREWELL_SECONDS)
                    if not sends or time.monotonic() > last:
                        break
                writing = selectors.EVENT_WRITE if sends else 0
                selector.modify(engine, selectors.EVENT_READ | writing)
                wait = FAREWELL_SECONDS if self._closing else SILENCE_SECONDS
                for key, ready in selector.select(wait):
                    if key.fileobj is self._woken:
                        self._woken.recv(4096)
                        while self._too_long:
                            received.warn(self._too_long.popleft())
                        continue
                    if ready & selectors.EVENT_WRITE:
                        try:
                            self._outgoing.send(engine)
                        except ConnectionError:
                            closed = True
                    if ready & selectors.EVENT_READ:
                        data = engine.recv(READ_BYTES)
                        if not data:
                            return
                        self._bytes += len(data)
                        heard = time.monotonic()
                        for message, is_news in received.take(data):
                            self._show(received)
                            if self._listener is not None:
                                self._listener(message, is_news)
                            if is_news and isinstance(message, ev.Warned):
                                self._sent_notes.heard(message, self._state)
                self._show(received)
                # One that is at work tells of its machine every two seconds, also in a pause.
                self.is_silent = time.monotonic() - heard >= SILENCE_SECONDS
                if received.is_current:
                    self._answered.set()
        say_farewell(engine, FAREWELL_SECONDS)

    def _show(self, received: Received) -> None:
        """Have readers see what has come; of the run nothing before it is whole."""
        self._refused = received.refused
        self.engine_pid = received.engine_pid or self.engine_pid
        self._controls = received.controls or self._controls
        if received.is_current:
            self._state, self._was_current = received.state, True
            self._is_reached, self.lost = True, ""
