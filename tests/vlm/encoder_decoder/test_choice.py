"""Four options an image, and the letter that is most likely or that the answer names."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
import torch
from PIL import Image

from engine.common.cache_folder import answers_folder
from engine.common.errors import ConfigError, DataError, ModelError
from engine.common.kept import Kept
from engine.config import RunConfig
from engine.config.toml_file import load_config
from engine.data.images import read_image
from engine.prompts.template import RejectReason
from engine.run import events as ev
from engine.run.result import summarise
from engine.session.config_check import check_config
from engine.session.local import LocalSession
from engine.storage.journal import read_journal
from engine.vlm.encoder_decoder.by_choice import NEVER
from engine.vlm.encoder_decoder.by_parsed_letter import digests_with_options
from engine.vlm.encoder_decoder.choices import ASK, with_options
from engine.vlm.encoder_decoder.fitness import EncoderDecoder
from engine.vlm.encoder_decoder.letters import LETTERS
from engine.vlm.encoder_decoder.likelihood import one_by_one
from engine.vlm.encoder_decoder.prediction import Question
from engine.vlm.families import task_of
from engine.vlm.loading import load_fitness
from tests.support.questions import ONE_STEP
from tests.support.small_runs import drive
from tests.support.tiny_llava import save_tiny_llava

QUESTION = "which one is it?"
INLINE = "is it one of <category>?"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_llava(tmp_path_factory.mktemp("vlm") / "llava")


def configured(folder: Path, *overrides: str) -> RunConfig:
    return load_config(
        "demo",
        [
            "vlm.kind=encoder-decoder",
            "vlm.answer=choice",
            f"vlm.model={folder}",
            "data.shots=1",
            *ONE_STEP,
            *overrides,
        ],
    )


def loaded(config: RunConfig, report=lambda _: None) -> EncoderDecoder:
    made = load_fitness(config, lambda *_: None, report, Kept())
    assert isinstance(made, EncoderDecoder)
    return made


@pytest.fixture(scope="module")
def fitness(folder: Path) -> EncoderDecoder:
    return loaded(configured(folder))


def run(work):
    try:
        while True:
            next(work)
    except StopIteration as done:
        return done.value


def test_where_the_options_stand() -> None:
    options = ["cat", "dog", "owl", "red deer"]
    assert with_options("What is it?", options) == (
        f"What is it?\nA. cat\nB. dog\nC. owl\nD. red deer\n{ASK}"
    )
    assert with_options("Is it <category>, or <category>?", options) == (
        "Is it A. cat, B. dog, C. owl, D. red deer, or <category>?"
    )


@pytest.mark.parametrize("question", [QUESTION, INLINE, "a <image> <end> in it?"])
def test_a_letter_is_as_likely_as_it_is_alone(fitness: EncoderDecoder, question: str) -> None:
    (score,) = run(fitness.score([question], split="train"))
    predictor = fitness._predictor
    letters = fitness._questions.names(LETTERS)
    right, margin = 0, 0.0
    for item in fitness.images("train"):
        text = with_options(question, predictor.names(item.path))
        inputs = fitness._questions.inputs(
            read_image(fitness._dataset.images.file(item.path)), text
        )
        plain = [one_by_one(fitness._predictor._model, inputs, letter) for letter in letters]
        found = torch.tensor(plain).log_softmax(-1)
        own = predictor._options[item.path].index(item.label)
        right += int(found.argmax()) == own
        margin += float(found[own])
    assert score.hits == right and score.n == fitness.size("train")
    assert score.margin == pytest.approx(margin / score.n, abs=1e-4)


def test_right_letters_are_balanced_in_each_split(fitness: EncoderDecoder) -> None:
    options = fitness._predictor._options
    for split in ("train", "test"):
        images = fitness.images(split)
        counts = Counter(options[i.path].index(i.label) for i in images)
        assert max(counts.values()) - min(counts[letter] for letter in range(4)) <= 1


def test_options_are_the_same_whatever_the_model_template_and_seed(
    folder: Path, tmp_path: Path, fitness: EncoderDecoder
) -> None:
    other = loaded(configured(save_tiny_llava(tmp_path / "other", seed=1), "seed=7"))
    assert other.fingerprint("test") == fitness.fingerprint("test")
    plain = loaded(configured(folder, "vlm.answer=likelihood"))
    assert plain.fingerprint("test") != fitness.fingerprint("test")


def test_only_the_options_of_an_image_are_likely(fitness: EncoderDecoder) -> None:
    run(fitness.score([QUESTION], split="train"))
    found = fitness.predictions(QUESTION, "train")
    assert found is not None
    likely = torch.tensor(found.log_probabilities) > NEVER / 2
    assert (likely.sum(dim=1) == 4).all()


def test_an_ensemble_is_the_mean_of_its_questions(fitness: EncoderDecoder) -> None:
    both = run(fitness.score_ensemble([QUESTION, INLINE], split="train"))
    alone = run(fitness.score_ensemble([QUESTION, QUESTION], split="train"))
    (score,) = run(fitness.score([QUESTION], split="train"))
    assert alone.class_hits == score.class_hits
    assert alone.margin == pytest.approx(score.margin, abs=1e-5) and both.margin != score.margin


def test_a_question_may_have_one_placeholder(folder: Path) -> None:
    assert task_of(configured(folder).vlm).read(INLINE).template == INLINE
    assert check_config(configured(folder, f"seed_template={INLINE}"))
    with pytest.raises(ConfigError, match="can't have the placeholder <category> more than"):
        check_config(configured(folder, f"seed_template={INLINE} {INLINE}"))


def test_it_is_refused_in_words_where_it_can_not_be(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="set vlm.kind = encoder-decoder"):
        configured(folder, "vlm.kind=dual-encoder")
    with pytest.raises(DataError, match="data.options"):
        loaded(configured(folder, f"data.options={tmp_path / 'none.json'}"))


def test_classes_that_the_vlm_can_not_read_are_no_options(folder: Path, tmp_path: Path) -> None:
    for name in ("cup", "ball", "bell", "<image>"):
        for number in range(2):
            file = tmp_path / "images" / name / f"{number}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (32, 32), (number, ord(name[1]), 9)).save(file)
    for letters in ("likelihood", "parsed"):
        own = ("data.dataset=image-folder", f"data.path={tmp_path / 'images'}")
        with pytest.raises(ModelError, match="nothing for '<image>'; give the class another name"):
            loaded(configured(folder, *own, f"vlm.letters={letters}"))


def test_a_run_with_options_of_a_file_comes_to_its_end(
    folder: Path, fitness: EncoderDecoder, run_folder: Path, tmp_path: Path
) -> None:
    names = fitness.class_names
    content: dict[str, list] = {}
    for item in fitness._dataset.test[::4]:
        wrong = [names[(item.label + i) % len(names)] for i in (1, 2, 3)]
        own = names[item.label]
        content.setdefault(own, []).append(
            {"image": item.path, "options": [own, *wrong], "groundtruth": own}
        )
    (tmp_path / "options.json").write_text(json.dumps(content))
    config = configured(folder, f"data.options={tmp_path / 'options.json'}")
    state = drive(LocalSession.create(config, run_folder))
    assert state.status == "finished", state.error
    assert state.seed.text == "Which of these is shown in the image?"
    tests = [e for e in read_journal(run_folder).events if isinstance(e, ev.TestMeasured)]
    assert {t.subject for t in tests} == {"seed", "best", "ensemble"}
    left_out = [line.text for line in state.log if "without options" in line.text]
    assert len(left_out) == 1 and "the shots come out" in " ".join(line.text for line in state.log)


@pytest.fixture(scope="module")
def parsing(folder: Path) -> EncoderDecoder:
    return loaded(configured(folder, "vlm.letters=parsed", "vlm.max_new_tokens=6"))


def test_a_written_answer_is_that_of_the_model_asked_alone(parsing: EncoderDecoder) -> None:
    (score,) = run(parsing.score([QUESTION], split="train"))
    found = parsing.predictions(QUESTION, "train")
    assert found is not None
    predictor, questions = parsing._predictor, parsing._questions
    for row, item in enumerate(parsing.images("train")):
        image = read_image(parsing._dataset.images.file(item.path))
        inputs = questions.inputs(image, with_options(QUESTION, predictor.names(item.path)))
        ids = predictor._model.generate(**inputs, max_new_tokens=6, do_sample=False)
        assert found.answers[row] == questions.text(ids[0, inputs["input_ids"].shape[1] :])
    assert score.hits + score.unnamed <= score.n
    assert run(parsing.score([QUESTION], split="train")) == [score]  # from the answers kept


def answering(parsing: EncoderDecoder, answers: list[str]):
    images = [item.path for item in parsing.images("train")][: len(answers)]
    return images, parsing._predictor._read(images, answers)


def test_an_answer_that_names_no_option_is_wrong_and_counted(parsing: EncoderDecoder) -> None:
    right = [
        LETTERS[parsing._predictor._options[i.path].index(i.label)] for i in parsing.images("train")
    ]
    labels = torch.tensor([i.label for i in parsing.images("train")])
    answers = [f"It is ({right[0]}).", "A street at night", "B or C", *right[3:]]
    _, found = answering(parsing, answers)
    score = found.score(labels)
    assert (score.hits, score.unnamed) == (len(right) - 2, 2)
    _, guessed = answering(parsing, [answers[0], *("BCDA"["ABCD".index(r)] for r in right[1:])])
    assert guessed.score(labels).hits == 1 and guessed.score(labels).unnamed == 0
    _, none = answering(parsing, ["?"] * len(right))
    assert none.score(labels).unnamed == len(right)
    assert none.score(labels).margin < guessed.score(labels).margin < found.score(labels).margin


def test_an_ensemble_of_parsed_answers_votes(parsing: EncoderDecoder) -> None:
    images, one = answering(parsing, ["A", "B", "C", "none here", "A"])
    _, two = answering(parsing, ["B", "B", "??", "", "B"])
    _, three = answering(parsing, ["B", "C", "D", "..", "?"])
    together = parsing._predictor.combine([one, two, three])
    assert together.named.tolist() == [True, True, True, False, True]
    options = parsing._predictor._options
    letters = [
        options[i].index(c) if c >= 0 else None
        for i, c in zip(images, together.classes, strict=True)
    ]
    assert letters == [1, 1, 2, None, 0]


def test_answers_are_kept_by_question_and_options(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GLOV_CACHE_DIR", str(tmp_path))
    overrides = ("vlm.letters=parsed", "vlm.max_new_tokens=3")
    first = loaded(configured(folder, *overrides))
    scores = run(first.score([QUESTION, INLINE], split="train"))
    assert len(list(answers_folder().glob("*.jsonl"))) == 2  # a file a question
    again = loaded(configured(folder, *overrides))._predictor
    images = [item.path for item in first.images("train")]
    asked = Question(QUESTION, tuple(first._questions.question(QUESTION)))
    rows, found = again.known(images, asked)
    assert list(rows) == list(range(len(images)))
    assert found.score(torch.tensor([i.label for i in first.images("train")])) == scores[0]
    digests = dict.fromkeys(first._predictor._options, 5)
    names, options = first.class_names, first._predictor._options
    kept = digests_with_options(digests, names, options)
    turned = {path: (*labels[1:], labels[0]) for path, labels in options.items()}
    other = digests_with_options(digests, names, turned)
    assert all(kept[path] != other[path] for path in kept)
    assert kept == digests_with_options(digests, names, options)


def test_failures_are_journaled_and_shown(folder: Path, image_root: Path, run_folder: Path) -> None:
    images = ("data.dataset=image-folder", f"data.path={image_root}")
    config = configured(folder, *images, "vlm.letters=parsed", "vlm.max_new_tokens=3")
    state = drive(LocalSession.create(config, run_folder))
    assert state.status == "finished", state.error
    scored = [e for e in read_journal(run_folder).events if isinstance(e, ev.TemplateScored)]
    assert all(e.hits + e.unnamed <= e.n for e in scored)
    assert state.seed.unnamed == scored[0].unnamed > 0
    tests = {
        e.subject: e for e in read_journal(run_folder).events if isinstance(e, ev.TestMeasured)
    }
    assert tests["seed"].unnamed > 0
    result = summarise(state)
    assert result["baseline"]["train_unnamed"] == state.seed.unnamed
    assert result["baseline"]["test_unnamed"] == tests["seed"].unnamed
    said = [line.text for line in state.log]
    rate = f"({state.seed.unnamed / state.seed.n:.1%} of the answers name nothing)"
    assert any("seed template" in text and rate in text for text in said)
    assert any("test accuracy" in text and "name nothing" in text for text in said)


def test_options_count_in_what_the_vlm_reads_at_most(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitness = loaded(configured(folder))
    run(fitness.score([QUESTION], split="train"))
    questions, predictor = fitness._questions, fitness._predictor
    before = fitness._prefixes.longest
    whole = len(questions.question(predictor.longest(QUESTION)))
    assert whole > len(questions.question(QUESTION))
    monkeypatch.setattr(questions, "context", before + whole)
    assert fitness.check(QUESTION).reason is None
    run(fitness.score([QUESTION], split="train"))
    monkeypatch.setattr(questions, "context", before + len(questions.question(QUESTION)))
    assert fitness.check(QUESTION).reason is RejectReason.TOO_LONG
    with pytest.raises(ModelError, match="use a shorter template or question"):
        run(fitness.score([QUESTION], split="train"))
