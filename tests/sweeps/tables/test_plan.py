"""Which runs a table has, and what is said of what is missing or wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.common.errors import ConfigError, UserError
from engine.sweeps.sweep import open_sweep
from engine.sweeps.tables.plan import (
    Wanted,
    method_of,
    missing_datasets,
    missing_templates,
    plan_table,
    wanted,
)
from engine.sweeps.tables.proposal import propose
from engine.sweeps.tables.table import METHODS, tables
from tests.support.miniatures import write


def demo(**options) -> Wanted:
    return wanted(tables()["demo"], **options)


def table_1(*overrides: str, **options) -> Wanted:
    return wanted(tables()["1"], overrides=overrides, **options)


def test_a_table_is_its_methods_on_its_data_sets_for_each_seed() -> None:
    grid = plan_table(demo(seeds=[3, 5]))
    runs = {(c.config.data.dataset, method_of(c.values), c.config.seed) for c in grid.cells}
    assert len(runs) == len(grid.cells) == 4 * (2 + 4 * 2)
    assert ("demo-funfair", "glov", 5) in runs and ("demo-cabinet", "s-temp", 0) in runs
    assert {seed for _, method, seed in runs if method == "ds-temp"} == {0}
    by_method = {method_of(c.values): c.config for c in grid.cells}
    assert by_method["unsteered"].steering.mode == "off"
    assert by_method["glov"].steering.mode == "last-token"
    assert by_method["glov"].evaluation.select == "top"
    assert by_method["ours"].evaluation.select == "greedy"
    assert by_method["llm-opt"].search.kind == "llm-opt"
    assert len(by_method["ds-temp"].search.templates) > 1
    assert {config.data.shots for config in by_method.values()} == {1}


def test_each_method_is_told_by_its_values() -> None:
    for name, method in METHODS.items():
        assert method_of({"data.dataset": "x", **method.settings, "seed": 1}) == name
    assert method_of({"data.dataset": "x", "search.kind": "random", "seed": 1}) == ""


def test_table_1_has_the_papers_settings(tmp_path: Path) -> None:
    write("imagenet-v2", tmp_path)
    overrides = (f"data.path={tmp_path}",)
    grid = plan_table(table_1(*overrides, datasets=["imagenet-v2"]))
    config = next(c.config for c in grid.cells if method_of(c.values) == "glov")
    assert (config.steps, config.proposal.candidates, config.data.shots) == (100, 10, 1)
    assert (config.steering.layers, config.evaluation.select) == ((17,), "top")
    assert config.vlm.model == "ViT-B-32-quickgelu"
    templates = next(c.config for c in grid.cells if method_of(c.values) == "ds-temp").search
    assert len(templates.templates) == 80


def test_table_2_has_the_papers_questions() -> None:
    asked = wanted(tables()["2"], datasets=["eurosat"])
    assert missing_templates(asked) == {}
    config = {method_of(c.values): c.config for c in plan_table(asked).cells}
    assert set(config) == {"s-temp", "unsteered", "glov"}
    assert config["glov"].vlm.answer == "embedding"
    assert (config["glov"].steps, config["s-temp"].steps) == (25, 0)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"datasets": ["eurosta"]}, "--datasets 'eurosta'.*did you mean 'eurosat'"),
        ({"datasets": ["image-folder"]}, "--datasets 'image-folder': there is none"),
        ({"datasets": ["dtd", "dtd"]}, "--datasets: dtd is there twice"),
        ({"methods": ["glv"]}, "--methods 'glv'.*did you mean 'glov'"),
        ({"methods": ["glov", "glov"]}, "--methods: glov is there twice"),
        ({"seeds": [1, 1]}, "--seeds: 1 is there twice"),
        ({"overrides": ["seed=1"]}, "--set seed=1: the runs of a table differ in seed"),
        ({"overrides": ["data.dataset=dtd"]}, "differ in data.dataset; choose with --datasets"),
        ({"overrides": ["search.kind=glov"]}, "differ in search.kind"),
        ({"overrides": ["steps"]}, "write it as key.path=value"),
    ],
)
def test_what_a_table_does_not_have_is_named(options: dict, expected: str) -> None:
    with pytest.raises(ConfigError, match=expected):
        wanted(tables()["1"], **options)


def test_a_wrong_setting_is_named_before_anything_runs() -> None:
    with pytest.raises(ConfigError, match="steering.alfa"):
        plan_table(demo(overrides=["steering.alfa=1"]))


def test_data_sets_that_are_not_here_are_all_named(tmp_path: Path) -> None:
    path = f"data.path={tmp_path}"
    assert missing_datasets(table_1(path)) == list(tables()["1"].datasets)
    write("oxford-pets", tmp_path)
    asked = table_1(path, datasets=["oxford-pets", "imagenet-r"])
    assert missing_datasets(asked) == ["imagenet", "imagenet-r"]  # its prompts are found there
    assert missing_datasets(table_1(path, datasets=["oxford-pets"])) == []
    assert missing_datasets(demo()) == []
    assert missing_datasets(table_1("data.source=hub", datasets=["dtd"])) == []
    proposal = propose(table_1(path, datasets=["ucf101"], methods=["ds-temp"]), tmp_path / "t")
    assert not proposal.can_start
    assert "glov datasets ucf101" in proposal.problem()
    assert "DS-TEMP has no templates for ucf101" in proposal.problem()
    assert proposal.grid.cells == ()  # the rest of what is asked for


def test_templates_that_are_given_are_taken() -> None:
    templates = {"ucf101": ("a photo of a person {}.",)}
    asked = table_1(datasets=["ucf101"], methods=["ds-temp"], templates=templates)
    assert missing_templates(asked) == {}
    (cell,) = plan_table(asked).cells
    assert cell.config.search.templates == ("a photo of a person <category>.",)


def test_a_table_grows_and_keeps_what_it_has(tmp_path: Path) -> None:
    one = plan_table(demo(datasets=["demo-cabinet"], methods=["glov"], seeds=[0]))
    two = plan_table(demo(datasets=["demo-funfair"], methods=["glov", "s-temp"], seeds=[0, 1]))
    folder = tmp_path / "t"
    open_sweep(folder, one, grows=True)
    names = [job.name for job in open_sweep(folder, two, grows=True).jobs]
    assert names == [cell.folder for cell in (*one.cells, *two.cells)]
    assert [job.name for job in open_sweep(folder, one, grows=True).jobs] == names
    other = demo(datasets=["demo-cabinet"], methods=["glov"], seeds=[0], overrides=["steps=9"])
    with pytest.raises(UserError, match=r"demo-cabinet,glov,seed=0 with another.*steps was 4 and"):
        propose(other, folder)
    with pytest.raises(UserError, match="holds a sweep over"):
        open_sweep(folder, one)


def test_glov_and_unsteered_are_one_with_an_llm_on_a_server() -> None:
    served = ["llm.kind=openai", "llm.model=some-model"]
    with pytest.raises(ConfigError, match="glov and unsteered are the same"):
        plan_table(demo(overrides=served, methods=["unsteered", "glov"]))
    grid = plan_table(demo(overrides=served, methods=["s-temp", "glov"], seeds=[0]))
    assert len(grid.cells) == 8


def test_a_table_has_no_more_runs_than_a_sweep() -> None:
    with pytest.raises(ConfigError, match="would have 216,000 runs; 10,000 is the most"):
        demo(seeds=range(9000))


def test_names_that_are_not_there_are_said_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match="'EuroSAT': .*; did you mean 'eurosat'. There are demo"):
        demo(datasets=["EuroSAT"])
    with pytest.raises(ConfigError, match="'zzz': there is none of that name; there are s-temp"):
        demo(methods=["zzz"])


def test_a_folder_that_can_not_be_written_is_said_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    for folder in (Path("/proc/x"), tmp_path / "file", tmp_path / "file" / "x"):
        with pytest.raises(UserError, match="a table can't be written there.*--sweep-dir"):
            propose(demo(), folder)
    propose(demo(), tmp_path / "new" / "table")
    assert not (tmp_path / "new").exists()
