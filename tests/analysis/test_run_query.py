"""What a query of the list of runs finds, and what it says where it is wrong."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from engine.analysis.listed_run import ListedRun
from engine.analysis.run_query import parse_query, sort_runs, without_unfinished
from engine.common.errors import ConfigError
from engine.run.state import RunState

NOW = time.time()
RUNS = [
    ListedRun(
        Path("runs/demo-9"),
        "running",
        done=3,
        planned=20,
        dataset="demo-cabinet",
        vlm="ViT-B-32",
        llm="org/Llama-3-8B",
        seed=1,
        train_accuracy=0.9375,
        last_event=NOW - 30,
    ),
    ListedRun(
        Path("runs/demo-10"),
        "finished",
        done=20,
        planned=20,
        dataset="dtd",
        vlm="llava-hf/llava-1.5",
        train_accuracy=0.5,
        ensemble_test_accuracy=0.62,
        last_event=NOW - 90_000,
    ),
    ListedRun(Path("runs/broken"), "damaged", problem="line 2"),
    ListedRun(
        Path("runs/modes"), "finished", is_sweep=True, dataset="dtd, eurosat", last_event=NOW - 7200
    ),
    ListedRun(Path("runs/soft"), "paused", parent="demo-9", dataset="dtd", last_event=NOW - 60),
]


def found(query: str) -> list[str]:
    wanted = parse_query(query)
    return [run.name for run in RUNS if wanted.holds(run)]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", ["demo-9", "demo-10", "broken", "modes", "soft"]),
        ("DEMO", ["demo-9", "demo-10"]),
        ("demo -cabinet", ["demo-10"]),
        ("state:running", ["demo-9"]),
        ("state:run,PAUSED", ["demo-9", "soft"]),
        ("status:finished data:dtd", ["demo-10", "modes"]),
        ("-state:finished", ["demo-9", "broken", "soft"]),
        ("data:eurosat", ["modes"]),
        ("model:llama", ["demo-9"]),
        ("vlm:llama", []),
        ("vlm:llava*", ["demo-10"]),
        ("name:*-9", ["demo-9"]),
        ("best>60", ["demo-9"]),
        ("best:<=50%", ["demo-10"]),
        ("best=93.8", ["demo-9"]),
        ("test>=62", ["demo-10"]),
        ("age<90min", ["demo-9", "soft"]),
        ("age>1d", ["demo-10"]),
        ("step:3", ["demo-9"]),
        ("seed=1", ["demo-9"]),
        ("kind:sweep", ["modes"]),
        ("is:fork", ["soft"]),
        ("parent:demo", ["soft"]),
        ('"demo-9"', ["demo-9"]),
        ("--data:eurosat", ["modes"]),
        ("-" * 4000 + "data:eurosat", ["modes"]),  # a ruler that was pasted
        ("nothing", []),
    ],
)
def test_words_and_forms(query: str, names: list[str]) -> None:
    assert found(query) == names


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("stat:running", "stat: there is no such key; is it state?"),
        ("colour:red", "Keys: state, name, data, model"),
        ("state:runing", "state:runing: there is no such state. States: running, paused"),
        ("state:", "what is to come after it? States: running"),
        ("best>high", "best>high: high is no number. As in best>50"),
        ("best>nan", "is no number"),
        ("age<soon", "write an age as 30min, 2h or 7d"),
        ("age<1.2.3h", "write an age as"),
        ("data>3", "data is no number; write data:3"),
        ("kind:zoo", "a row is a run, sweep or fork"),
        ('"open', "a quote is not closed"),
    ],
)
def test_what_is_wrong_is_said(query: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_query(query)
    assert said in str(caught.value)


def test_orders() -> None:
    assert [run.name for run in sort_runs(RUNS, "newest")] == [
        *("demo-9", "soft", "modes", "demo-10", "broken")
    ]
    assert [run.name for run in sort_runs(RUNS, "best")][:2] == ["demo-9", "demo-10"]
    names = [run.name for run in sort_runs(RUNS, "name")]
    assert names == ["broken", "demo-9", "demo-10", "modes", "soft"]


@pytest.mark.parametrize(
    ("typed", "rest"),
    [
        ("b", ""),
        ("clip be", "clip"),
        ("clip -be", "clip"),
        ("clip -", "clip"),
        ("BEST", ""),
        ("clip fork", "clip"),
        ("clip best ", None),  # it is done
        ("clip", None),
        ("best>8", None),
        ("", None),
        ("a\\ be", None),
    ],
)
def test_a_word_that_may_become_a_form(typed: str, rest: str | None) -> None:
    assert without_unfinished(typed) == rest


def test_what_loads_is_a_state_and_ages_pass() -> None:
    loading = ListedRun(Path("new"), "running", state=RunState())
    bare = ListedRun(Path("newer"), "running")
    assert [parse_query("state:load").holds(run) for run in (loading, bare)] == [True, False]
    assert all(parse_query("state:running").holds(run) for run in (loading, bare))
    assert parse_query("clip -age<2h").is_timed and not parse_query("clip best>2").is_timed
