"""``glov datasets``: the list, one data set, what is wrong with it, pictures in the terminal."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from engine.common.errors import ConfigError, DataError
from engine.config import DataConfig
from engine.data.catalogue.entry import Download
from engine.data.catalogue.table import catalogue
from engine.data.registry import load_dataset, registered_datasets
from glov_tui.commands import datasets
from glov_tui.commands.completion import complete_dataset, complete_source
from glov_tui.commands.dataset_facts import DatasetFacts, DatasetLine
from tests.support import miniatures
from tests.support.file_server import packed, serving
from tests.support.miniatures import put


@pytest.fixture(autouse=True)
def base(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("GLOV_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("GLOV_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("COLUMNS", "120")
    return tmp_path / "data"


def said(capsys, name: str | None = None, source: str = "auto", **more: object) -> str:
    given = {"fetch": False, "as_json": False, "images": True, **more}
    given["code"] = datasets.print_chosen(name, given.pop("path", None), source, **given)
    out = capsys.readouterr().out
    return f"{given['code']}\n{out}"


def document(capsys, name: str | None = None, **more: object) -> dict:
    code, _, text = said(capsys, name, as_json=True, **more).partition("\n")
    return {"code": int(code), "document": json.loads(text)}


def test_the_list_says_what_is_here(capsys, base):
    miniatures.write("oxford-pets", base)
    lines = said(capsys).splitlines()
    assert any(line.split()[:2] == ["oxford-pets", "folder"] for line in lines)
    assert any(line.split()[:2] == ["dtd", "-"] for line in lines)
    assert sum(" in glov " in line for line in lines) >= 3
    assert lines[-1].startswith(f"looked for in {base}")
    found = document(capsys)["document"]
    assert set(found) == set(registered_datasets())
    for line in found.values():
        DatasetLine.model_validate(line)
    assert found["oxford-pets"]["here"] == [{"form": "folder", "folder": str(base / "oxford_pets")}]
    assert (found["oxford-pets"]["classes"], found["oxford-pets"]["test"]) == (37, 3669)


@pytest.mark.parametrize("name", list(catalogue()))
def test_what_is_not_here_is_explained(capsys, name):
    entry = catalogue()[name]
    text = said(capsys, name)
    assert text.startswith(f"0\n{entry.title}\n{entry.description}")
    for one in entry.downloads:
        assert one.url in text
    for sentence in (*entry.steps, *entry.dead):
        assert sentence in text
    assert entry.downloads or entry.steps
    facts = DatasetFacts.model_validate(document(capsys, name)["document"])
    assert facts.found is None and facts.foci == entry.foci


def test_what_is_here_is_checked(capsys, base):
    miniatures.write("oxford-pets", base)
    text = said(capsys, "oxford-pets")
    assert text.startswith("0\n")
    assert "here: " in text and "37 classes, 6 training images and 3 test images" in text
    assert "split: another, its paths, labels" in text
    found = DatasetFacts.model_validate(document(capsys, "oxford-pets")["document"]).found
    assert found is not None and found.split == "another" and found.unreadable == ()
    assert found.fingerprint == load_dataset(DataConfig(dataset="oxford-pets")).fingerprint()


def test_what_is_wrong_is_said_with_exit_code_1(capsys, base):
    folder = miniatures.write("oxford-pets", base)
    content = json.loads((folder / "split_zhou_OxfordPets.json").read_text())
    put(folder / "images" / content["test"][0][0], b"no image \x1b[31m")
    text = said(capsys, "oxford-pets")
    assert text.startswith("1\n")
    assert "can't be read: Abyssinian/3.jpg: it is not an image" in text
    put(folder / "split_zhou_OxfordPets.json", '{"train": [["\\u001b[31m", 0, "x"]], "test": []}')
    text = said(capsys, "oxford-pets")
    assert text.startswith("1\n") and "there is no class 'x'" in text and "\x1b[31m" not in text
    assert document(capsys, "oxford-pets")["code"] == 1


def test_other_data_sets_than_the_catalogues(capsys, tmp_path):
    name = next(name for name in registered_datasets() if name.startswith("demo-"))
    assert "classes" in said(capsys, name)
    for label, own in enumerate(("cat", "dog")):
        for number in range(3):
            put(tmp_path / "mine" / own / f"{number}.png", miniatures.image(label, number))
    text = said(capsys, "image-folder", path=tmp_path / "mine")
    assert "2 classes, 2 training images and 4 test" in text or (
        "2 classes, 4 training images and 2 test" in text
    )
    assert said(capsys, "image-folder").startswith("0\n")
    assert "is here" not in said(capsys, "image-folder", path=tmp_path / "nowhere")


def test_harmful_questions_are_read_as_a_run_reads_them(capsys, tmp_path):
    assert said(capsys, "questions").startswith("0\nquestions\nharmful questions")
    rows = put(tmp_path / "harm.jsonl", "".join(f'{{"question": "Q{n}?"}}\n' for n in range(4)))
    text = said(capsys, "questions", path=rows)
    assert text.startswith("0\n") and "training question" in text and "can't be read" not in text


def test_where_it_was_looked_for_is_said(capsys, tmp_path):
    (tmp_path / "data").mkdir()
    assert f"not here: looked for in {tmp_path / 'data'}\n" in said(capsys, "eurosat")
    gone = said(capsys, "eurosat", path=tmp_path / "nowhere")
    assert f"looked for in {tmp_path / 'nowhere'}, a folder that is not there" in gone
    file = put(tmp_path / "split.json", "{}")
    with pytest.raises(ConfigError, match="split.json: it is no folder"):
        said(capsys, "eurosat", path=file)


def test_wrong_calls():
    def call(name: str | None, source: str = "auto", fetch: bool = False) -> None:
        datasets.print_chosen(name, None, source, fetch=fetch, as_json=False, images=False)

    with pytest.raises(ConfigError, match="did you mean 'oxford-pets'"):
        call("oxford-pet")
    with pytest.raises(ConfigError, match="glov datasets NAME"):
        call(None, fetch=True)
    with pytest.raises(ConfigError, match="data.source.*should be 'auto'"):
        call("dtd", source="disk")
    with pytest.raises(ConfigError, match="no data set that is to be had elsewhere"):
        call("image-folder", fetch=True)
    with pytest.raises(DataError, match="ImageNet: no plain download gets it"):
        call("imagenet", fetch=True)


def test_samples_are_drawn_in_the_terminal(base, monkeypatch):
    miniatures.write("oxford-pets", base)
    dataset = load_dataset(DataConfig(dataset="oxford-pets"))
    written = io.StringIO()
    console = Console(file=written, force_terminal=True, color_system="truecolor", width=70)
    datasets._print_pictures(console, dataset)
    text = written.getvalue()
    assert "\x1b[38;2;2;0;3;48;2;2;0;3m▀" in text  # red says the label, blue the picture
    assert text.rstrip().splitlines()[-1].split()[:1] == ["Abyssinian"]
    assert text.count("\n") <= 10


def test_a_data_set_is_fetched_and_said_to_be_right(capsys, base, tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    made = miniatures.write("oxford-pets", tmp_path / "there")
    files = {p.relative_to(made).as_posix(): p.read_bytes() for p in made.rglob("*.jpg")}
    with serving() as server:
        server.files["images.tar.gz"] = packed(tmp_path / "i.tar.gz", files).read_bytes()
        server.files["split.json"] = (made / "split_zhou_OxfordPets.json").read_bytes()
        entry = replace(
            catalogue()["oxford-pets"],
            downloads=(
                Download(url=server.url("images.tar.gz"), into="oxford_pets"),
                Download(url=server.url("split.json"), into="oxford_pets/split.json"),
            ),
        )
        known = {**catalogue(), entry.name: entry}
        monkeypatch.setattr(datasets, "catalogue", lambda: known)
        code = datasets.print_chosen(
            "oxford-pets", None, "auto", fetch=True, as_json=True, images=False
        )
    out, err = capsys.readouterr()
    assert code == 0 and json.loads(out)["found"]["test"] == 3
    lines = err.splitlines()
    assert lines[0].startswith("images.tar.gz: 0.0 of 0.0 MB")
    assert f"images.tar.gz: unpacked into {base}/oxford_pets" in lines
    assert lines[-1] == f"split.json: {base}/oxford_pets/split.json"


def test_names_are_completed():
    assert list(complete_dataset("imagenet-")) == [
        *("imagenet-v2", "imagenet-sketch", "imagenet-a", "imagenet-r")
    ]
    assert list(complete_source("")) == ["auto", "folder", "webdataset", "torchvision", "hub"]
