"""The line on confused classes, as a real LLM is given it: whole, and within its window."""

from __future__ import annotations

from engine.config import SamplingConfig
from engine.llm.chat import compose_prompt
from engine.llm.transformers_llm import LocalLLM
from engine.search.confused import Confused
from engine.search.meta_prompt import Example, load_meta_prompt, with_prefix
from engine.search.reading import read_reply
from engine.vlm.dual_encoder.task import TASK

PREFIX = "a photo of a <category>"
PAIRS = [Confused(f"great tit {n}", f"blue tit {n}", 4, 5) for n in range(20)]
ASKED = load_meta_prompt(None, TASK).compose(
    dataset_name="cabinet",
    dataset_description="Small pictures of things in a cabinet.",
    class_names=["cup", "bell"],
    best=[Example("a photo of a <category>.", 45.0)],
    worst=[],
    step=1,
    confused=PAIRS,
)


def test_as_many_pairs_as_may_be_fit_and_templates_come(real_llm: LocalLLM) -> None:
    tokenizer = real_llm._tokenizer
    ids = compose_prompt(tokenizer, with_prefix(ASKED, PREFIX)).ids
    text = tokenizer.decode(ids)
    assert "The best template still takes great tit 0 for blue tit 0 (4 of 5 images), " in text
    assert "great tit 19 for blue tit 19 (4 of 5 images).\n" in text
    sampling = SamplingConfig()
    assert len(ids) + sampling.max_new_tokens < real_llm._model.config.max_position_embeddings
    work = real_llm.propose(with_prefix(ASKED, PREFIX), sampling, range(8))
    try:
        while True:
            next(work)
    except StopIteration as finished:
        replies = finished.value
    templates = [read_reply(reply, "usable", TASK).template for reply in replies]
    assert sum(text is not None and text.startswith(PREFIX) for text in templates) >= 6, templates
