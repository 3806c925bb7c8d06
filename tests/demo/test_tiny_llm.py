"""The shipped tiny LLM: an ordinary model folder, and replies that follow the examples."""

import random
from pathlib import Path
from statistics import fmean

import pytest
from transformers import AutoModelForCausalLM, AutoTokenizer

import engine.demo
from engine.config import LLMConfig, SamplingConfig, SteeringConfig
from engine.data.demo_world.vocabulary import TASKS, named_values
from engine.demo.training.dialogues import scored
from engine.demo.training.simulate import propose, simulate, standard_world
from engine.llm.transformers_llm import LocalLLM
from engine.prompts.reply import parse_reply
from engine.run.ranking import ScoredTemplate
from engine.search.meta_prompt import Example, load_meta_prompt
from engine.vlm.dual_encoder.task import TASK

WEIGHTS = Path(engine.demo.__file__).parent / "weights" / "llm"


@pytest.fixture(scope="module")
def llm() -> LocalLLM:
    return LocalLLM.load(LLMConfig(model=str(WEIGHTS), device="cpu", dtype="float32"))


@pytest.fixture(scope="module")
def tokenizer():
    return AutoTokenizer.from_pretrained(WEIGHTS, local_files_only=True)


def test_it_is_a_small_hub_model_folder_without_code_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    model = AutoModelForCausalLM.from_pretrained(WEIGHTS, local_files_only=True)
    assert type(model).__name__ == "LlamaForCausalLM"
    assert 1e6 < model.num_parameters() < 4e6
    assert sum(f.stat().st_size for f in WEIGHTS.iterdir()) < 6e6
    assert not list(WEIGHTS.glob("*.py")) + list(WEIGHTS.glob("*.bin"))


@pytest.mark.parametrize(
    "text",
    [
        "a photo of a <category>.",
        "An X-ray of the (odd) <category>, 3 m away: 52.5 %!",
        "ein Foto von einem <category>, schön",
        "写真 😀\n\n  two  spaces\tand a tab",
    ],
)
def test_any_text_comes_back_from_its_tokens(tokenizer, text: str) -> None:
    assert tokenizer.decode(tokenizer(text, add_special_tokens=False)["input_ids"]) == text


def test_accuracies_are_split_into_their_parts(tokenizer) -> None:
    assert tokenizer.tokenize("-> 52.5")[-2:] == ["▁52", ".5"]


def test_the_meta_prompt_of_a_full_step_is_short(tokenizer) -> None:
    task = TASKS["darkroom"]
    long = "a grainy photo of a <category> lying on its left side, as a colour negative, in rain."
    messages = load_meta_prompt(None, TASK).compose(
        dataset_name=task.name,
        dataset_description=task.description,
        class_names=task.classes,
        best=[Example(long, 50.0)] * 5,
        worst=[Example(long, 40.0)] * 5,
        step=9,
    )
    ids = tokenizer.apply_chat_template(
        list(messages), add_generation_prompt=True, return_dict=False
    )
    assert len(ids) < 600


def test_nine_of_ten_replies_parse_through_whole_steps_with_and_without_steering(llm) -> None:
    world = standard_world(random.Random(1))
    for steering in (SteeringConfig(mode="off"), SteeringConfig(alpha=0.5)):
        assert simulate(llm, world, 0, steering, steps=4).parsed >= 0.9


def test_replies_follow_the_good_examples(llm: LocalLLM) -> None:
    def share_of_red(good: str, bad: str) -> float:
        def examples(words: str, hits: int) -> list[ScoredTemplate]:
            texts = [f"a photo of a <category> {words}.", f"an image of a <category>, {words}."]
            texts.append(f"a view of a <category> {words} on the grass.")
            return [scored(text, hits + i, 70, 1) for i, text in enumerate(texts)]

        replies = propose(llm, examples(good, 40), examples(bad, 20), SamplingConfig(), range(30))
        named = [named_values(reply.text).get("light") for reply in replies]
        return named.count("red") / len(named)

    red, blue = "in red light", "in blue light"
    assert share_of_red(good=red, bad=blue) > share_of_red(good=blue, bad=red) + 0.4


def test_replies_to_one_meta_prompt_differ(llm) -> None:
    best = [scored("a photo of a <category>.", 30, 70, 0)]
    replies = propose(llm, best, [], SamplingConfig(), range(10))
    texts = {parse_reply(r.text, finish=r.finish).template for r in replies}
    assert len(texts) >= 8
    assert fmean(r.finish == "stop" for r in replies) >= 0.9
