"""A run goes on only with the data and models that it rests on; ways out are said and work."""

from __future__ import annotations

import functools
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import huggingface_hub
import pytest
from PIL import Image

import engine.demo
from engine.common.errors import ConfigError, UserError
from engine.config import RunConfig
from engine.config.places import read_places
from engine.config.toml_file import load_config
from engine.data.readers.image_folder import read_image_folder
from engine.data.sampling import shuffled
from engine.models.identity import WHOLE_BYTES, identify
from engine.remote.client import RemoteSession
from engine.run import events as ev
from engine.run.state import RunState
from engine.session.local import LocalSession
from engine.storage.fork import write_fork
from engine.storage.journal import read_journal, read_state
from engine.storage.journal_lines import sealed
from engine.storage.run_folder import EVENTS
from engine.sweeps.backend import Job
from engine.sweeps.local_backend import LocalBackend
from glov_tui import cli
from tests.support.small_runs import drive

WEIGHTS = Path(engine.demo.__file__).parent / "weights"
COLOURS = ("red", "green", "blue")


class Places:
    """Images and models that a run uses, for a test to change."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.images, self.vlm, self.llm = root / "images", root / "clip", root / "llm"
        for split, number, shade in (("train", 2, 80), ("test", 3, 0)):
            for colour in COLOURS:
                for i in range(number):
                    self.paint(f"{split}/{colour}_cup/{i}.png", colour, shade + 10 * i)
        shutil.copytree(WEIGHTS / "clip", self.vlm)
        shutil.copytree(WEIGHTS / "llm", self.llm)

    def paint(self, name: str, colour: str, shade: int) -> None:
        path = self.images / name
        path.parent.mkdir(parents=True, exist_ok=True)
        value = tuple(200 - shade if c == colour else 40 for c in COLOURS)
        Image.new("RGB", (32, 32), value).save(path)

    def config(self, *overrides: str) -> RunConfig:
        given = [f"data.path={self.images}", "data.dataset=image-folder"]
        given += [f"vlm.model={self.vlm}", f"llm.model={self.llm}", "data.shots=1", "steps=2"]
        return load_config("demo", [*given, "sampling.max_new_tokens=20", *overrides])


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Places:
    """A run of two steps that ended in its second one, with all that it uses."""
    places = Places(tmp_path_factory.mktemp("contract"))
    config = places.config()
    session = LocalSession.create(config, places.root / "whole")
    assert drive(session).status == "finished", session.state.error
    lines = (places.root / "whole" / EVENTS).read_bytes().splitlines(keepends=True)
    second = next(n for n, line in enumerate(lines) if b'"kind":"step-started","step":2' in line)
    shutil.copytree(places.root / "whole", places.root / "run")
    (places.root / "run" / EVENTS).write_bytes(b"".join(lines[: second + 2]))
    return places


@pytest.fixture
def places(begun: Places, tmp_path: Path) -> Places:
    """The same, for one test alone; everything has been moved."""
    mine = Places.__new__(Places)
    mine.root = tmp_path / "all"
    shutil.copytree(begun.root, mine.root)
    mine.images, mine.vlm, mine.llm = (mine.root / n for n in ("images", "clip", "llm"))
    return mine


def moved(places: Places) -> list[str]:
    return [f"data.path={places.images}", f"vlm.model={places.vlm}", f"llm.model={places.llm}"]


def resume(places: Places, *overrides: str) -> RunState:
    folder = places.root / "run"
    config = read_state(folder).config
    said = read_places(config, [*moved(places), *overrides])
    return drive(LocalSession.resume(folder, places=said))


def test_what_was_moved_is_found_and_the_run_ends_the_same(places: Places, begun: Places) -> None:
    shutil.move(places.images, places.root / "elsewhere")
    places.images = places.root / "elsewhere"
    state, whole = resume(places), read_state(begun.root / "whole")
    assert state.status == "finished", state.error
    assert state.ranking == whole.ranking
    assert [t.comparable() for t in state.tests] == [t.comparable() for t in whole.tests]
    assert state.config.data.path == str(places.images)
    assert state.models.dataset_name == whole.models.dataset_name == "images"
    said = [line.text for line in state.log]
    assert any("goes on with 'images'" in text for text in said)
    kinds = [e.kind for e in read_journal(places.root / "run").events]
    assert kinds.count("places-set") == 1
    write_fork(places.root / "run", 1, places.root / "fork")
    forked = drive(LocalSession.resume(places.root / "fork"))
    assert forked.status == "finished" and forked.ranking == whole.ranking


def add_images(places: Places) -> None:
    for i in range(3, 5):
        places.paint(f"test/red_cup/{i}.png", "red", 10 * i)


def replace_content(places: Places) -> None:
    path = places.images / "test/red_cup/0.png"
    before = path.stat()
    places.paint("test/red_cup/0.png", "blue", 0)
    data = path.read_bytes()
    path.write_bytes(
        data + b"\0" * (before.st_size - len(data)) if before.st_size > len(data) else data
    )


def spoil_the_sample(places: Places) -> None:
    """A labelled image of each class can't be read any more: another one is in its place."""
    dataset = read_image_folder(places.images)
    for items in dataset.by_class(dataset.train):
        sampled = shuffled(items, 0, "shots")[0]
        path = places.images / sampled.path
        path.write_bytes(b"\0" * path.stat().st_size)


