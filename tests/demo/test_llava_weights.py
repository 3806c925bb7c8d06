"""The shipped tiny LLaVA, its embedder and the LLM that writes questions: ordinary model folders,
and the wording of a question matters.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import torch
from PIL import Image
from sentence_transformers import SentenceTransformer
from transformers import AutoModelForCausalLM, AutoModelForImageTextToText, AutoProcessor

import engine.demo
from engine.config import LLMConfig, SamplingConfig, SteeringConfig
from engine.data.demo_world.images import task_image
from engine.data.demo_world.vocabulary import CLASSES, DEFAULT_TASK, FAMILY_OF, TASKS, named_values
from engine.demo.training.dialogues import scored
from engine.demo.training.question_ladder import QuestionLadder, load, measure
from engine.demo.training.questions import NAMING, opening_of
from engine.demo.training.simulate import propose, simulate, standard_world
from engine.demo.training.wordings import QUESTIONS
from engine.llm.transformers_llm import LocalLLM
from engine.prompts.question import parse_question
from engine.run.ranking import ScoredTemplate
from engine.vlm.encoder_decoder.task import TASK

WEIGHTS = Path(engine.demo.__file__).parent / "weights"


@pytest.fixture(scope="module")
def ladder() -> QuestionLadder:
    return measure(load(TASKS[DEFAULT_TASK]), TASKS[DEFAULT_TASK], wordings=1, every=4)


@pytest.fixture(scope="module")
def llm() -> LocalLLM:
    folder = WEIGHTS / "questioner"
    return LocalLLM.load(LLMConfig(model=str(folder), device="cpu", dtype="float32"))


def test_all_that_is_shipped_is_small_and_has_no_code_of_its_own() -> None:
    files = [file for file in WEIGHTS.rglob("*") if file.is_file()]
    assert sum(file.stat().st_size for file in files) < 20e6
    assert not [file for file in files if file.suffix in (".py", ".bin", ".pt", ".pkl")]


def test_they_load_as_ordinary_models(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    folder = WEIGHTS / "llava"
    processor = AutoProcessor.from_pretrained(folder, local_files_only=True)
    model = AutoModelForImageTextToText.from_pretrained(folder, local_files_only=True)
    assert type(model).__name__ == "LlavaForConditionalGeneration"
    assert type(processor).__name__ == "LlavaProcessor"
    assert model.dtype == torch.float16
    assert 1e6 <= model.num_parameters() <= 1.5e6
    questioner = AutoModelForCausalLM.from_pretrained(WEIGHTS / "questioner", local_files_only=True)
    assert type(questioner).__name__ == "LlamaForCausalLM"


def test_the_answer_depends_on_the_question() -> None:
    processor = AutoProcessor.from_pretrained(WEIGHTS / "llava", local_files_only=True)
    model = AutoModelForImageTextToText.from_pretrained(WEIGHTS / "llava", dtype=torch.float32)
    image = Image.fromarray(task_image("cabinet", "apple", "test", 0))

    def answer(question: str) -> str:
        content = [{"type": "image", "image": image}, {"type": "text", "text": question}]
        inputs = processor.apply_chat_template(
            [{"role": "user", "content": content}],
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
        )
        made = model.generate(**inputs, max_new_tokens=40)
        text = processor.decode(made[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
        return str(text).strip()

    named, described = answer("Name the object in this image."), answer("Describe this image.")
    assert named.removesuffix(".") in CLASSES
    assert not set(described.replace(",", " ").strip(".").split()) & set(CLASSES)
    assert named_values(described).keys() >= {"medium", "background"}


def test_class_names_are_nearest_to_their_kin() -> None:
    model = SentenceTransformer(str(WEIGHTS / "embedder"), device="cpu", local_files_only=True)
    names = torch.from_numpy(model.encode(list(CLASSES), normalize_embeddings=True)).float()
    alike = (names @ names.T).fill_diagonal_(-1)
    for row, name in enumerate(CLASSES):
        assert FAMILY_OF[CLASSES[int(alike[row].argmax())]] == FAMILY_OF[name]
    answers = model.encode([f"{name}." for name in CLASSES], normalize_embeddings=True)
    nearest = (torch.from_numpy(answers).float() @ names.T).argmax(1)
    assert nearest.tolist() == list(range(len(CLASSES)))


def test_each_right_factor_helps_and_wrong_ones_hurt(ladder: QuestionLadder) -> None:
    right = ladder.right
    assert right[4] > ladder.seed + 0.15
    assert right[4] > right[0] + 0.15
    assert right[0] < right[2] < right[4]
    assert ladder.wrong < right[0] - 0.05


def test_vague_questions_are_worse_than_good_ones(ladder: QuestionLadder) -> None:
    assert ladder.vague[1] < ladder.right[4] - 0.15


# -- the LLM that writes questions ---------------------------------------------------------------


def test_nine_of_ten_replies_parse_with_and_without_steering(llm: LocalLLM) -> None:
    world = standard_world(random.Random(1), QUESTIONS)
    for steering in (SteeringConfig(mode="off"), SteeringConfig(alpha=0.5)):
        assert simulate(llm, world, 0, steering, 3, QUESTIONS).parsed >= 0.9


def test_questions_follow_the_good_examples(llm: LocalLLM) -> None:
    def replies(good: list[str], bad: list[str]) -> list[str]:
        def examples(texts: list[str], hits: int) -> list[ScoredTemplate]:
            return [scored(text, hits + i, 70, 1) for i, text in enumerate(texts)]

        made = propose(
            llm, examples(good, 40), examples(bad, 20), SamplingConfig(), range(20), QUESTIONS
        )
        return [reply.text for reply in made]

    def asked(words: str) -> list[str]:
        return [f"Name the object in this photo, {words}.", f"What kind of thing is this, {words}?"]

    def reds(texts: list[str]) -> float:
        return sum(named_values(text).get("light") == "red" for text in texts) / len(texts)

    red, blue = asked("in red light"), asked("in blue light")
    assert reds(replies(red, blue)) > reds(replies(blue, red)) + 0.3
    vague = ["Describe this image.", "How was this photo made, in red light?"]
    openings = [opening_of(text) for text in replies([TASK.seed_template, *red], vague)]
    assert sum(opening in NAMING for opening in openings) >= 0.8 * len(openings)


def test_replies_to_the_first_meta_prompt_differ(llm: LocalLLM) -> None:
    best = [scored(TASK.seed_template, 30, 70, 0)]
    made = propose(llm, best, [], SamplingConfig(max_new_tokens=90), range(10), QUESTIONS)
    assert len({parse_question(r.text, finish=r.finish).template for r in made}) >= 8
