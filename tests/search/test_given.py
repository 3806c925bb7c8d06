"""The baselines without a search: S-TEMP and DS-TEMP, as runs like others."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from engine.common.errors import ConfigError
from engine.common.kept import Kept
from engine.config.toml_file import load_config
from engine.data.demo_world.vocabulary import TASKS
from engine.run import events as ev
from engine.run.commands import MakeEdit, Stop
from engine.run.edits import BanTemplate
from engine.run.result import summarise
from engine.run.state import RunState
from engine.search.begun import as_begun
from engine.search.registry import SEARCHES, next_question
from engine.session.config_check import check_config
from engine.session.loading import load_search
from engine.session.local import LocalSession
from engine.storage.fork import write_fork
from engine.sweeps.grid import make_grid, parse_axis
from tests.support.small_runs import demo, drive, outcome

BASELINES = [kind for kind, search in SEARCHES.items() if not search.asks]
NO_LLM = "llm.model=nobody/has-this"
SEED = "a photo of a <category>."


def baseline(kind: str, *overrides: str):
    return demo(f"search.kind={kind}", NO_LLM, *overrides)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, kept: Kept) -> dict[str, RunState]:
    """A run of each baseline to its end, and its folder by ``state.run``."""
    folder = tmp_path_factory.mktemp("runs")
    return {
        kind: drive(LocalSession.create(baseline(kind), folder / kind, kept=kept))
        for kind in BASELINES
    }


@pytest.mark.parametrize("kind", BASELINES)
def test_a_baseline_ends_without_an_llm_and_without_steps(done, kind: str) -> None:
    state = done[kind]
    assert state.status == "finished", state.error
    assert state.config.steps == 0 and not state.steps
    result = summarise(state)
    assert result["search"] == kind
    assert result["models"] == {"llm": None, "vlm": "clip"}
    assert next_question(state) == ()
    assert not any("can make no difference" in line.text for line in state.log)
    assert any(line.text.endswith("clip is ready") for line in state.log)


def test_s_temp_is_the_seed_template(done) -> None:
    tests = {t.subject: (t.templates, t.hits) for t in done["s-temp"].tests}
    assert {templates for templates, _ in tests.values()} == {(SEED,)}
    assert len({hits for _, hits in tests.values()}) == 1
    assert [t.text for t in done["s-temp"].templates] == [SEED]


def test_ds_temp_is_all_templates_of_the_data_set_in_one_ensemble(done, kept: Kept) -> None:
    state = done["ds-temp"]
    given = state.config.search.templates
    assert len(given) > 1 and given[0] == SEED
    assert [t.origin for t in state.templates] == ["seed"] + ["listed"] * (len(given) - 1)
    measured = state.test("ensemble")
    assert measured.templates == given
    search = load_search(state.config, lambda *_: None, lambda _: None, kept=kept)
    work = search.fitness.score_ensemble(given, split="test")
    while True:
        try:
            next(work)
        except StopIteration as finished:
            assert measured.hits == finished.value.hits
            break
    assert state.test("best").templates == (state.ranking[0].text,)


def test_stopped_among_its_templates_it_goes_on_and_ends_the_same(
    done, run_folder: Path, tmp_path: Path, kept: Kept
) -> None:
    def stop(event: ev.Event, _state: RunState) -> None:
        if isinstance(event, ev.TemplateScored) and event.origin == "listed":
            session.send(Stop())

    session = LocalSession.create(baseline("ds-temp"), run_folder, stop, kept)
    assert drive(session).status == "stopped"
    assert drive(LocalSession.resume(run_folder, kept=kept)).status == "finished"
    whole = tmp_path / "whole"
    drive(LocalSession.create(baseline("ds-temp"), whole, kept=kept))
    assert outcome(run_folder) == outcome(whole)


def test_a_fork_with_steps_is_told_that_there_are_none(
    run_folder: Path, tmp_path: Path, kept: Kept
) -> None:
    parent = tmp_path / "parent"
    drive(LocalSession.create(baseline("s-temp"), parent, kept=kept))
    write_fork(parent, 0, run_folder, ["steps=3"])
    state = drive(LocalSession.resume(run_folder, kept=kept))
    assert state.status == "finished" and not state.steps
    assert any(line.text.startswith("steps can make no difference") for line in state.log)


def test_a_banned_template_is_not_in_the_ensemble(run_folder: Path, kept: Kept) -> None:
    def ban(event: ev.Event, state: RunState) -> None:
        if isinstance(event, ev.TestMeasured) and event.subject == "seed":
            key = next(t.key for t in state.templates if t.origin == "listed")
            session.send(MakeEdit(edit=BanTemplate(key=key, banned=True)))

    session = LocalSession.create(baseline("ds-temp"), run_folder, ban, kept)
    state = drive(session)
    assert state.banned
    assert len(state.test("ensemble").templates) == len(state.config.search.templates) - 1


@pytest.mark.parametrize("name", TASKS)
def test_each_demo_set_has_templates_of_its_own(name: str) -> None:
    config = as_begun(baseline("ds-temp", f"data.dataset=demo-{name}"))
    templates = config.search.templates
    assert 1 < len(set(templates)) == len(templates)


@pytest.mark.parametrize("spelling", ["{}", "{c}", "<category>", "{ }"])
def test_listed_templates_may_spell_the_placeholder_as_others_do(spelling: str) -> None:
    config = as_begun(baseline("ds-temp", f'search.templates=["a {spelling}.", "the {spelling}."]'))
    assert config.search.templates == ("a <category>.", "the <category>.")


def test_what_can_be_no_template_is_said_before_a_run_begins() -> None:
    with pytest.raises(ConfigError, match=r"search.templates has 'a dog'; it needs the placehold"):
        check_config(baseline("ds-temp", 'search.templates=["a dog"]'))
    with pytest.raises(
        ConfigError, match=r"search.templates are what ds-temp ensembles, and search.kind is glov"
    ):
        demo('search.templates=["a {}"]')


WITHOUT = {
    "ucf101": r"no templates for ucf101: no package that glov reads has any, but http",
    "cub-200": r"cub-200: no package that glov reads has any. They can be listed in search",
}


@pytest.mark.parametrize("name", WITHOUT)
def test_a_data_set_without_templates_says_what_to_do(name: str) -> None:
    config = load_config("clip-paper", [f"data.dataset={name}", "search.kind=ds-temp"])
    with pytest.raises(ConfigError, match=WITHOUT[name]):
        check_config(config)


def test_questions_have_no_templates_of_openai() -> None:
    overrides = ["search.kind=ds-temp", "data.dataset=eurosat"]
    with pytest.raises(ConfigError, match=r"vlm.kind is encoder-decoder. They can be listed"):
        check_config(load_config("llava-paper", overrides))
    listed = check_config(load_config("llava-paper", [*overrides, 'search.templates=["What?"]']))
    assert listed.search.templates == ("What?",)


@pytest.fixture
def clip_benchmark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package of that name, which can't be imported, with a file of templates."""
    folder = tmp_path / "site" / "clip_benchmark"
    (folder / "datasets").mkdir(parents=True)
    for package in (folder, folder / "datasets"):
        (package / "__init__.py").write_text("raise ImportError('it imports torch')")
    file = folder / "datasets" / "en_zeroshot_classification_templates.json"
    file.write_text(json.dumps({"pets": ["a {c}, a pet.", "the {c}"]}))
    monkeypatch.syspath_prepend(str(folder.parent))
    return file