def change_a_file(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-100:] = bytes(byte ^ 1 for byte in data[-100:])
    path.write_bytes(data)


CHANGES: dict[str, tuple[Callable[[Places], object], list[str]]] = {
    "images added": (add_images, ["11 test images in place of 9", "--set data.path=FOLDER"]),
    "an image replaced": (replace_content, ["test images are others, or their content is"]),
    "class renamed": (
        lambda p: [
            (p.images / split / "red_cup").rename(p.images / split / "red_mug")
            for split in ("train", "test")
        ],
        ["class names differ: 'red cup' is now 'red mug'", "new run"],
    ),
    "class gone": (
        lambda p: [shutil.rmtree(p.images / split / "blue_cup") for split in ("train", "test")],
        ["2 classes in place of 3, without 'blue cup'"],
    ),
    "sample": (spoil_the_sample, ["the 3 labelled images are others"]),
    "vlm": (
        lambda p: change_a_file(p.vlm / "open_clip_model.safetensors"),
        ["the VLM is clip (files", "and was clip (files", "--set vlm.model=..."],
    ),
    "llm": (
        lambda p: change_a_file(p.llm / "model.safetensors"),
        ["the LLM that is there now", "glov fork", "--at-step 1 --set llm.model="],
    ),
}


@pytest.mark.parametrize("what", CHANGES)
def test_what_differs_is_refused_in_words(what: str, places: Places) -> None:
    change, words = CHANGES[what]
    change(places)
    before = read_state(places.root / "run")
    state = resume(places)
    assert state.status == "failed" and state.templates == before.templates
    assert "can't go on with" in state.error
    for word in words:
        assert word in state.error
    assert str(state.error).isprintable()
    assert read_state(places.root / "run").config.data == before.config.data  # nothing is kept


def rewrite(places: Places, change: Callable[[ev.Event], ev.Event]) -> Path:
    """Change facts of the run's journal; returns its folder."""
    folder = places.root / "run"
    events = [change(event) for event in read_journal(folder).events]
    (folder / EVENTS).write_bytes(sealed(events, 0, together=False)[0])
    return folder


def settled(places: Places) -> Path:
    """The run, as if it had begun with these very images and models; returns its folder."""
    begun_with = places.config().model_dump(mode="json")

    def change(event: ev.Event) -> ev.Event:
        if isinstance(event, ev.RunStarted):
            return event.model_copy(update={"config": begun_with})
        return event

    return rewrite(places, change)


def test_another_llm_is_for_a_fork(places: Places) -> None:
    parent = settled(places)
    change_a_file(places.llm / "model.safetensors")
    write_fork(parent, 1, places.root / "same")
    refused = drive(LocalSession.resume(places.root / "same"))
    assert refused.status == "failed" and "the LLM" in refused.error
    write_fork(parent, 1, places.root / "other", [f"llm.model={places.llm}"])
    assert drive(LocalSession.resume(places.root / "other")).status == "finished"
    loaded = read_state(places.root / "other").models
    assert loaded.llm_revision == identify(str(places.llm))


def test_a_run_of_a_sweep_is_refused_by_itself(places: Places) -> None:
    folder = settled(places)
    add_images(places)
    jobs = [Job("run", places.config(), folder), Job("new", places.config(), places.root / "new")]
    ended = {finished.job.name: finished for finished in LocalBackend().run(jobs)}
    assert ended["run"].status == "failed" and "11 test images in place of 9" in ended["run"].error
    assert ended["new"].status == "finished"


def test_a_screen_is_told_and_the_ways_out_work_from_it(places: Places) -> None:
    folder = settled(places)
    shutil.move(places.images, places.root / "elsewhere")
    places.images.mkdir()
    for colour in COLOURS:
        for split, shade in (("train", 100), ("test", 0)):
            places.paint(f"{split}/{colour}_cup/0.png", colour, shade)
    told = screen(folder, {})
    assert told.status == "failed" and "3 test images in place of 9" in told.error
    assert screen(folder, {"data.path": str(places.root / "elsewhere")}).status == "finished"


