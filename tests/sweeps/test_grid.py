"""Grids: what the command line may say, and the cells that gives."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.common.errors import ConfigError
from engine.sweeps.grid import Axis, format_value, make_grid, parse_axis


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("steering.alpha=0.25,0.5,1", (0.25, 0.5, 1)),
        ("steering.mode=last-token,off", ("last-token", "off")),
        ("seed=0:5", (0, 1, 2, 3, 4)),
        ("seed=7,0:10:4,3", (7, 0, 4, 8, 3)),
        ("steering.layers=[3,4],5,auto", ([3, 4], 5, "auto")),
        ("proposal.task='a, b',\"c, \\\"d\",it's e", ("a, b", 'c, "d', "it's e")),
        ("steering.alphas=[[1,2],['],',3]]", ([[1, 2], ["],", 3]],)),
        ("vlm.cache=true,false", (True, False)),
        ("llm.device=cuda:0,cuda:1", ("cuda:0", "cuda:1")),
        ('seed_template="0:5"', ("0:5",)),
    ],
)
def test_values_are_read_as_set_reads_them(text: str, values: tuple) -> None:
    assert parse_axis(text) == Axis(text.partition("=")[0], values)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("steering.alpha", "KEY=VALUE"),
        ("=1", "KEY=VALUE"),
        ("seed=", "KEY=VALUE"),
        ("seed=1,,2", "before or after one of the commas"),
        ("seed=1,", "before or after one of the commas"),
        ("seed=5:5", "is empty"),
        ("seed=0:9:0", "step of 0"),
        ("seed=0:99999999999", "more than 10,000 values"),
        ("seed=1,0:2", "1 is there twice"),
        ("steering.layers=[1,2", "not closed"),
        ("steering.layers=1],2", "closed twice"),
        ("proposal.task='a,b", "the quote '"),
        ("name=a,b", "makes no difference"),
    ],
)
def test_what_is_wrong_with_an_axis_is_said(text: str, expected: str) -> None:
    with pytest.raises(ConfigError, match=expected):
        parse_axis(text)


plain_values = st.one_of(
    st.integers(-1000, 1000),
    st.floats(-1e6, 1e6, allow_nan=False),
    st.booleans(),
    st.lists(st.integers(0, 99), max_size=4),
    st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=12),
)


@given(st.lists(plain_values, min_size=1, max_size=5, unique_by=format_value))
def test_quoted_values_come_back(values: list) -> None:
    import json

    text = ",".join(map(json.dumps, values))  # JSON of these is TOML
    assert parse_axis(f"key={text}").values == tuple(values)


def test_cells_are_every_combination_with_folders_named_after_them() -> None:
    grid = make_grid("demo", ["steps=3"], map(parse_axis, ["steering.layers=[3,4],5", "seed=0:2"]))
    assert [cell.folder for cell in grid.cells] == [
        "layers=3+4,seed=0",
        "layers=3+4,seed=1",
        "layers=5,seed=0",
        "layers=5,seed=1",
    ]
    assert [cell.config.steering.layers for cell in grid.cells] == [(3, 4), (3, 4), (5,), (5,)]
    assert {cell.config.steps for cell in grid.cells} == {3}
    assert not grid.notes


def test_folder_names_stay_apart_and_within_the_sweeps_folder() -> None:
    tasks = ["../a", ".. a", "x" * 300, "x" * 299 + "y"]
    grid = make_grid("demo", [], [Axis("proposal.task", tuple(tasks))])
    folders = [cell.folder for cell in grid.cells]
    assert len(set(folders)) == 4
    assert all("/" not in name and len(name) < 200 for name in folders)


def test_steering_off_is_run_once_whatever_the_other_steering_keys() -> None:
    axes = ["steering.alpha=0.25,0.5", "steering.mode=last-token,off", "seed=0:2"]
    grid = make_grid("demo", [], map(parse_axis, axes))
    assert len(grid.cells) == 6
    off = [cell for cell in grid.cells if cell.config.steering.mode == "off"]
    assert [cell.values for cell in off] == [
        {"steering.mode": "off", "seed": 0},
        {"steering.mode": "off", "seed": 1},
    ]
    assert "steering.alpha can make no difference: 6 runs in place of 8" in grid.notes[0]


@pytest.mark.parametrize(
    ("axes", "expected"),
    [
        (["steering.alpa=1,2"], "did you mean steering.alpha.*found with steering.alpa=1"),
        (["seed=0:3", "steps=2,-1"], "steps = -1.*found with seed=0, steps=-1"),
        (["data.dataset=demo-cabinet,nothing"], "not registered"),
        (["seed=0:2", "seed=3"], "seed is there twice"),
        (["steering.alpha=1,1.0"], "are the same run"),
        (["seed=0:200", "steps=1:200"], "39,800 runs"),
    ],
)
def test_a_wrong_cell_is_found_before_anything_runs(axes: list[str], expected: str) -> None:
    with pytest.raises(ConfigError, match=f"(?s){expected}"):
        make_grid("demo", [], map(parse_axis, axes))


def test_keys_that_a_search_does_not_use_make_no_cells() -> None:
    axes = ["search.kind=glov,random,llm-opt", "steering.alpha=0.25,0.5", "proposal.examples=2,5"]
    grid = make_grid("demo", [], map(parse_axis, axes))
    kinds = [cell.config.search.kind for cell in grid.cells]
    assert [kinds.count(kind) for kind in ("glov", "random", "llm-opt")] == [4, 1, 2]
    assert grid.cells[4].values == {"search.kind": "random"}
    assert "7 runs in place of 12" in grid.notes[0]
