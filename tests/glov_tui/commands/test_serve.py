"""`glov serve` without a browser: who is let in, and what is said of wrong calls."""

from __future__ import annotations

import signal
import socket
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyte
import pytest
from aiohttp import ClientSession, CookieJar, WSMsgType, WSServerHandshakeError
from aiohttp.test_utils import TestClient, TestServer

from engine.common.errors import ConfigError, UserError
from glov_tui.commands.serve import Serving, serve_run
from glov_tui.commands.serving import server as server_module
from glov_tui.commands.serving.access import Access, check_token, is_loopback
from glov_tui.commands.serving.screens import Attach
from glov_tui.commands.serving.server import PAGE, RunServer
from tests.support.command import called, check_refused
from tests.support.patience import CEILING_SECONDS
from tests.support.served_runs import Served
from tests.support.written_runs import write_run

TOKEN = "right-token"
PATHS = ("/", "/?token=", "/?token=right-toke", "/?token=%ff", "/ws", "/download/a", "/nothing")
STATIC = ("/static/js/textual.js", "/static/", "/page/page.js", "/page/page.css")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return write_run(tmp_path / "runs" / "one & <two>")


async def client_of(run: Path, token: str | None) -> TestClient:
    server = RunServer(Attach(run, low_bandwidth=False), Access(token))
    jar = CookieJar(unsafe=True)  # it keeps those of addresses too
    return TestClient(TestServer(await server.application()), cookie_jar=jar)


@pytest.fixture
async def guarded(run: Path) -> AsyncIterator[TestClient]:
    async with await client_of(run, TOKEN) as client:
        yield client


async def test_without_the_token_nothing_is_served(guarded: TestClient) -> None:
    for path in (*PATHS, *STATIC):
        answer = await guarded.get(path)
        assert answer.status == 401, path
        assert "Set-Cookie" not in answer.headers
        assert await answer.text() == (
            "This needs the token: open the address that glov serve has printed.\n"
        )
    cookie = Access("another-token")
    headers = {"Cookie": f"{Access(TOKEN).cookie_name}={cookie.cookie}", "Origin": "http://a"}
    assert (await guarded.get("/", headers=headers)).status == 401


async def test_the_token_becomes_a_cookie_and_leaves_the_address(guarded: TestClient) -> None:
    answer = await guarded.get(f"/?fontsize=12&token={TOKEN}", allow_redirects=False)
    assert answer.status == 303 and answer.headers["Location"] == "./?fontsize=12"
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=Lax" in cookie and TOKEN not in cookie
    answer = await guarded.get("/")
    assert answer.status == 200
    assert answer.headers["Cache-Control"] == "no-store"
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
    page = await answer.text()
    assert "<title>glov: one &amp; &lt;two&gt;</title>" in page
    for path in STATIC:
        assert (await guarded.get(path)).status == 200


async def test_another_page_can_not_open_the_websocket(guarded: TestClient) -> None:
    await guarded.get(f"/?token={TOKEN}")
    own = guarded.make_url("/")
    for origin in (None, "null", "http://evil.example", f"http://{own.host}:1", "http://[", ""):
        headers = {} if origin is None else {"Origin": origin}
        with pytest.raises(WSServerHandshakeError) as refused:
            await guarded.ws_connect("/ws", headers=headers)
        assert refused.value.status == 403


async def test_without_a_token_only_names_of_this_machine_lead_here(run: Path) -> None:
    async with await client_of(run, None) as client:
        assert (await client.get("/")).status == 200
        for host, status in (("localhost:80", 200), ("[::1]", 200), ("evil.example", 403)):
            assert (await client.get("/", headers={"Host": host})).status == status


def test_the_page_asks_for_nothing_from_outside() -> None:
    for path in PAGE.iterdir():
        assert "//" not in path.read_text().replace("// ", ""), path


def test_tokens_and_addresses() -> None:
    assert check_token("abc-._~1") == "abc-._~1"
    for wrong in ("short", "with space", "", "a/b/c/d/e", "ä" * 10, "a" * 201, "line\nline\n"):
        with pytest.raises(ConfigError, match="8 to 200 letters"):
            check_token(wrong)
    access = Access("täken-täken")
    assert access.is_token("täken-täken") and not access.is_token("täken-täke")
    assert Access("one-token").cookie_name != Access("two-token").cookie_name
    for name in ("localhost", "LOCALHOST", "127.0.0.1", "127.3.2.1", "::1"):
        assert is_loopback(name)
    for name in ("0.0.0.0", "::", "", "10.0.0.1", "localhost.evil.example", "box"):
        assert not is_loopback(name)