def screen(folder: Path, places: dict[str, str]) -> RunState:
    session = RemoteSession.of_new_engine(folder, "screen", places=places)
    session.start()
    assert session.wait(120)
    session.close()
    return session.state


def test_steer_is_of_the_runs_own_llm(
    places: Places, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = settled(places)
    change_a_file(places.llm / "model.safetensors")
    texts = ["--positive", "a dark <category>", "--negative", "a <category>"]
    monkeypatch.setattr("sys.argv", ["glov", "steer", str(folder), *texts])
    with pytest.raises(SystemExit) as end:
        cli.main()
    said = capsys.readouterr().err
    assert end.value.code == 2 and "the LLM that is there now" in said and "Traceback" not in said


def test_resume_takes_places_from_the_command_line(
    places: Places, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    said = [part for place in moved(places) for part in ("--set", place)]
    folder = str(places.root / "run")
    monkeypatch.setattr("sys.argv", ["glov", "resume", folder, *said, "--set", "seed=1"])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 2 and "seed can't change" in capsys.readouterr().err
    monkeypatch.setattr("sys.argv", ["glov", "resume", folder, "--headless", "--json", *said])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 0, capsys.readouterr().err
    assert json.loads(capsys.readouterr().out)["status"] == "finished"


def test_versions_that_differ_are_a_warning(places: Places) -> None:
    def change(event: ev.Event) -> ev.Event:
        if not isinstance(event, ev.ModelsLoaded):
            return event
        weights = event.vlm_weights.replace("fp32", "fp16")
        versions = {**event.versions, "torch": "1.0"}
        return event.model_copy(update={"versions": versions, "vlm_weights": weights})

    rewrite(places, change)
    state = resume(places)
    assert state.status == "finished", state.error
    (said,) = [line.text for line in state.log if "not as this run was loaded before" in line.text]
    assert "torch 1.0 -> " in said and "precision of the VLM fp16 -> fp32" in said


def test_what_may_be_set_when_a_run_is_taken_up(places: Places) -> None:
    config = places.config()
    found = read_places(config, ["llm.device=cpu", "vlm.image_batch=7"])
    assert found == {"llm.device": "cpu", "vlm.image_batch": 7}
    for wrong, words in (
        ("steps=5", r"taken up; a fork can have it: glov fork my-run --at-step N --set steps=5\. "),
        (
            "data.name=a b",
            r"taken up; a new run can have it: glov run CONFIG --set data.name='a b'",
        ),
        ("seed=3", "seed can't change"),
        ("steering.alpha=1", "can't change"),
        ("llm.devise=cpu", "no such key"),
        ("vlm.image_batch=0", "vlm.image_batch"),
    ):
        with pytest.raises(ConfigError, match=words):
            read_places(config, [wrong], "my-run")


def test_models_are_told_apart_by_their_files(tmp_path: Path) -> None:
    folder = shutil.copytree(WEIGHTS / "llm", tmp_path / "llm")
    first = identify(str(folder))
    assert first == identify(str(WEIGHTS / "llm")) and first.startswith("files ")
    (folder / "README.md").write_text("another text")
    (folder / ".lock").write_text("")
    assert identify(str(folder)) == first
    config = folder / "config.json"
    config.write_text(config.read_text() + " ")
    assert identify(str(folder)) != first
    large = tmp_path / "large.gguf"
    with large.open("wb") as file:
        file.truncate(3 * WHOLE_BYTES)
    empty = identify(str(large))
    with large.open("r+b") as file:  # training changes practically all weights
        file.seek(WHOLE_BYTES)
        file.write(b"\1" * WHOLE_BYTES)
    assert identify(str(large)) != empty
    assert identify("nobody/has-this-model", files=["config.json"]) == ""


def test_a_commit_of_the_hub_is_an_identity(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = "0123456789abcdef0123456789abcdef01234567"
    repository = tmp_path / "models--someone--model"
    (repository / "snapshots" / commit).mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit)
    (repository / "snapshots" / commit / "config.json").write_text("{}")
    look = functools.partial(huggingface_hub.try_to_load_from_cache, cache_dir=tmp_path)
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", look)
    assert identify("someone/model", files=["config.json"]) == f"commit {commit}"


def test_a_run_that_is_not_there_can_not_be_forked_with_new_data(places: Places) -> None:
    with pytest.raises(UserError, match="data.shots can't change"):
        write_fork(places.root / "run", 1, places.root / "fork", ["data.shots=2"])
