"""The web server of a run: textual-serve's, with a token, a page of its own, and screens that stay.

A page names its screen by a number that it drew. A connection that comes back with the same number
finds the same screen, as long as that was kept; else a new one shows the present.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp_jinja2
from aiohttp import WSCloseCode, WSMsgType, web
from textual_serve.server import Server

from engine.common.errors import JournalError
from engine.storage.journal import is_driven
from engine.storage.lock import Owner, read_owner
from glov_tui.commands.serving.access import Access, is_loopback
from glov_tui.commands.serving.screens import Attach, BrowserScreen
from glov_tui.common.text import clean

PAGE = Path(__file__).parent / "page"
SCREENS = 12  # at once; the engine of a run serves 16
KEEP_SECONDS = 90.0  # a screen whose page is gone without a word
HEARTBEAT_SECONDS = 15.0
LOOK_SECONDS = 1.0  # between looks at whether another engine is at work
LONGEST_MESSAGE = 1 << 20  # bytes; what is pasted is one message
_LEFT = (WSCloseCode.OK, WSCloseCode.GOING_AWAY)  # a page that was closed, or went elsewhere
_SIDES = range(1, 1001)  # of a screen, in cells

_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; object-src 'none'; base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class RunServer(Server):
    """Serves one run to those whom ``access`` lets in."""

    def __init__(self, attach: Attach, access: Access) -> None:
        name = clean(attach.folder.name)
        super().__init__("", title=name, templates_path=str(PAGE))
        self._attach = attach
        self._access = access
        self._screens: dict[str, BrowserScreen] = {}
        self._engines: dict[BrowserScreen, Owner | None] = {}  # when a screen was started
        self._started = 0
        self._tasks: set[asyncio.Task[Any]] = set()

    async def application(self) -> web.Application:
        """What answers requests; for one event loop."""
        return await self._make_app()

    async def _make_app(self) -> web.Application:
        app = await super()._make_app()
        app.middlewares.append(_middleware(self._guarded))
        app.router.add_static("/page", PAGE, name="page")
        app.on_response_prepare.append(_add_headers)
        return app

    async def on_startup(self, app: web.Application) -> None:
        """Begin to look after the screens."""
        self._later(self._watch_engine())

    async def on_shutdown(self, app: web.Application) -> None:
        """End all screens; the run goes on."""
        for task in self._tasks:
            task.cancel()
        screens = list(self._screens.values())
        await asyncio.gather(*(screen.go_away() for screen in screens), return_exceptions=True)

    # -- who is let in -----------------------------------------------------------------------

    async def _guarded(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        access = self._access
        if not access.is_host_allowed(request.host):
            raise web.HTTPForbidden(text="glov serve --no-token answers to localhost only.\n")
        token = request.query.get("token")
        if token is not None and request.path == "/" and access.is_token(token):
            rest = request.rel_url.without_query_params("token").raw_query_string
            response = web.Response(status=303, headers={"Location": f"./?{rest}".rstrip("?")})
            response.set_cookie(
                access.cookie_name, access.cookie, httponly=True, samesite="Lax", path="/"
            )
            return response
        if not access.is_let_in(request.cookies.get(access.cookie_name)):
            raise web.HTTPUnauthorized(
                text="This needs the token: open the address that glov serve has printed.\n"
            )
        if request.path == "/ws" and not access.is_own_page(
            request.headers.get("Origin"), request.host
        ):
            raise web.HTTPForbidden(text="Another page may not open this.\n")
        return await handler(request)

    @aiohttp_jinja2.template("index.html")
    async def handle_index(self, request: web.Request) -> dict[str, Any]:
        """The page. All in it is named relative to it: a tunnel may end at any port."""
        return {"name": self.title}

    # -- the screens -------------------------------------------------------------------------

    async def handle_websocket(self, request: web.Request) -> web.WebSocketResponse:
        """A page connects, for the first time or again."""
        page = web.WebSocketResponse(heartbeat=HEARTBEAT_SECONDS, max_msg_size=LONGEST_MESSAGE)
        await page.prepare(request)
        number = request.query.get("screen", "")[:64]
        size = _side(request.query.get("width"), 80), _side(request.query.get("height"), 24)
        screen = self._screens.get(number)
        if screen is None:
            if len(self._screens) >= SCREENS:
                text = f"{SCREENS} pages show this run already. Close one, and try again."
                await page.send_str(json.dumps(["ended", text, 1]))
                await page.close()
                return page
            screen = self._screens[number] = self._new_screen(number, request.remote)
        try:
            await screen.show_in(page, *size)
            await self._pass_on(page, screen)
        finally:
            if screen.is_shown_in(page):
                screen.let_go()
                left = page.close_code in _LEFT
                self._later(self._end_unless_back(number, screen, 0.0 if left else KEEP_SECONDS))
        return page

    def _new_screen(self, number: str, remote: str | None) -> BrowserScreen:
        self._started += 1
        name = f"browser page {self._started}"
        if remote is not None and not is_loopback(remote):
            name += f" from {remote}"

        def ended(screen: BrowserScreen) -> None:
            self._screens.pop(number, None)
            self._engines.pop(screen, None)

        screen = BrowserScreen(self._attach, name, self.download_manager, ended)
        self._engines[screen] = _engine(self._attach.folder)
        return screen

    async def _pass_on(self, page: web.WebSocketResponse, screen: BrowserScreen) -> None:
        """What the page's script sends, until the connection ends; what is no such thing is not."""
        async for message in page:
            if message.type != WSMsgType.TEXT:
                continue
            try:
                kind, *rest = json.loads(message.data)
            except (ValueError, TypeError, RecursionError):  # nested as deep as a liar likes
                continue
            match kind, rest:
                case "stdin", [str(text)]:
                    await screen.send_bytes(text.encode(errors="replace"))
                case "resize", [{"width": width, "height": height}]:
                    await screen.set_terminal_size(_side(width, 80), _side(height, 24))
                case "ping", [sent]:
                    await page.send_str(json.dumps(["pong", sent]))
                case "blur", []:
                    await screen.blur()
                case "focus", []:
                    await screen.focus()

    async def _end_unless_back(self, number: str, screen: BrowserScreen, seconds: float) -> None:
        gone = screen.times_shown
        await asyncio.sleep(seconds)
        if screen.times_shown == gone and self._screens.get(number) is screen:
            await screen.stop()

    async def _watch_engine(self) -> None:
        """Have pages come anew when a run that had ended, or was cut off, is taken up again."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            engine = await asyncio.to_thread(_engine, self._attach.folder)
            for screen, before in list(self._engines.items()):
                if engine is not None and engine != before:
                    self._engines[screen] = engine
                    await screen.tell("again")
                    self._later(screen.stop())

    def _later(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _engine(folder: Path) -> Owner | None:
    """The process that drives the run, if one does."""
    try:
        return read_owner(folder) if is_driven(folder) else None
    except JournalError:  # the folder was moved, or deleted: its screens say so
        return None


def _side(value: object, otherwise: int) -> int:
    """A number of cells, whatever was sent."""
    try:
        number = int(value)  # type: ignore[call-overload]
    except (TypeError, ValueError, OverflowError):
        return otherwise
    return number if number in _SIDES else otherwise


def _middleware(guarded: Callable[[web.Request, Handler], Awaitable[web.StreamResponse]]) -> Any:
    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        return await guarded(request, handler)

    return guard


async def _add_headers(request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(_HEADERS)
    if not request.path.startswith(("/static/", "/page/")):
        response.headers["Cache-Control"] = "no-store"
