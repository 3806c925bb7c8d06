"""The script of a run: it runs as it stands, and predicts what the engine predicts."""

from __future__ import annotations

import ast
import runpy
import string
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPProcessor, CLIPTokenizer

from engine.analysis.export.as_python import IN_TRANSFORMERS
from engine.analysis.export.exported import Exported, read_exported
from engine.analysis.export.snippets.image_files import image_of
from engine.analysis.export.writing import export, make_content
from engine.common.errors import UserError
from engine.common.kept import Kept
from engine.config import RunConfig
from engine.config.toml_file import load_config
from engine.data.images import read_image
from engine.data.readers.question_rows import QuestionRow
from engine.data.registry import load_dataset
from engine.run.state import RunState
from engine.vlm.dual_encoder.fitness import DualEncoder
from engine.vlm.encoder_decoder.by_refusal import by_patterns
from engine.vlm.encoder_decoder.choices import with_options
from engine.vlm.encoder_decoder.model import load_model
from engine.vlm.encoder_decoder.prediction import Predictions, Question
from engine.vlm.encoder_decoder.questions import Questions
from engine.vlm.encoder_decoder.reading import read_prefix, text_prefix
from engine.vlm.encoder_decoder.ways import Options, find_embedder, make_predictor
from tests.support.exported_runs import QUESTIONS, TEMPLATES, drained, run_of
from tests.support.hostile_runs import CLASSES, TEXTS, write_hostile
from tests.support.patience import CEILING_SECONDS
from tests.support.sessions import loaded, scored
from tests.support.small_runs import OVERRIDES
from tests.support.tiny_processors import KINDS, save


def script(run: Exported, folder: Path, name: str = "python") -> dict[str, Any]:
    """What the script defines when it is run."""
    return runpy.run_path(str(export(run, name, folder)))


def test_a_script_with_open_clip_predicts_what_the_engine_predicts(
    demo_models: Callable, tmp_path: Path
) -> None:
    search = demo_models(*OVERRIDES)
    fitness: DualEncoder = search.fitness
    run = run_of(search.config, fitness.class_names, TEMPLATES)
    own = script(run, tmp_path)
    items = fitness.images("train")
    files = [fitness.dataset_root / item.path for item in items]
    classes, shares = own["classify"]([own["read_image"](str(file)) for file in files])
    found = drained(fitness.score_ensemble(TEMPLATES, split="train"))
    hits = [0] * len(fitness.class_names)
    for taken, item in zip(classes, items, strict=True):
        hits[item.label] += taken == item.label
    assert tuple(hits) == found.class_hits
    truth = torch.tensor([item.label for item in items])
    own_share = float(shares.gather(1, truth[:, None]).mean())
    assert own_share == pytest.approx(found.probability, abs=1e-4)
    drained(fitness.score([TEMPLATES[0]], split="train"))
    singles = fitness.predictions(TEMPLATES[0], "train")
    assert singles is not None
    alone = script(run_of(search.config, fitness.class_names, TEMPLATES[:1]), tmp_path / "one.py")
    images = [alone["read_image"](str(file)) for file in files]
    assert alone["classify"](images)[0] == singles.classes.tolist()


