"""The step of a search on the shipped models: GLOV, which does all of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from engine.common.errors import ModelError
from engine.run import events as ev
from engine.run.edits import SetNextPrompt
from engine.run.emitting import one_by_one
from engine.search.proposing import derive_seed
from engine.vlm.interface import Fitness
from tests.support.steps import begin, comparable, of, run


def test_equal_seeds_give_equal_facts_and_other_seeds_do_not(demo_models) -> None:
    first = comparable(run(demo_models("seed=1"), 2)[1])
    again = comparable(run(demo_models("seed=1"), 2)[1])
    other = comparable(run(demo_models("seed=2"), 2)[1])
    assert first == again
    assert first != other


def test_a_step_asks_reads_scores_and_ranks(demo_models) -> None:
    state, facts = run(demo_models(), 3)
    assert state.status == "finished" and state.steps_done == 3
    prompts = of(facts, ev.MetaPromptComposed)
    assert len(prompts[0].best) == 1 and not prompts[0].worst  # the seed alone
    assert not set(prompts[-1].best) & set(prompts[-1].worst)
    assert [m["role"] for m in prompts[0].messages] == ["system", "user"]
    assert "a photo of a <category>." in prompts[0].messages[1]["content"]
    proposed = of(facts, ev.CandidateProposed)
    assert len(proposed) >= 30
    new = [c.template for c in proposed if c.outcome == "new"]
    scored = [t.template for t in of(facts, ev.TemplateScored)]
    assert scored == ["a photo of a <category>.", *new]
    assert all("<category>" in text for text in scored)
    accuracies = [t.accuracy for t in state.ranking]
    assert accuracies == sorted(accuracies, reverse=True)


def test_anchors_move_only_on_a_new_best_and_steering_starts_then(demo_models) -> None:
    _, facts = run(demo_models("seed=3"), 6)
    best = None
    anchors = None
    for event in facts:
        if isinstance(event, ev.TemplateScored) and event.origin == "seed":
            best = event.hits
        elif isinstance(event, ev.AnchorsMoved):
            anchors = (event.positive, event.negative)
        elif isinstance(event, ev.SteeringPrepared):
            assert anchors == (event.positive, event.negative)
            assert len(event.norms) == len(event.ratios)
            assert all(norm > 0 for norm in event.norms)
        elif isinstance(event, ev.StepFinished):
            hits = max(t.hits for t in of(facts[: facts.index(event)], ev.TemplateScored))
            moved = [e for e in of(facts, ev.AnchorsMoved) if e.step == event.step]
            assert bool(moved) == (hits > best)
            best = max(best, hits)
    steered = {e.step for e in of(facts, ev.SteeringPrepared)}
    first = of(facts, ev.AnchorsMoved)[0].step
    assert steered == set(range(first + 1, 7))


def test_steering_off_never_reads_hidden_states(demo_models) -> None:
    _, facts = run(demo_models("steering.mode=off"), 3)
    assert not of(facts, ev.SteeringPrepared)


def test_too_few_new_templates_are_asked_for_again_up_to_the_limit(demo_models) -> None:
    search = demo_models(
        "proposal.candidates=3",
        "proposal.min_new=3",
        "proposal.attempts=3",
        "steps=8",
        "sampling.temperature=0",  # three equal replies: never three new ones
    )
    state, facts = run(search, 1)
    retried = of(facts, ev.StepRetried)
    assert [e.attempt for e in retried] == [1, 2, 3]
    assert of(facts, ev.StepFinished)[0].attempts == 3
    said = [line.text for line in state.log if "new template" in line.text]
    assert [text.endswith("asking again") for text in said] == [True, True, False]
    assert said[-1].endswith("no attempt is left")


def test_at_temperature_0_a_retry_is_another_question(demo_models) -> None:
    greedy = (
        "proposal.candidates=3",
        "proposal.min_new=3",
        "proposal.attempts=3",
        "sampling.temperature=0",
    )
    _, facts = run(demo_models(*greedy), 1)
    asked = [e.messages[-1]["content"] for e in of(facts, ev.MetaPromptComposed)]
    replies = {e.attempt: e.reply for e in of(facts, ev.CandidateProposed)}
    assert len(set(asked)) == 3
    assert replies[1] not in asked[0]
    assert asked[1].count(f"- {replies[1]}\n") == 1 and asked[1].startswith(asked[0])
    assert f"- {replies[1]}\n- {replies[2]}\n" in asked[2]
    warm = [option.replace("temperature=0", "temperature=0.01") for option in greedy]
    _, facts = run(demo_models(*warm), 1)
    asked = [e.messages for e in of(facts, ev.MetaPromptComposed)]
    assert len(asked) > 1 and len({str(messages) for messages in asked}) == 1


def test_at_temperature_0_a_prompt_of_ones_own_is_not_asked_twice(demo_models) -> None:
    options = ("proposal.candidates=2", "proposal.min_new=2", "sampling.temperature=0")
    search = demo_models(*options)
    state = begin(search)
    for event in one_by_one(search.begin(state)):
        state = state.apply(event)
    edit = SetNextPrompt(system="", user="Write a template with <category>.")
    state = state.apply(ev.Edited(number=1, step=1, edit=edit))
    for event in one_by_one(search.step(state)):
        state = state.apply(event)
    assert state.steps[0].attempts == 1
    assert any("the same question gets the same replies" in line.text for line in state.log)


def test_a_repeated_template_is_scored_once_and_keeps_its_provenance(demo_models) -> None:
    search = demo_models("sampling.temperature=0", "proposal.candidates=4")
    state, facts = run(search, 1)
    assert [c.outcome for c in of(facts, ev.CandidateProposed)].count("duplicate") == 3
    assert len(of(facts, ev.TemplateScored)) == 2  # the seed and one
    assert len(state.templates[1].again) == 3


@dataclass
class Watched:
    """The real fitness; remembers which splits were asked for and when."""

    inner: Fitness
    asked: list[tuple[str, int]] = field(default_factory=list)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def score(self, templates, *, split):
        self.asked.append((split, len(templates)))
        return self.inner.score(templates, split=split)

    def score_ensemble(self, templates, *, split):
        self.asked.append((f"{split} ensemble", len(templates)))
        return self.inner.score_ensemble(templates, split=split)


def test_the_search_never_sees_the_test_split(demo_models) -> None:
    search = demo_models()
    watched = Watched(search.fitness)
    search.fitness = watched
    run(search, 2)
    assert watched.asked[0] == ("train", 1)
    assert watched.asked[1] == ("test ensemble", 1)  # the baseline
    assert {split for split, _ in watched.asked[2:-2]} == {"train"}
    assert watched.asked[-2:] == [("test ensemble", 1), ("test ensemble", 3)]


def test_closing_between_two_tokens_drops_the_step_and_leaves_no_trace(demo_models) -> None:
    whole, _facts = run(demo_models("seed=1"), 3)
    search = demo_models("seed=1")
    state = begin(search)
    for part in (search.begin, search.step, search.step):
        for event in one_by_one(part(state)):
            state = state.apply(event)
    step = search.step(state)
    for event in one_by_one(step):
        if isinstance(event, ev.TokensStreamed):
            break
    step.close()
    for part in (search.step, search.finish):
        for event in one_by_one(part(state)):
            state = state.apply(event)
    assert state.ranking == whole.ranking
    assert state.tests[-1].hits == whole.tests[-1].hits


def test_seeds_differ_for_every_place_in_a_run() -> None:
    seeds = {
        derive_seed(run, step, attempt, i)
        for run in range(3)
        for step in range(20)
        for attempt in range(1, 3)
        for i in range(10)
    }
    assert len(seeds) == 3 * 20 * 2 * 10
    assert derive_seed(0, 1, 1, 0) == derive_seed(0, 1, 1, 0)
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_a_layer_that_the_llm_lacks_is_named(demo_models) -> None:
    with pytest.raises(ModelError, match=r"steering\.layers = \[99\]: the LLM has"):
        demo_models("steering.layers=99")