def asked(**values: Any) -> Serving:
    defaults = Serving("127.0.0.1", 0, None, no_token=False, opens=False, low_bandwidth=False)
    return replace(defaults, **values)


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        ({"host": "no..such"}, "--host no..such: no such name or address"),
        ({"host": "203.0.113.7"}, "this machine has no such address"),
        ({"token": "short"}, "--token: give 8 to 200"),
        ({"token": "long-enough", "no_token": True}, "--token and --no-token: give one"),
        ({"no_token": True, "host": "0.0.0.0"}, "drive the run and write files"),
    ],
)
def test_wrong_calls_are_said_in_words(call: dict[str, Any], expected: str, run: Path) -> None:
    with pytest.raises(UserError, match=expected):
        serve_run(str(run), asked(**call))


def test_wrong_calls_end_with_2(run: Path, tmp_path: Path) -> None:
    write_run(run.parent / "one too")
    runs = {"GLOV_RUNS_DIR": str(run.parent)}
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        for arguments, expected in (
            (("nothing",), "nothing: no run there"),
            (("one",), "several names in"),
            ((str(run), "--port", port), f"--port {port} is taken: give another one"),
        ):
            check_refused(called("serve", *arguments, **runs), expected, tmp_path / "none")


def test_without_textual_serve_it_says_how_to_get_it(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "textual_serve", None)
    with pytest.raises(UserError, match=r"pip install 'glov-tui\[serve\]'"):
        serve_run(str(run), asked())


def test_it_says_where_it_is_and_that_others_could_come(run: Path) -> None:
    with Served(run, "--host", "0.0.0.0") as served:
        assert served.address.endswith(f":{served.port}/?token=a-token-of-the-tests")
        code, said = served.end(signal.SIGINT)
    assert code == 130
    assert "warning: 0.0.0.0 can be reached from other machines" in said
    assert "serves it again" in said and "Traceback" not in said


def test_a_tunnel_ends_where_the_page_is_served(run: Path) -> None:
    with Served(run, "--host", "::1") as served:
        assert served.address.startswith(f"http://[::1]:{served.port}/?token=")
        _, said = served.end()
    assert f"ssh -L {served.port}:[::1]:{served.port} " in said


async def test_what_a_page_sends_that_is_no_message_does_no_harm(run: Path) -> None:
    server = RunServer(Attach(run, low_bandwidth=False), Access(None))
    async with TestServer(await server.application()) as listening, ClientSession() as session:
        address = listening.make_url("/ws")
        origin = f"http://{address.host}:{address.port}"
        query = {"screen": "1", "width": "9" * 30, "height": "-1"}
        async with session.ws_connect(address, params=query, origin=origin) as page:
            for text in ("", "[", "1", "{}", "[]", '["stdin"]', '["stdin", 1]', '["resize", 3]'):
                await page.send_str(text)
            await page.send_str("[" * 200_000)
            await page.send_str('["resize", {"width": 1e400, "height": null}]')
            await page.send_str('["stdin", "\\ud83d"]')
            await page.send_bytes(b"\xff")
            await page.send_str('["ping", "here"]')
            async for message in page:
                if message.data == '["pong", "here"]':
                    break
            else:
                raise AssertionError("the connection was closed")


async def test_a_page_that_comes_back_is_sent_a_whole_screen(run: Path) -> None:
    server = RunServer(Attach(run, low_bandwidth=False), Access(None))
    async with TestServer(await server.application()) as listening:
        address = listening.make_url("/ws")
        origin = f"http://{address.host}:{address.port}"
        query = {"screen": "1", "width": "100", "height": "30"}
        for _ in range(2):
            screen = pyte.Screen(100, 30)
            stream = pyte.ByteStream(screen)
            session = ClientSession()
            page = await session.ws_connect(address, params=query, origin=origin)
            shown = ""
            while not all(text in shown for text in ("finished", "step 2/2", "templates: 3")):
                data = await page.receive_bytes(timeout=CEILING_SECONDS)
                stream.feed(data.replace(b"\x1b[?2026$p", b""))
                shown = "\n".join(screen.display)
            await session.close()  # without a word to the server, as where a line drops


async def test_more_pages_than_a_run_serves_are_told_so(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "SCREENS", 0)
    async with await client_of(run, None) as client:
        own = client.make_url("/")
        origin = f"http://{own.host}:{own.port}"
        async with client.ws_connect("/ws", headers={"Origin": origin}) as page:
            kind, text, _ = await page.receive_json()
            assert kind == "ended" and "Close one" in text
            assert (await page.receive()).type is WSMsgType.CLOSE
