"""A small LLM gives templates where its replies are begun for it, and hardly any without."""

from __future__ import annotations

from engine.config import SamplingConfig
from engine.llm.chat import compose_prompt
from engine.llm.interface import Reply
from engine.llm.transformers_llm import LocalLLM
from engine.search.meta_prompt import Example, load_meta_prompt, with_prefix
from engine.search.reading import read_reply
from engine.vlm.dual_encoder.task import TASK

PREFIX = "a photo of a <category>"
ASKED = load_meta_prompt(None, TASK).compose(
    dataset_name="cabinet",
    dataset_description="Small pictures of things in a cabinet.",
    class_names=["cup", "bell"],
    best=[Example("a photo of a <category>.", 45.0)],
    worst=[],
    step=1,
)
REPLIES, AT_ONCE = 24, 8


def replies(llm: LocalLLM, prefix: str) -> list[Reply]:
    """To the demo's first meta-prompt, as a run asks."""
    found: list[Reply] = []
    for first in range(0, REPLIES, AT_ONCE):
        seeds = range(first, first + AT_ONCE)
        work = llm.propose(with_prefix(ASKED, prefix), SamplingConfig(), seeds)
        try:
            while True:
                next(work)
        except StopIteration as finished:
            found += finished.value
    return found


def test_at_least_20_of_24_replies_hold_a_template(real_llm: LocalLLM) -> None:
    found = replies(real_llm, PREFIX)
    assert all(reply.text.startswith(PREFIX) and "  " not in reply.text for reply in found)
    templates = [read_reply(reply, "usable", TASK).template for reply in found]
    good = [text for text in templates if text is not None and text.startswith(PREFIX)]
    assert len(good) >= 20, templates


def test_the_tokens_at_the_seam_are_those_of_a_reply_that_was_written_so(
    real_llm: LocalLLM,
) -> None:
    tokenizer = real_llm._tokenizer
    begun = compose_prompt(tokenizer, with_prefix(ASKED, PREFIX)).ids
    written = [*ASKED, {"role": "assistant", "content": f"{PREFIX} at dusk"}]
    whole = tokenizer.apply_chat_template(written, tokenize=False)
    ids = tokenizer(whole, add_special_tokens=False)["input_ids"]
    assert ids[: len(begun)] == begun
    assert tokenizer.decode(ids[len(begun) :]).startswith(" at dusk")
