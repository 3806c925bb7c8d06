"""``glov serve``: a run in a browser."""

from __future__ import annotations

import asyncio
import errno
import importlib
import shlex
import signal
import socket
import webbrowser
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from engine.common.errors import ConfigError, UserError
from engine.storage.run_folder import find_run, run_argument
from glov_tui.terminal.streams import tell

if TYPE_CHECKING:
    from glov_tui.commands.serving.server import RunServer

HOW_TO_INSTALL = "pip install 'glov-tui[serve]'"
EXIT_INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class Serving:
    """What was asked for."""

    host: str
    port: int  # 0 for any that is free
    token: str | None  # None for a random one
    no_token: bool
    opens: bool  # the page, in this machine's browser
    low_bandwidth: bool


def serve_run(run: str, asked: Serving) -> int:
    """Show a run in browsers until ctrl+c or SIGTERM; returns the exit code.

    Raises:
        UserError: if there is no such run, or it can't be served so.
    """
    folder = find_run(run)
    try:
        for package in ("aiohttp", "textual_serve"):
            importlib.import_module(package)
    except ImportError as error:
        raise UserError(
            f"`glov serve` needs the package textual-serve ({error}): {HOW_TO_INSTALL}"
        ) from None
    from glov_tui.commands.serving.access import Access, check_token, is_loopback, new_token
    from glov_tui.commands.serving.screens import Attach
    from glov_tui.commands.serving.server import RunServer

    if asked.no_token and asked.token is not None:
        raise ConfigError("--token and --no-token: give one")
    if asked.no_token and not is_loopback(asked.host):
        raise ConfigError(
            f"--no-token --host {asked.host}: who can reach that could drive the run and write "
            "files as you. Without a token only this machine is served: leave --host out"
        )
    token = None if asked.no_token else check_token(asked.token or new_token())
    server = RunServer(Attach(folder.resolve(), asked.low_bandwidth), Access(token))
    listening = _listen(asked.host, asked.port)
    port = listening[0].getsockname()[1]
    address = _address(asked.host, port, token)

    def serves() -> None:
        _say_where(folder, asked.host, port, address, token)
        if asked.opens:
            webbrowser.open(address)

    asyncio.run(_serve(server, listening, serves))
    tell(f"the page is served no more; `glov serve {run_argument(folder)}` serves it again")
    return EXIT_INTERRUPTED


async def _serve(
    server: RunServer, listening: list[socket.socket], serves: Callable[[], None]
) -> None:
    """Serve until ctrl+c or SIGTERM; ``serves`` is called when both are heeded."""
    from aiohttp import web

    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    # No log of requests: the token is in the first one.
    runner = web.AppRunner(await server.application(), access_log=None, shutdown_timeout=2.0)
    await runner.setup()
    try:
        for sock in listening:
            await web.SockSite(runner, sock).start()
        serves()
        await stop.wait()
    finally:
        await runner.cleanup()


def _listen(host: str, port: int) -> list[socket.socket]:
    """Sockets on all addresses of a host.

    Raises:
        UserError: if there can be none.
    """
    sockets: list[socket.socket] = []
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, *_, place in dict.fromkeys(found):
            sock = socket.socket(family, socket.SOCK_STREAM)
            sockets.append(sock)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.bind((place[0], port or _port_of(sockets[0]), *place[2:]))
    except (OSError, UnicodeError) as error:
        for sock in sockets:
            sock.close()
        raise UserError(_why_not(error, host, port)) from error
    return sockets


def _port_of(sock: socket.socket) -> int:
    """The port that it is bound to; 0 before it is."""
    try:
        return int(sock.getsockname()[1])
    except OSError:
        return 0


def _why_not(error: OSError | UnicodeError, host: str, port: int) -> str:
    if isinstance(error, UnicodeError | socket.gaierror):
        return f"--host {host}: no such name or address ({getattr(error, 'strerror', error)})"
    match error.errno:
        case errno.EADDRINUSE:
            return f"--port {port} is taken: give another one, or 0 for any that is free"
        case errno.EACCES:
            return f"--port {port}: ports below 1024 are the administrator's; give a higher one"
        case errno.EADDRNOTAVAIL:
            return f"--host {host}: this machine has no such address"
    return f"--host {host} --port {port}: {error.strerror or error}"


def _address(host: str, port: int, token: str | None) -> str:
    """What to open on this machine, or where ``host`` leads here."""
    shown = {"0.0.0.0": socket.gethostname(), "::": socket.gethostname()}.get(host, host)
    shown = f"[{shown}]" if ":" in shown else shown
    return f"http://{shown}:{port}/" + (f"?token={token}" if token is not None else "")


def _say_where(folder: Path, host: str, port: int, address: str, token: str | None) -> None:
    from glov_tui.commands.serving.access import is_loopback

    print(address, flush=True)  # noqa: T201
    tell(f"{run_argument(folder)} in a browser, until ctrl+c; the run goes on after it")
    if is_loopback(host):
        end = f"[{host}]" if ":" in host else host
        tunnel = f"ssh -L {port}:{end}:{port} {shlex.quote(socket.gethostname())}"
        tell(f"from another machine: {tunnel}, then that address there")
    else:
        tell(
            f"warning: {host} can be reached from other machines, and what goes over the line is "
            "not encrypted: who sees the address or the traffic can drive the run and write files "
            "as you. Safer: leave --host out, and `ssh -L`"
        )
    if token is None:
        tell("warning: without a token, everybody on this machine can drive the run")
