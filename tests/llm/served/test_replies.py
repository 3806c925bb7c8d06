"""What is asked of a server, and what comes back, with a scripted one over real HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from engine.common.errors import ModelError
from engine.llm.interface import Remark, Reply, Spending, TokenColumn
from engine.prompts.message import Message
from tests.support.chat_server import (
    Answer,
    Handler,
    chat_server,
    chunk,
    refuses,
    replies,
    says,
    usage,
)
from tests.support.generators import run_through
from tests.support.modules import modules_after
from tests.support.served_llm import ASK, SAMPLED, asked, llm_at


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-this-test")


def many(*texts: str) -> Answer:
    """All replies that were asked for in one stream."""

    def answer(handler: Handler, body: dict[str, Any]) -> None:
        assert body["n"] == len(texts)
        pieces = [chunk(text, i) for i, text in enumerate(texts)]
        ends = [chunk(index=i, finish="stop") for i in range(len(texts))]
        says(*pieces, *ends, usage(20, 7))(handler, body)

    return answer


def test_what_is_sent_and_what_comes_back() -> None:
    with chat_server(replies("a photo of a <category>.", tokens=(12, 6))) as server:
        news, found, llm = asked(server, [2**62 + 5])
        assert found == [Reply("a photo of a <category>.", 6, "stop")]
        assert llm.spending == Spending(requests=1, tokens_in=12, tokens_out=6)
        columns = [item for item in news if isinstance(item, TokenColumn)]
        assert "".join(column.texts[0] for column in columns) == found[0].text
        assert columns[-1].reached == 2
        (body,) = server.asked
        assert body == {
            "model": "m",
            "messages": ASK,
            "stream": True,
            "stream_options": {"include_usage": True},
            "max_tokens": 9,
            "temperature": 0.7,
            "top_p": 0.8,
            "top_k": 40,
            "seed": 5,
        }
        assert set(server.keys) == {"Bearer sk-of-this-test"}


def test_one_request_is_for_all_replies_where_the_server_takes_that() -> None:
    with chat_server(many("one", "two", "three")) as server:
        _, found, llm = asked(server, [1, 2, 3])
        assert [reply.text for reply in found] == ["one", "two", "three"]
        assert len(server.asked) == 1 and llm.spending == Spending(1, 20, 7)


def test_a_server_that_gives_one_of_several_is_asked_for_the_others() -> None:
    with chat_server(replies("the same")) as server:
        _, found, llm = asked(server, [1, 2, 3], concurrency=2)
        assert [reply.text for reply in found] == ["the same"] * 3
        assert [body.get("n") for body in server.asked] == [3, None, None]
        assert sorted(body["seed"] for body in server.asked) == [1, 2, 3]
        run_through(llm.propose(ASK, SAMPLED, [4, 5]))
        assert [body.get("n") for body in server.asked[3:]] == [None, None]  # it has been learned


@pytest.mark.parametrize(
    ("content", "gone"),
    [
        ({"detail": "Unexpected fields in the request: {'top_k'}"}, {"top_k"}),
        ({"error": {"message": "Unrecognized request argument: top_k"}}, {"top_k"}),
        ({"error": {"message": "bad", "param": "stream_options"}}, {"stream_options"}),
        ({"error": {"message": "'n' : number must be at most 1"}}, {"n"}),
        ({"error": {"message": "Unsupported value: 'temperature'"}}, {"temperature"}),
        ("no reason at all", {"top_k", "n", "seed", "stream_options"}),
    ],
)
def test_what_a_server_refuses_is_left_out_and_said(content: Any, gone: set[str]) -> None:
    with chat_server(refuses(422, content), replies("a <category>")) as server:
        news, found, _ = asked(server, [1, 2])
        assert [reply.text for reply in found] == ["a <category>"] * 2
        first, *others = server.asked
        for body in others:
            assert not gone & set(body)
        sampling = {"temperature", "top_p", "max_tokens"} - gone
        assert sampling <= set(others[0])
        said = " ".join(item.text for item in news if isinstance(item, Remark))
        assert all(name in said for name in gone - {"n"})
        assert gone <= set(first)


def test_a_newer_name_for_the_longest_reply_is_learned() -> None:
    content = {"error": {"message": "Use 'max_completion_tokens' instead", "param": "max_tokens"}}
    with chat_server(refuses(400, content), replies("x")) as server:
        asked(server, [1])
        assert server.asked[1]["max_completion_tokens"] == 9
        assert "max_tokens" not in server.asked[1]


def test_thoughts_come_apart_from_the_reply() -> None:
    own = says(
        chunk(reasoning_content="Let me"),
        chunk(reasoning_content=" think."),
        chunk("a <category>"),
        chunk(finish="stop"),
        usage(10, 50, thoughts=45),
    )
    marked = says(chunk("<think>Hm"), chunk("m.</think>a <cat"), chunk("egory>", finish="stop"))
    cut = says(chunk(reasoning="Still thinking"), chunk(finish="length"))
    with chat_server(own, marked, cut) as server:
        llm = llm_at(server, thinks=True)
        found = [run_through(llm.propose(ASK, SAMPLED, [i])) for i in range(3)]
        assert server.asked[0]["max_tokens"] == llm.most_tokens(SAMPLED) == 9 + 1024
        one, two, three = (reply for _, (reply,) in found)
        assert one == Reply("a <category>", 5, "stop", thought="Let me think.", thought_tokens=45)
        assert (two.text, two.thought, two.finish) == ("a <category>", "Hmm.", "stop")
        assert (three.text, three.thought, three.finish) == ("", "Still thinking", "thinking")
        thoughts = "".join(
            column.thoughts[0]
            for column in found[0][0]
            if isinstance(column, TokenColumn) and column.thoughts
        )
        assert thoughts == "Let me think."
        assert llm.spending == Spending(3, 10, 50, uncounted=2)


def test_a_begun_reply_is_asked_for_in_words() -> None:
    begun: list[Message] = [*ASK, {"role": "assistant", "content": "a photo of a"}]
    with chat_server(replies("a photo of a small <category>")) as server:
        (reply,) = run_through(llm_at(server).propose(begun, SAMPLED, [1]))[1]
        assert reply.begun == "" and reply.text == "a photo of a small <category>"
        system, user = server.asked[0]["messages"]
        assert system == ASK[0] and user["role"] == "user"
        assert user["content"].startswith("Write one.\n\nBegin your reply with")
        assert user["content"].endswith(": a photo of a")


def test_a_cut_reply_and_one_that_is_filtered_say_so() -> None:
    with chat_server(replies("a <cat", "length"), replies("a", "content_filter")) as server:
        llm = llm_at(server)
        (cut,) = run_through(llm.propose(ASK, SAMPLED, [1]))[1]
        assert cut.finish == "length"
        news, (filtered,) = run_through(llm.propose(ASK, SAMPLED, [1]))
        assert filtered.finish == "length"
        remarks = [item.text for item in news if isinstance(item, Remark)]
        assert remarks == ["the server's content filter cut 1 reply"]


def test_what_needs_hidden_states_is_refused_in_words() -> None:
    with chat_server(replies("x")) as server:
        llm = llm_at(server)
        for work in (
            lambda: llm.direction("a <category>", "the <category>", "no-bos"),
            lambda: next(llm.propose(ASK, SAMPLED, [1], trace=True)),
        ):
            with pytest.raises(ModelError, match="m can't be steered: it runs on a server"):
                work()
        assert not server.asked


def test_the_package_is_imported_when_a_server_is_asked_and_not_before() -> None:
    heavy = {"openai", "torch", "transformers"}
    assert not modules_after("import engine.llm.loading, engine.llm.openai_loading") & heavy
    local = "from engine.llm.transformers_llm import LocalLLM"
    assert not modules_after(f"{local}\nimport engine.session.loading") & {"openai"}
