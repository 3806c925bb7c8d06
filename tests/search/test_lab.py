"""The steering lab: what its experiments find, and that a run never notices them."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from engine.common.errors import ModelError
from engine.config import SamplingConfig
from engine.llm.transformers_llm import LocalLLM
from engine.run import events as ev
from engine.run.commands import EndExperiment, MakeEdit, Pause, Resume, RunExperiment, Stop
from engine.run.edits import SetOption
from engine.run.experiment import CompareSettings, Finding, ReadLens, ScanSettings, SteeringSetting
from engine.run.state import RunState
from engine.search.lab import Subject, run_experiment
from engine.steering.modes import MODES
from engine.vlm.dual_encoder.task import TASK
from tests.support.findings import cells_of
from tests.support.patience import CEILING_SECONDS
from tests.support.tiny_llm import tiny_model, tiny_tokenizer
from tests.support.watching import Watch, facts, finish, is_kind, is_token, start

OFF = SteeringSetting(mode="off", layers=(), alpha=0)
ON = SteeringSetting(layers=(2,), alpha=1.5)


@cache
def subject() -> Subject:
    return Subject(
        llm=LocalLLM("tiny", tiny_model("llama-gqa-tied"), tiny_tokenizer()),
        messages=({"role": "user", "content": "Write a template."},),
        sampling=SamplingConfig(max_new_tokens=8, temperature=1.2),
        positive="a photo of a <category>.",
        negative="<category>?",
        task=TASK,
    )


def found(experiment) -> tuple[list[ev.ExperimentProgress], list[Finding]]:
    events = list(run_experiment(experiment, subject()))
    assert not any(event.is_fact for event in events)
    return events, [e.found for e in events if e.found is not None]


def test_without_steering_on_both_sides_nothing_differs():
    progress, (compared,) = found(CompareSettings(left=OFF, right=OFF, replies=3))
    assert compared.left == compared.right
    assert all(kl == 0 for reply in compared.left for kl in reply.kl)
    assert len({reply.text for reply in compared.left}) == 3
    assert progress[-1].done == progress[-1].total == 16


@pytest.mark.parametrize("mode", MODES)
def test_both_sides_draw_with_the_same_numbers(mode):
    weak = ON.model_copy(update={"mode": mode, "alpha": 1e-7})
    strong = ON.model_copy(update={"mode": mode, "alpha": 3.0})
    _, (compared,) = found(CompareSettings(left=OFF, right=weak, replies=3))
    assert [r.text for r in compared.left] == [r.text for r in compared.right]
    _, (compared,) = found(CompareSettings(left=OFF, right=strong, replies=3))
    assert [r.text for r in compared.left] != [r.text for r in compared.right]
    assert all(reply.kl[0] > 0 for reply in compared.right)


def test_another_seed_is_another_experiment_and_the_same_seed_the_same():
    one, same, other = (
        found(CompareSettings(left=OFF, right=ON, replies=2, seed=seed))[1] for seed in (1, 1, 2)
    )
    assert one[0].right == same[0].right
    assert one[0].right != other[0].right


def test_the_grid_has_a_cell_for_each_layer_and_alpha():
    scan = ScanSettings(setting=ON, layers=(0, 2), alphas=(0.0, 1.0, 4.0), replies=2)
    progress, cells = found(scan)
    assert [(cell.layer, cell.alpha) for cell in cells] == [
        (layer, alpha) for layer in (0, 2) for alpha in (0.0, 1.0, 4.0)
    ]
    by_alpha = cells[:3]
    assert by_alpha[0].kl == 0 and by_alpha[0].kl < by_alpha[1].kl < by_alpha[2].kl
    assert all(cell.fluency < 0 and cell.accuracy is None for cell in cells)
    assert progress[-1].done == progress[-1].total


def test_fitness_needs_a_run_and_layers_must_exist():
    # A random LLM writes no template, so there is nothing to score.
    found(ScanSettings(setting=ON, layers=(0,), alphas=(1.0,), replies=1, fitness=True))
    with pytest.raises(ModelError, match=r"steering\.layers has 9, but tiny has .* 0 to 3"):
        found(CompareSettings(left=OFF, right=ON.model_copy(update={"layers": (9,)})))


def test_the_lens_has_every_layer():
    _, (read,) = found(ReadLens())
    assert [lens.layer for lens in read.layers] == [0, 1, 2, 3]
    assert all(len(lens.raised) == 10 for lens in read.layers)


# -- on a run --------------------------------------------------------------------------------------

EXPERIMENTS = (
    CompareSettings(left=OFF, right=SteeringSetting(layers=(3,), alpha=0.5), replies=2),
    ScanSettings(
        setting=SteeringSetting(layers=(3,)),
        layers=(1, 3),
        alphas=(0.5,),
        replies=2,
        fitness=True,
    ),
    ReadLens(),
)


def lab_ended(n: int):
    seen = 0

    def when(event: ev.Event) -> bool:
        nonlocal seen
        seen += isinstance(event, ev.ExperimentEnded)
        return seen == n

    return when


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> tuple[Path, RunState]:
    folder = tmp_path_factory.mktemp("lab") / "whole"
    return folder, finish(start(folder, Watch()))


def test_the_lab_leaves_the_run_bit_identical(tmp_path, undisturbed):
    watch = Watch()
    watch.at(is_token(7, step=2), Pause(), *(RunExperiment(experiment=e) for e in EXPERIMENTS))
    session = start(tmp_path / "run", watch)
    watch.wait_for_many(ev.ExperimentEnded, len(EXPERIMENTS))
    # Queued together, each one ends the one before it; so once more, one after another.
    for n, experiment in enumerate(EXPERIMENTS, len(EXPERIMENTS) + 1):
        session.send(RunExperiment(experiment=experiment))
        watch.wait_for_many(ev.ExperimentEnded, n)
        ended = [e for e in watch.seen if isinstance(e, ev.ExperimentEnded)]
        assert ended[-1].problem is None
    lab = session.state.experiment
    assert lab.lens and not lab.running
    cells = cells_of(watch.seen)
    assert cells and all(0 <= cell.accuracy <= 1 for cell in cells if cell.templates)
    session.send(Resume())
    state = finish(session)
    folder, whole = undisturbed
    assert facts(tmp_path / "run") == facts(folder)
    assert state.ranking == whole.ranking
    assert "experiment" not in (tmp_path / "run" / "events.jsonl").read_text()


def test_the_lab_works_only_while_paused_and_once_there_are_anchors(tmp_path):
    watch = Watch()
    watch.at(is_kind(ev.StepStarted, 1), RunExperiment(experiment=EXPERIMENTS[0]))
    watch.at(lab_ended(1), Pause(), RunExperiment(experiment=EXPERIMENTS[0]), Stop())
    session = start(tmp_path / "run", watch)
    assert session.wait(CEILING_SECONDS)
    problems = [e.problem for e in watch.seen if isinstance(e, ev.ExperimentEnded)]
    assert "while the run is paused" in problems[0]
    assert "no P+ and P- yet" in problems[1]


@pytest.mark.parametrize("command", [EndExperiment(), Resume()])
def test_an_experiment_can_be_given_up_and_edits_are_obeyed_meanwhile(tmp_path, command):
    watch = Watch()
    long = CompareSettings(left=OFF, right=EXPERIMENTS[0].right, replies=8)
    watch.at(is_token(3, step=2), Pause(), RunExperiment(experiment=long))
    edit = MakeEdit(edit=SetOption(key="steering.alpha", value=0.25))
    watch.at(is_kind(ev.ExperimentProgress), edit)
    watch.at(is_kind(ev.Edited), command)
    session = start(tmp_path / "run", watch)
    watch.wait_for(is_kind(ev.ExperimentEnded))
    ended = next(e for e in watch.seen if isinstance(e, ev.ExperimentEnded))
    assert ended.problem == "ended before it was done"
    session.send(Resume())
    assert finish(session).edits[0].edit == edit.edit