PETS = ("clip-paper", ["data.dataset=oxford-pets", "search.kind=ds-temp"])


def test_clip_benchmarks_file_is_read_and_none_of_its_code(clip_benchmark: Path) -> None:
    templates = check_config(load_config(*PETS)).search.templates
    assert templates == ("a <category>, a pet.", "the <category>")


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"pets": []}', '{"pets": [1]}', '{"pets": 1}']
)
def test_another_clip_benchmark_is_named(clip_benchmark: Path, content: str) -> None:
    clip_benchmark.write_text(content)
    with pytest.raises(ConfigError, match=r"json has none; this clip-benchmark is another"):
        check_config(load_config(*PETS))


def test_without_clip_benchmark_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [])  # whatever is installed here
    sys.path_importer_cache.clear()
    with pytest.raises(ConfigError, match=r"pip install --no-deps clip-benchmark"):
        check_config(load_config(*PETS))


def test_imagenets_templates_come_from_open_clip_without_importing_it() -> None:
    code = (
        "import sys\n"
        "from engine.config.toml_file import load_config\n"
        "from engine.session.config_check import check_config\n"
        "c = check_config(load_config('clip-paper', ['data.dataset=imagenet-v2', "
        "'search.kind=ds-temp']))\n"
        "t = c.search.templates\n"
        "print(len(t), len(set(t)), all(x.count('<category>') == 1 for x in t), "
        "'torch' in sys.modules, 'open_clip' in sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.split() == ["80", "80", "True", "False", "False"]


def test_a_grid_makes_one_run_of_what_makes_no_difference_to_a_baseline() -> None:
    axes = ["search.kind=s-temp,glov", "steering.alpha=0.25,0.5", "steps=1,2"]
    grid = make_grid("demo", [], map(parse_axis, axes))
    kinds = [cell.config.search.kind for cell in grid.cells]
    assert (kinds.count("s-temp"), kinds.count("glov")) == (1, 4)
    assert grid.cells[0].config.steps == 0
