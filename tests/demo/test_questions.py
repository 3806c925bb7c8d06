"""The questions that the demo's LLaVA is trained on, and the dialogues about them."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForImageTextToText, AutoProcessor

from engine.data.demo_world.vocabulary import CLASSES, FACTORS, HIDDEN_FACTORS, named_values
from engine.demo.training import train_llava
from engine.demo.training.clip_data import PICTURES, SETTINGS, picture
from engine.demo.training.dialogues import make_dialogue
from engine.demo.training.llava_batches import HIDDEN_VALUES, ExampleMaker, belief
from engine.demo.training.llava_tokenizer import build_tokenizer
from engine.demo.training.questions import ASK, NAMING, OPENINGS, compose_question, opening_of
from engine.demo.training.wordings import QUESTIONS
from engine.prompts.question import parse_question
from engine.prompts.template import normalise
from engine.vlm.encoder_decoder.task import TASK


@pytest.fixture(scope="module")
def tokenizer():
    return build_tokenizer(random.Random(0))


def hidden_values(text: str) -> dict[str, str]:
    return {f: v for f, v in named_values(text).items() if f in HIDDEN_FACTORS}


def test_a_question_names_the_values_it_is_made_of() -> None:
    rng = random.Random(0)
    for _ in range(200):
        values = {f: rng.choice(tuple(FACTORS[f].values)) for f in rng.sample(HIDDEN_FACTORS, 3)}
        opening = rng.choice([text for texts in OPENINGS.values() for text in texts])
        phrases = {f: rng.choice(FACTORS[f].values[v]) for f, v in values.items()}
        text = compose_question(phrases | {ASK: opening}, rng)
        assert hidden_values(text) == values
        assert opening_of(text) == opening
        assert parse_question(text).template == text


def test_dialogues_are_about_questions_and_repeat_no_example() -> None:
    rng = random.Random(5)
    for dialogue in (make_dialogue(rng, 2, wording=QUESTIONS) for _ in range(60)):
        shown = {
            normalise(line.split(". ", 1)[1].rsplit(" -> ", 1)[0])
            for line in dialogue.messages[-1]["content"].splitlines()
            if " -> " in line
        }
        for reply in dialogue.replies:
            assert parse_question(reply).template == reply
            assert opening_of(reply) in NAMING
            assert normalise(reply) not in shown


def test_named_factors_decide_what_is_believed() -> None:
    setting = {**SETTINGS[0], "view": "inverted"}
    seen = picture("cup", setting)
    assert seen == picture("bell", {**setting, "view": "upright"})
    named = belief(seen, {"view": "inverted"})
    assert CLASSES[int(named.argmax())] == "cup"
    assert CLASSES[int(belief(seen, {"view": "upright"}).argmax())] == "bell"
    assert named.max() > 0.9 > belief(seen, {}).max()
    for key in PICTURES:
        assert belief(key, {}).sum().item() == pytest.approx(1)


def test_beliefs_stand_at_the_ends_of_phrases(tokenizer) -> None:
    maker = ExampleMaker(tokenizer, random.Random(1))
    for number in range(60):
        setting = SETTINGS[6 * number]
        example = maker.example("apple", picture("apple", setting), setting, (0, 1, 2, 3), 0.9)
        text = tokenizer.decode(example.ids[: example.answer])
        told = hidden_values(text)
        for place, belief_there in example.beliefs[:-1]:
            so_far = hidden_values(tokenizer.decode(example.ids[: place + 1]))
            assert so_far.items() <= told.items()
            expected = belief(picture("apple", setting), {f: setting[f] for f in so_far})
            assert torch.allclose(belief_there, expected)
        assert example.ids[-1] == tokenizer.eos_token_id


@pytest.mark.parametrize("text", [TASK.seed_template, "Ein Bild, schön? 写真 😀", "<x> a\n\nb\tc"])
def test_any_text_comes_back_from_its_tokens(tokenizer, text: str) -> None:
    assert tokenizer.decode(tokenizer(text)["input_ids"]).removeprefix(" ") == text


def test_training_reads_what_the_processor_makes_and_writes_an_ordinary_folder(
    tmp_path: Path,
) -> None:
    threads = torch.get_num_threads()
    try:
        train_llava.main(tmp_path / "llava", tmp_path / "kept", quick=True)
    finally:
        torch.set_num_threads(threads)
    processor = AutoProcessor.from_pretrained(tmp_path / "llava", local_files_only=True)
    model = AutoModelForImageTextToText.from_pretrained(
        tmp_path / "llava", dtype=torch.float32, local_files_only=True
    )
    assert type(model).__name__ == "LlavaForConditionalGeneration"
    maker = ExampleMaker(processor.tokenizer, random.Random(1))
    setting = SETTINGS[3]
    example = maker.example("cup", picture("cup", setting), setting, (0, 0, 0, 0), 0.9)
    question = processor.decode(example.ids[1 : example.answer]).removeprefix(" ")
    content = [{"type": "image"}, {"type": "text", "text": question}]
    text = processor.apply_chat_template(
        [{"role": "user", "content": content}], add_generation_prompt=True
    )
    image = torch.zeros(3, 32, 32, dtype=torch.uint8)
    inputs = processor(images=image, text=text, return_tensors="pt")
    ids = inputs["input_ids"][0].tolist()
    assert ids[0] == model.config.text_config.bos_token_id
    assert ids[1:18] == [model.config.image_token_id] * train_llava.IMAGE_TOKENS
    assert ids[18:] == example.ids[: example.answer + 1]
    # The loss is of what the model says where the answer begins.
    batch = maker.batch([example])
    features = model.get_image_features(pixel_values=inputs["pixel_values"]).pooler_output[0]
    model.register_buffer("class_ids", torch.tensor(maker.class_ids), persistent=False)
    reader = torch.nn.Linear(train_llava.HIDDEN, len(HIDDEN_VALUES))
    loss = train_llava.answer_loss(model, reader, features[None], batch)
    assert torch.isfinite(loss)
