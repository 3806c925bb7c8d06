"""Servers that fail: each failure over real HTTP, in words, without the key."""

from __future__ import annotations

import socket
import threading

import pytest

from engine.common.errors import ModelError
from engine.config import LLMConfig
from engine.llm.interface import Remark, TokenColumn, Waiting
from engine.llm.loading import load_llm
from engine.llm.served.key import read_key
from tests.support.chat_server import (
    Answer,
    Handler,
    chat_server,
    chunk,
    hangs,
    refuses,
    replies,
    says,
    tears,
)
from tests.support.patience import wait_until
from tests.support.served_llm import ASK, SAMPLED, asked, llm_at

KEY = "sk-very-secret-1234"


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


WRONG: dict[str, tuple[Answer, str]] = {
    "key": (
        refuses(401, {"error": {"message": f"Incorrect API key provided: {KEY}"}}),
        r"does not take the key in OPENAI_API_KEY.*Incorrect API key provided: \[key\]",
    ),
    "forbidden": (refuses(403, {"error": "no"}), "does not let this key use 'm'"),
    "model": (
        refuses(404, {"error": {"message": "The model does not exist"}}),
        r"has no model 'm'.*It has: known, other.*does not exist",
    ),
    "no chat": (
        refuses(404, {"error": {"message": "Not found"}}),
        r"lists the model 'm' and has no chat completions for it .*Check llm.base_url.*Not found",
    ),
    "credit": (
        refuses(429, {"error": {"message": "quota", "code": "insufficient_quota"}}),
        "no credit left",
    ),
    "rate": (
        refuses(429, {"error": {"message": "slow down"}}),
        r"limits the rate.*asked up to 2 times: llm.retries.*slow down",
    ),
    "failed": (refuses(503, "<html>busy</html>"), r"has failed \(HTTP 503\).*asked up to 2 times"),
    "refused": (
        refuses(400, {"error": {"message": "context length is 8", "param": "messages"}}),
        r"refuses the request \(HTTP 400\).*context length is 8",
    ),
    "torn": (tears(chunk("a ph")), "ended its reply in the middle"),
    "no choices": (says({**chunk(), "choices": []}), "replied without choices"),
    "unfinished": (says(chunk("a photo")), "ended its reply in the middle"),
    "error in the stream": (
        says(chunk("a"), {"error": {"message": f"engine {KEY} died"}}),
        r"broke off with an error: engine \[key\] died",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_every_failure_is_said_in_words_and_never_shows_the_key(name: str) -> None:
    answer, words = WRONG[name]
    with chat_server(answer) as server:
        server.models = ("known", "other") if name != "no chat" else ("m", "other")
        with pytest.raises(ModelError, match=f"(?s){words}") as raised:
            asked(server, [1], retries=1)
        shown = "".join(map(str, (raised.value, raised.value.__cause__, raised.getrepr())))
        assert KEY not in str(raised.value) and raised.value.__cause__ is None
        assert f"llm = {KEY}" not in shown and server.url in str(raised.value)
        repeated = name in ("credit", "rate", "failed", "torn", "no choices", "unfinished")
        repeated = repeated or name == "error in the stream"
        assert len(server.asked) == (2 if repeated else 1)


def test_what_fails_at_first_is_asked_again() -> None:
    script = (
        refuses(429, {"error": {"message": "slow down"}}),
        refuses(500, "oops"),
        tears(chunk("a ph")),
        replies("a photo of a <category>"),
    )
    with chat_server(*script) as server:
        news, (reply,), _ = asked(server, [1], retries=3)
        assert reply.text == "a photo of a <category>" and len(server.asked) == 4
        shown = "".join(c.texts[0] for c in news if isinstance(c, TokenColumn))
        assert shown == reply.text  # what the torn stream had shown is not shown twice
        remarks = [item.text for item in news if isinstance(item, Remark)]
        assert len(remarks) == 1 and "limits the rate of requests" in remarks[0]


def test_one_that_asks_to_come_back_much_later_is_not_waited_for() -> None:
    limit = refuses(429, {"error": {"message": "quota"}}, {"retry-after": "7200"})
    with chat_server(limit) as server:
        with pytest.raises(ModelError, match="asks to come back after 7200 s. It said: quota"):
            asked(server, [1])
        assert len(server.asked) == 1


def test_a_reply_that_knows_no_end_is_cut() -> None:
    def babbles(handler: Handler, _body: object) -> None:
        handler.begin_stream()
        while True:
            handler.event(chunk("and so on " * 1000))

    with chat_server(babbles) as server:
        _, (reply,), llm = asked(server, [1])
        assert reply.finish == "length" and 64 * 9 < len(reply.text) < 200_000
        assert llm.spending is not None and llm.spending.uncounted == 1


@pytest.mark.parametrize(
    "odd",
    [
        {**chunk(), "choices": [], "usage": {}},
        {**chunk(), "choices": [], "usage": {"prompt_tokens": "3", "completion_tokens": -1}},
        {**chunk(), "choices": [{"index": "first", "delta": None}], "usage": None},
        {**chunk(), "choices": [{"index": 7, "delta": {"content": "not asked for"}}]},
        {**chunk(), "choices": [{"index": 0, "delta": {"content": ["a", 5]}}]},
        {"unheard": "of"},
    ],
)
def test_what_a_server_makes_up_is_passed_over(odd: dict[str, object]) -> None:
    with chat_server(says(odd, chunk("a <category>"), odd, chunk(finish="stop"), odd)) as server:
        _, (reply,), llm = asked(server, [1])
        assert (reply.text, reply.finish, reply.tokens) == ("a <category>", "stop", 1)
        assert llm.spending is not None and llm.spending.uncounted == 1


def test_half_a_character_waits_for_its_other_half() -> None:
    halves = says(chunk("a \ud83d"), chunk("\ude00 <category> \udfff", finish="stop"))
    with chat_server(halves) as server:
        news, (reply,), _ = asked(server, [1])
        assert reply.text == "a \U0001f600 <category> \ufffd"
        shown = "".join(item.texts[0] for item in news if isinstance(item, TokenColumn))
        assert shown == reply.text


def test_a_server_that_says_nothing_is_given_up_after_the_timeout() -> None:
    with chat_server(hangs()) as server:
        with pytest.raises(ModelError, match=r"gave no sign for 0\.05 s.*asked up to 2 times"):
            asked(server, [1], timeout=0.05, retries=1)
        assert len(server.asked) >= 1


def test_one_can_leave_at_any_moment_while_it_waits() -> None:
    before = threading.active_count()
    with chat_server(hangs(chunk("a "))) as server:
        work = llm_at(server).propose(ASK, SAMPLED, [1])
        seen = [next(work) for _ in range(3)]
        while not any(isinstance(item, TokenColumn) for item in seen):
            seen.append(next(work))
        assert isinstance(next(work), Waiting)
        work.close()
        wait_until(lambda: all(t.name != "glov-server" for t in threading.enumerate()))
    wait_until(lambda: threading.active_count() <= before, "the server's threads")


def test_a_rate_limit_is_told_while_it_lasts() -> None:
    limit = refuses(429, {"error": {"message": "slow down"}}, {"retry-after": "60"})
    with chat_server(limit) as server:
        work = llm_at(server).propose(ASK, SAMPLED, [1])
        reasons = [item.reason for item in (next(work) for _ in range(1))]
        while "rate limit, 60 s" not in reasons:
            item = next(work)
            assert isinstance(item, Waiting)
            reasons.append(item.reason)
        work.close()


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("http://no-such-host.invalid/v1", "no host of that name|can't be reached"),
        ("http://127.0.0.1:{free}/v1", "nothing listens there"),
    ],
)
def test_no_server_there_is_said_at_once(address: str, words: str) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        free = probe.getsockname()[1]
    config = LLMConfig(kind="openai", model="m", base_url=address.format(free=free))
    with pytest.raises(ModelError, match=words):
        load_llm(config, lambda _: None)


