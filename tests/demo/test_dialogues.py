"""The synthetic dialogues that the tiny LLM is trained on."""

import random
from statistics import fmean

import pytest

from engine.config import SteeringConfig
from engine.data.demo_world.vocabulary import TASKS, named_values
from engine.demo.training.dialogues import (
    ideal_phrases,
    imagine_run,
    make_dialogue,
    random_phrases,
)
from engine.demo.training.simulate import RandomProposer, WorldFitness, simulate, standard_world
from engine.demo.training.wordings import TEMPLATES
from engine.demo.training.worlds import random_world
from engine.prompts.reply import parse_reply
from engine.prompts.template import normalise


def dialogues(n: int, replies: int = 1):
    rng = random.Random(5)
    return [make_dialogue(rng, replies) for _ in range(n)]


def test_the_same_seed_gives_the_same_dialogues() -> None:
    assert dialogues(20, 2) == dialogues(20, 2)


def test_messages_are_a_meta_prompt_of_the_engine() -> None:
    for dialogue in dialogues(50):
        *system, user = dialogue.messages
        assert [m["role"] for m in system] in ([], ["system"])  # edited away in a few
        assert user["role"] == "user"
        assert "Best templates of this run" in user["content"]
        assert " -> " in user["content"]


def test_replies_parse_as_they_are_and_repeat_no_example() -> None:
    for dialogue in dialogues(100, 2):
        shown = {
            normalise(line.split(". ", 1)[1].rsplit(" -> ", 1)[0])
            for line in dialogue.messages[-1]["content"].splitlines()
            if " -> " in line
        }
        for reply in dialogue.replies:
            assert parse_reply(reply).template == reply
            assert reply.count("<category>") == 1
            assert reply.endswith(".")
            assert normalise(reply) not in shown


def test_step_zero_and_late_steps_both_occur() -> None:
    worst = ["Worst templates" in d.messages[-1]["content"] for d in dialogues(100)]
    assert True in worst
    assert False in worst


def test_no_world_is_that_of_a_demo_task() -> None:
    rng = random.Random(0)
    for _ in range(2000):
        world = random_world(rng)
        for task in TASKS.values():
            assert any(world.right.get(f) != task.factors[f] for f in task.informative)


def test_the_demo_descriptions_tell_nothing_about_the_replies() -> None:
    rng = random.Random(1)
    task = TASKS["cabinet"]
    named = [
        named_values(reply).get("light")
        for d in (make_dialogue(rng, 2) for _ in range(500))
        if task.description in d.messages[-1]["content"]
        for reply in d.replies
    ]
    lights = [value for value in named if value is not None]
    assert len(lights) > 40
    share = lights.count(task.factors["light"]) / len(lights)
    assert share < 0.45  # one of four values


def test_templates_that_name_right_values_score_higher() -> None:
    rng = random.Random(2)
    better = []
    for _ in range(100):
        world = random_world(rng)
        ideal = world.expected(ideal_phrases(world, rng, []))
        guess = fmean(world.expected(random_phrases(rng)) for _ in range(10))
        better.append(ideal > guess)
    assert fmean(better) > 0.95


def test_imagined_runs_start_with_one_seed_template_and_hold_no_template_twice() -> None:
    rng = random.Random(3)
    for _ in range(30):
        run, _ = imagine_run(random_world(rng), rng)
        assert run[0].first.step == 0
        assert len({t.key for t in run}) == len(run)
        assert all(0 <= t.hits <= t.n for t in run)


def test_world_fitness_reads_the_phrases_back_from_the_text() -> None:
    rng = random.Random(4)
    for i in range(30):
        world = standard_world(rng)
        phrases = random_phrases(rng, naming=0.9)
        text = TEMPLATES.render(phrases, rng, finished=True)
        score = next_result(WorldFitness(world, i).score_ensemble([text], split="test"))
        assert score.accuracy == pytest.approx(world.expected(phrases), abs=0.03)


def test_a_random_proposer_improves_on_the_seed_template() -> None:
    world = standard_world(random.Random(0))
    outcome = simulate(RandomProposer(), world, 0, SteeringConfig(mode="off"), steps=5)
    assert outcome.parsed == 1
    assert outcome.ensemble > world.base


def next_result(generator):
    while True:
        try:
            next(generator)
        except StopIteration as finished:
            return finished.value