def test_a_script_prints_the_class_of_each_file_and_needs_no_glov(
    undisturbed: Path, tmp_path: Path
) -> None:
    run = read_exported(undisturbed)
    path = export(run, "python", tmp_path)
    names = {
        node.module for node in ast.walk(ast.parse(path.read_text())) if hasattr(node, "module")
    }
    assert not [name for name in names if str(name).startswith(("engine", "glov"))]
    data = load_dataset(run.config.data)
    images = [str(data.images.file(item.path)) for item in data.test[:2]]
    done = subprocess.run(
        [sys.executable, str(path), *images],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=CEILING_SECONDS,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 2
    names = data.class_names
    for line, image in zip(lines, images, strict=True):
        said = line.removeprefix(f"{image}: ")
        assert said.rpartition(" (")[0] in names and said.endswith("%)")


@pytest.mark.parametrize("kind", ["missing", "text", "folder", "cut"])
def test_a_script_names_a_file_that_is_no_image(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    if kind == "folder":
        path.mkdir()
    elif kind == "text":
        path.write_text("no image")
    elif kind == "cut":
        Image.effect_noise((64, 64), 50).save(path)
        path.write_bytes(path.read_bytes()[:900])
    with pytest.raises(SystemExit) as end:
        image_of(str(path))
    assert str(end.value.code).startswith(f"{path}: no image that can be read")


def engine_predictions(
    run: Exported, images: list[Path], options: Options | None = None
) -> Predictions:
    """The ensemble's, of the engine."""
    config, models = run.config.vlm, run.state.models
    assert models is not None
    model = load_model(config)
    questions = Questions(model.processor, model.model)
    assert config.answer in ("likelihood", "embedding", "choice")
    predictor = make_predictor(
        config,
        model,
        questions,
        models.class_names,
        options=options or {},
        embedder=find_embedder(config, lambda *_: None, Kept()),
        digests={str(image): number for number, image in enumerate(images)},
        report=lambda _: None,
    )
    prefixes = [read_prefix(model.model, questions.prefix(read_image(image))) for image in images]
    test = run.state.test("ensemble")
    assert test is not None
    return predictor.combine(
        [
            predictor.predict(
                [str(image) for image in images],
                prefixes,
                Question(text, tuple(questions.question(text))),
            )
            for text in test.templates
        ]
    )


@pytest.mark.parametrize("family", KINDS)
def test_the_script_reads_every_family_as_the_engine_does(family: str, tmp_path: Path) -> None:
    folder = save(family, tmp_path / "model")
    config = load_config("demo-llava", [f"vlm.model={folder}", "vlm.cache=false"])
    images = [tmp_path / "a.png"]
    Image.radial_gradient("L").resize((40, 28)).convert("RGB").save(images[0])
    run = run_of(config, ("red", "ball", "red ball"), ("what is <image> shown", "name it"))
    own = script(run, tmp_path)
    classes, shares = own["classify"]([own["read_image"](str(images[0]))])
    expected = engine_predictions(run, images)
    assert classes == expected.classes.tolist()
    assert torch.allclose(shares, expected.log_probabilities.exp(), atol=1e-3)


@pytest.mark.parametrize(
    "way",
    ["answer=likelihood", "likelihood=per-token", "likelihood=prior-corrected", "answer=embedding"],
)
def test_a_script_that_asks_predicts_what_the_engine_predicts(way: str, tmp_path: Path) -> None:
    config = load_config("demo-llava", [f"vlm.{way}", "vlm.max_new_tokens=12", "vlm.cache=false"])
    data = load_dataset(config.data)
    images = [Path(str(data.images.file(item.path))) for item in data.test[::400]]
    names = ("cup", "bell", "ball", "a bell jar", "cup board")  # two go on where others end
    run = run_of(config, names, QUESTIONS)
    own = script(run, tmp_path)
    classes, shares = own["classify"]([own["read_image"](str(image)) for image in images])
    expected = engine_predictions(run, images)
    assert classes == expected.classes.tolist()
    likely = expected.log_probabilities.exp()
    assert torch.allclose(shares, likely, atol=2e-3)


def test_hostile_texts_stay_texts(tmp_path: Path) -> None:
    run = write_hostile(tmp_path / "run")
    source = make_content(run, "python")
    assert isinstance(source, str)
    assigned = {
        node.targets[0].id: node.value
        for node in ast.parse(source).body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    assert ast.literal_eval(assigned["TEMPLATES"]) == [TEXTS[0], TEXTS[8], TEXTS[8]]
    assert ast.literal_eval(assigned["CLASSES"]) == list(CLASSES)
    assert "\u202e" not in source and "\a" not in source


def test_without_an_ensemble_the_best_template_is_taken_and_said(tmp_path: Path) -> None:
    events = [*loaded(), scored("a better <category>.", 9, 1)]
    run = Exported(tmp_path / "run", events, RunState().apply_all(events))
    source = make_content(run, "python")
    assert isinstance(source, str)
    assert "'a better <category>.'" in source and "'a photo of" not in source
    assert "# the best template so far, alone: no ensemble was measured yet" in source


OPTIONS = ("cup", "bell", "ball", "sock")


def images_of(config: RunConfig, every: int = 300) -> list[Path]:
    data = load_dataset(config.data)
    return [Path(str(data.images.file(item.path))) for item in data.test[::every]]


@pytest.mark.parametrize("letters", ["likelihood", "parsed"])
def test_a_script_that_chooses_chooses_what_the_engine_chooses(
    letters: str, tmp_path: Path
) -> None:
    way = ["vlm.answer=choice", f"vlm.letters={letters}", "vlm.max_new_tokens=12"]
    config = load_config("demo-llava", [*way, "vlm.cache=false"])
    images = images_of(config)
    questions = ("Which thing is it?", "Which of <category>?", "Which thing is it?")
    run = run_of(config, OPTIONS, questions)
    own = script(run, tmp_path)
    for question in questions[:2]:
        assert own["with_options"](question, OPTIONS) == with_options(question, OPTIONS)
    given = {str(image): (0, 1, 2, 3) for image in images}
    expected = engine_predictions(run, images, options=given)
    for row, image in enumerate(images):
        index, shares = own["choose"](own["read_image"](str(image)), OPTIONS)
        assert index == (int(expected.classes[row]) if expected.named[row] else -1)
        if letters == "likelihood":
            likely = expected.log_probabilities[row].exp()
            assert torch.allclose(torch.tensor(shares), likely, atol=2e-3)


@pytest.mark.parametrize(
    ("answers", "index"),
    [(["B", "C", "B"], 1), (["D", "A", "?"], 3), (["?", "A or B", ""], -1), (["a cup"] * 3, 0)],
)
def test_written_letters_are_votes(answers: list[str], index: int, tmp_path: Path) -> None:
    config = load_config("demo-llava", ["vlm.answer=choice", "vlm.letters=parsed"])
    own = script(run_of(config, OPTIONS, ("one", "two", "three")), tmp_path)
    said = dict(zip(("one", "two", "three"), answers, strict=True))
    own["choose"].__globals__.update(
        written=lambda _image, asked, *_: said[asked.partition("\n")[0]], model=lambda: ()
    )
    assert own["choose"](Image.new("RGB", (8, 8)), OPTIONS)[0] == index


def test_a_script_with_instructions_answers_and_declines_as_the_engine_does(tmp_path: Path) -> None:
    config = refusing(tmp_path, "vlm.max_new_tokens=12", "vlm.cache=false")
    image = images_of(load_config("demo-llava"))[0]
    rows = {
        "seen": QuestionRow("What is it?", image.name),
        "text": QuestionRow("What is it?", None),
    }
    instructions = ("Be careful.", "Say no.", "Be careful.")
    run = run_of(config, ("refused", "answered"), instructions)
    own = script(run, tmp_path)
    model = load_model(config.vlm)
    questions = Questions(model.processor, model.model)
    predictor = make_predictor(
        config.vlm,
        model,
        questions,
        ("refused", "answered"),
        options={},
        embedder=None,
        digests={"seen": 1, "text": 2},
        report=lambda _: None,
        rows=rows,
    )
    seen = read_prefix(model.model, questions.prefix(read_image(image)))
    plain = text_prefix(model.model, questions.plain_inputs("?")["input_ids"][:, :1])
    for key, prefix, picture in (("seen", seen, read_image(image)), ("text", plain, None)):
        found = predictor.predict([key], [prefix], Question(instructions[0], ()))
        answer, declines = own["ask"]("What is it?", picture)
        assert answer == found.answers[0]
        assert declines is by_patterns("What is it?", answer)  # the model says nothing like it
    own["ask"].__globals__["written"] = lambda *_: "I'm sorry, I can't help with that."
    assert own["ask"]("How?") == ("I'm sorry, I can't help with that.", True)


def refusing(folder: Path, *more: str) -> RunConfig:
    (folder / "rows.jsonl").write_text("")
    data = ["data.dataset=questions", f"data.path={folder}"]
    return load_config("demo-llava", ["vlm.answer=refusal", *data, *more])


def test_what_an_llm_judges_has_no_script(tmp_path: Path) -> None:
    config = refusing(tmp_path, "vlm.judge=llm")
    with pytest.raises(UserError, match="no Python script for vlm.judge = 'llm'.*an LLM's to say"):
        make_content(run_of(config, ("a", "b"), QUESTIONS), "python")


@pytest.mark.parametrize(
    "way", [("vlm.answer=choice",), ("vlm.answer=choice", "vlm.letters=parsed"), ()]
)
def test_scripts_that_choose_or_decline_need_no_glov(way: tuple[str, ...], tmp_path: Path) -> None:
    config = load_config("demo-llava", way) if way else refusing(tmp_path)
    source = str(make_content(run_of(config, OPTIONS, QUESTIONS), "python"))
    tree = ast.parse(source)
    modules = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert not [name for name in modules if str(name).startswith(("engine", "glov"))]
    defined = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
    assert len(defined) == len(set(defined)) and "CLASSES" not in source


@pytest.mark.parametrize(("model", "hub"), IN_TRANSFORMERS.items())
def test_transformers_clip_is_the_one_with_the_same_weights(
    model: tuple[str, str], hub: str
) -> None:
    from open_clip import get_model_config, get_pretrained_cfg

    name, tag = model
    known = get_pretrained_cfg(name, tag)
    assert known, "open_clip has no such model"
    own = get_model_config(name)
    assert bool(known.get("quick_gelu")) == bool(own and own.get("quick_gelu"))
    assert tag == "openai" or known["hf_hub"].rstrip("/") == hub
    config = load_config("demo", [f"vlm.model={name}", f"vlm.pretrained={tag}"])
    source = make_content(run_of(config, ("cup", "bell"), TEMPLATES), "python-transformers")
    assert f"MODEL = {hub!r}" in str(source)


def test_other_models_have_no_script_with_transformers_clip() -> None:
    for preset in ("demo", "demo-llava"):
        with pytest.raises(UserError, match="--format python"):
            run = run_of(load_config(preset), ("a", "b"), TEMPLATES)
            make_content(run, "python-transformers")


def test_a_script_with_transformers_clip_predicts_what_that_model_does(tmp_path: Path) -> None:
    folder = tiny_clip(tmp_path / "clip")
    config = load_config("demo", ["vlm.model=ViT-B-32-quickgelu", "vlm.pretrained=openai"])
    path = export(run_of(config, ("cup", "bell"), TEMPLATES[:1]), "python-transformers", tmp_path)
    path.write_text(path.read_text().replace("openai/clip-vit-base-patch32", str(folder)))
    images = [Image.new("RGB", (40, 30), colour) for colour in ("red", "blue", "grey")]
    own = runpy.run_path(str(path))
    classes, shares = own["classify"](images)
    model, processor = CLIPModel.from_pretrained(folder), CLIPProcessor.from_pretrained(folder)
    texts = [TEMPLATES[0].replace("<category>", name) for name in ("cup", "bell")]
    given = processor(text=texts, images=images, padding=True, return_tensors="pt")
    expected = model.eval()(**given).logits_per_image.softmax(dim=-1)
    assert torch.allclose(shares, expected, atol=1e-5)
    assert classes == expected.argmax(dim=-1).tolist()


def tiny_clip(folder: Path) -> Path:
    """A small random CLIP as transformers saves one; it reads letters."""
    torch.manual_seed(0)
    letters = string.ascii_lowercase + ".,"
    signs = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    tokenizer = CLIPTokenizer(
        vocab={sign: number for number, sign in enumerate(signs)}, merges=[], model_max_length=77
    )
    small = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}
    small |= {"num_attention_heads": 2}
    text = {
        "vocab_size": len(signs),
        "bos_token_id": len(signs) - 2,
        "eos_token_id": len(signs) - 1,
    }
    config = CLIPConfig(
        text_config={**small, **text},
        vision_config={**small, "image_size": 32, "patch_size": 16},
        projection_dim=24,
    )
    CLIPModel(config).save_pretrained(folder)
    pixels = {"size": {"shortest_edge": 32}, "crop_size": {"height": 32, "width": 32}}
    CLIPProcessor(CLIPImageProcessor(**pixels), tokenizer).save_pretrained(folder)
    return folder