def test_a_wrong_key_is_said_when_the_llm_is_loaded() -> None:
    with chat_server(replies("x")) as server:
        server.models = 401
        with pytest.raises(ModelError, match="does not take the key in OPENAI_API_KEY"):
            llm_at(server)
        server.models = 404  # it does not list its models: the first request will show
        assert llm_at(server).name == "m"
        assert not server.asked


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "OPENAI_API_KEY is not set in the environment"),
        ("sk-with\na line end", "its value is not shown here"),
        ("sk-ключ-of-mine", "its value is not shown here"),
    ],
)
def test_a_key_that_is_missing_or_can_be_none(
    monkeypatch: pytest.MonkeyPatch, value: str | None, words: str
) -> None:
    if value is None:
        monkeypatch.delenv("OPENAI_API_KEY")
    else:
        monkeypatch.setenv("OPENAI_API_KEY", value)
    with pytest.raises(ModelError, match=words) as raised:
        read_key(LLMConfig(kind="openai"))
    assert value is None or value not in str(raised.value)


def test_a_server_of_ones_own_needs_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    with chat_server(replies("x")) as server:
        asked(server, [1])
        with_key = refuses(401, {"error": {"message": "no"}})
        server.script[:] = [with_key]
        with pytest.raises(ModelError, match="wants a key: set OPENAI_API_KEY"):
            asked(server, [1])


def test_a_reply_with_the_key_in_it_is_cleaned_of_it() -> None:
    with chat_server(replies(f"a {KEY} <category>")) as server:
        _, (reply,), llm = asked(server, [1])
        assert reply.text == "a [key] <category>"
        assert KEY not in repr(llm) and KEY not in repr(vars(llm_at(server)))
