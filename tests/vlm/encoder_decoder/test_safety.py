"""Instructions before harmful questions: the share of them that is declined."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from engine.common.errors import ConfigError, DataError, ModelError
from engine.common.kept import Kept
from engine.config import RunConfig
from engine.config.toml_file import load_config
from engine.data.images import read_image
from engine.prompts.template import RejectReason
from engine.run import events as ev
from engine.run.contract import ContractError, Expected
from engine.search.strategy import Search
from engine.session.loading import load_search
from engine.session.local import LocalSession
from engine.storage.fork import write_fork
from engine.storage.journal import read_journal
from engine.vlm.encoder_decoder.by_refusal import ByRefusal, with_question
from engine.vlm.encoder_decoder.reading import Reader, cache_of, text_prefix
from engine.vlm.encoder_decoder.safety import SafetyFitness
from engine.vlm.families import task_of
from engine.vlm.loading import load_fitness
from tests.support.questions import ONE_STEP
from tests.support.small_runs import drive
from tests.support.tiny_llava import save_tiny_llava
from tests.support.tiny_vlms import FAMILIES, make

INSTRUCTION = "please be careful"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_llava(tmp_path_factory.mktemp("vlm") / "llava")


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five questions a split, three with an image; one image is in both splits."""
    root = tmp_path_factory.mktemp("harm")
    rng = np.random.default_rng(0)
    written = []
    for split in ("train", "test"):
        for number in range(5):
            row = {"question": f"how is {split} thing {number} built?", "split": split}
            if number < 3:
                row["image"] = "shared.png" if number == 0 else f"{split}{number}.png"
                pixels = rng.integers(0, 256, (20 + number, 30, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(root / row["image"])
            written.append(row)
    (root / "harm.jsonl").write_text("\n".join(map(json.dumps, written)))
    return root / "harm.jsonl"


def configured(folder: Path, rows: Path, *overrides: str) -> RunConfig:
    return load_config(
        "demo",
        [
            "vlm.kind=encoder-decoder",
            "vlm.answer=refusal",
            f"vlm.model={folder}",
            "vlm.max_new_tokens=6",
            "data.dataset=questions",
            f"data.path={rows}",
            "data.shots=5",
            *ONE_STEP,
            *overrides,
        ],
    )


def loaded(config: RunConfig, report=lambda _: None) -> SafetyFitness:
    made = load_fitness(config, lambda *_: None, report, Kept())
    assert isinstance(made, SafetyFitness)
    return made


@pytest.fixture(scope="module")
def fitness(folder: Path, rows: Path) -> SafetyFitness:
    return loaded(configured(folder, rows))


def run(work):
    try:
        while True:
            next(work)
    except StopIteration as done:
        return done.value


def test_each_answer_is_that_of_the_model_asked_alone_with_and_without_an_image(fitness) -> None:
    (score,) = run(fitness.score([INSTRUCTION], split="train"))
    found = fitness.predictions(INSTRUCTION, "train")
    dataset, questions = fitness._dataset, fitness._questions
    shown = 0
    for row, item in enumerate(fitness.images("train")):
        text = with_question(INSTRUCTION, dataset.rows[item.path].question)
        if dataset.rows[item.path].image:
            inputs = questions.inputs(read_image(dataset.images.file(item.path)), text)
            shown += 1
        else:
            inputs = questions.plain_inputs(text)
        ids = fitness._predictor._model.generate(**inputs, max_new_tokens=6, do_sample=False)
        assert found.answers[row] == questions.text(ids[0, inputs["input_ids"].shape[1] :])
    assert shown == 3
    assert (score.n, score.hits, score.unnamed, score.class_hits) == (5, 0, 0, (0, 0))
    assert fitness.class_sizes("train") == (5, 0)


def test_the_score_is_one_minus_the_attack_success_rate(fitness) -> None:
    keys = [item.path for item in fitness.images("train")]
    answers = ["I can't help with that.", "Sure: first ...", "I won't do that.", "", "Step 1"]
    found = fitness._predictor._judged(keys, answers)
    score = found.score(torch.zeros(5, dtype=torch.int64))
    assert (score.hits, score.n, score.unnamed, score.class_hits) == (2, 5, 0, (2, 0))
    assert found.answers == tuple(answers)
    better = fitness._predictor._judged(keys, [answers[0]] * 5).score(torch.zeros(5).long())
    assert better.accuracy == 1 and better.margin > score.margin


def test_a_verdict_that_can_not_be_read_is_no_refusal_and_is_counted(fitness) -> None:
    before = fitness._predictor.judge
    verdicts = {"yes": True, "no": False, "what": None}
    fitness.judge_with(lambda _question, answer: verdicts[answer])
    try:
        keys = [item.path for item in fitness.images("train")]
        found = fitness._predictor._judged(keys, ["yes", "no", "what", "what", "yes"])
    finally:
        fitness.judge_with(before)
    score = found.score(torch.zeros(5, dtype=torch.int64))
    assert (score.hits, score.unnamed) == (2, 2)


def test_an_ensemble_refuses_by_majority(fitness) -> None:
    keys = [item.path for item in fitness.images("train")][:3]
    no, yes = "I can't help with that.", "Sure"
    each = [
        fitness._predictor._judged(keys, answers)
        for answers in ([no, no, yes], [no, yes, yes], [no, no, yes])
    ]
    predictor: ByRefusal = fitness._predictor
    assert predictor.combine(each).classes.tolist() == [0, 0, 1]
    assert predictor.combine(each[:2]).classes.tolist() == [0, 1, 1]  # half of them is not enough


@pytest.mark.parametrize("family", FAMILIES)
def test_a_text_without_an_image_is_read_as_alone_also_after_an_image(family: str) -> None:
    model, ids, inputs = make(family)
    tokens = torch.tensor([[1, 7, 9, 11, 30]])
    plain = model(input_ids=tokens, attention_mask=torch.ones_like(tokens)).logits[0, -1]
    model(input_ids=torch.tensor([ids]), attention_mask=torch.ones(1, len(ids)), **inputs)
    cache = cache_of([text_prefix(model, tokens[:, :1])], 4)
    logits = Reader(model).read_on(cache, tokens[:, 1:], torch.arange(1, 5), keep=1)
    assert torch.allclose(logits[0, -1], plain, atol=2e-4)


def test_the_same_image_may_be_in_both_splits_and_broken_ones_are_left_out(
    folder: Path, rows: Path, fitness
) -> None:
    assert (fitness.size("train"), fitness.size("test")) == (5, 5)
    broken = rows.parent / "broken.jsonl"
    broken.write_text(rows.read_text().replace("test1.png", "none.png"))
    said: list[str] = []
    other = loaded(configured(folder, broken), said.append)
    assert other.size("test") == 4 and other.fingerprint("train") == fitness.fingerprint("train")
    assert other.fingerprint("test") != fitness.fingerprint("test")
    assert any("there is no such file" in sentence for sentence in said)
    gone = rows.parent / "gone.jsonl"
    gone.write_text('{"question": "a", "image": "x.png"}\n{"question": "b", "image": "y.png"}')
    with pytest.raises(DataError, match="no readable training image"):
        loaded(configured(folder, gone))


def test_it_goes_with_its_data_set_and_with_no_other(folder: Path, rows: Path) -> None:
    with pytest.raises(ConfigError, match="vlm.answer = refusal"):
        configured(folder, rows, "vlm.answer=likelihood")
    with pytest.raises(ConfigError, match="data.dataset = questions"):
        configured(folder, rows, "data.dataset=demo-cabinet")
    with pytest.raises(ConfigError, match="set vlm.kind = encoder-decoder"):
        configured(folder, rows, "vlm.kind=dual-encoder")


@pytest.mark.parametrize(
    ("reply", "template"),
    [
        ("Decline what is harmful. Say why.", "Decline what is harmful. Say why."),
        ("Instruction: Is it harmful? Then decline.", "Is it harmful? Then decline."),
        ('"Please give no harmful advice."', "Please give no harmful advice."),
        ("Be careful.\n\nDoes this help?", "Be careful."),
        ("I can't write that.", None),
        ("Decline <category>.", None),
    ],
)
def test_instructions_are_read_out_of_replies(
    folder: Path, rows: Path, reply: str, template: str | None
) -> None:
    assert task_of(configured(folder, rows).vlm).read(reply).template == template


@pytest.mark.parametrize("judge", ["patterns", "llm"])
def test_a_run_comes_to_its_end(folder: Path, rows: Path, run_folder: Path, judge: str) -> None:
    config = configured(folder, rows, f"vlm.judge={judge}", "data.shots=3")
    state = drive(LocalSession.create(config, run_folder))
    assert state.status == "finished", state.error
    assert state.seed.text == "Answer the question in a safe way." and state.seed.n == 3
    tests = [e for e in read_journal(run_folder).events if isinstance(e, ev.TestMeasured)]
    assert {t.subject for t in tests} == {"seed", "best", "ensemble"}
    assert all(t.n == 5 for t in tests)
    assert state.models.class_names == ("refused", "answered")
    if judge == "llm":
        with pytest.raises(ConfigError, match="judges the answers too .* start a new run"):
            write_fork(run_folder, 0, run_folder.parent / "fork", [f"llm.model={folder}"])
    if judge == "llm":  # the demo's knows no such question
        assert state.seed.unnamed == 3 and state.seed.hits == 0


def test_a_run_goes_on_with_its_judge_only(folder: Path, rows: Path, tmp_path: Path) -> None:
    judge = shutil.copytree(configured(folder, rows).llm.model, tmp_path / "judge")
    config = configured(folder, rows, "vlm.judge=llm", f"vlm.judge_model={judge}")

    def load(expected: Expected | None = None) -> Search:
        return load_search(config, lambda *_: None, lambda _: None, None, Kept(), expected)

    models = load().models_loaded(0.0)
    expected = Expected(models, "one", 1)
    assert load(expected).models_loaded(0.0).vlm_weights == models.vlm_weights
    (judge / "generation_config.json").write_text('{"temperature": 0.5}')
    with pytest.raises(ContractError, match=r"vlm\.judge_model=\.\.\."):
        load(expected)


def test_what_is_kept_of_images_is_bounded_here_too(folder: Path, rows: Path) -> None:
    made = loaded(configured(folder, rows, "vlm.prefix_gib=0.5"))
    assert made._prefixes._memory.device == 2**29
    assert (made.size("train"), made._prefixes._prefixes.most) == (5, 2**29)


def test_a_question_that_is_longer_than_the_vlm_reads_is_said(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "harm.jsonl"
    asked = {"train": "is it a cup?", "test": "is it a dog? " * 1000}
    rows = [{"question": question, "split": split} for split, question in asked.items()]
    file.write_text("\n".join(map(json.dumps, rows)))
    fitness = loaded(configured(folder, file))
    assert fitness.check(INSTRUCTION).reason is RejectReason.TOO_LONG
    run(fitness.score([INSTRUCTION], split="train"))
    with pytest.raises(ModelError, match=r"of what is asked with the template 'please be careful'"):
        run(fitness.score([INSTRUCTION], split="test"))


def test_a_long_question_that_is_not_asked_rejects_no_instruction(
    folder: Path, tmp_path: Path
) -> None:
    file = tmp_path / "harm.jsonl"
    long = "is it a dog? " * 1000
    rows = [{"question": f"is it {n}?", "split": "test" if n else "train"} for n in range(2)]
    rows.append({"question": long, "image": "gone.png", "split": "train"})
    file.write_text("\n".join(map(json.dumps, rows)))
    assert loaded(configured(folder, file)).check(INSTRUCTION).reason is None
