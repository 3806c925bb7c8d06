"""What the runs of a table ask for, counted by hand, and how long that takes."""

from __future__ import annotations

from engine.sweeps.tables.costs import Amount, Speeds, cost_facts, seconds_of
from engine.sweeps.tables.plan import wanted
from engine.sweeps.tables.proposal import amounts, planned_facts, propose
from engine.sweeps.tables.table import tables

EUROSAT = (10, 8_100)  # classes, test images


def amounts_of(tmp_path, table: str, methods: list[str], seeds: list[int], *overrides: str):
    asked = wanted(
        tables()[table], datasets=["eurosat"], methods=methods, seeds=seeds, overrides=overrides
    )
    return amounts(propose(asked, tmp_path / "t"))


def test_a_search_with_clip_is_counted(tmp_path) -> None:
    amount, another = amounts_of(tmp_path, "1", ["glov"], [0])
    classes, test = EUROSAT
    assert amount == Amount(
        runs=1,
        steps=100,
        steered_steps=100,
        templates=1001,
        tokens=100 * 10 * 50,
        images=classes + test,
        texts=(1001 + 1 + 1 + 3) * classes,
    )
    assert another == Amount(**{**_fields(amount), "images": 0})  # they are read already


def test_images_are_read_once_for_all_runs_on_a_data_set(tmp_path) -> None:
    amount, another = amounts_of(tmp_path, "1", ["s-temp", "llm-opt", "unsteered", "glov"], [0, 1])
    assert (amount.runs, another.runs) == (7, 3)
    assert amount.images == sum(EUROSAT)
    assert (amount.steps, amount.steered_steps) == (600, 200)
    assert another.tokens == 3 * 50_000


def test_a_seed_template_alone_costs_its_texts(tmp_path) -> None:
    amount, another = amounts_of(tmp_path, "1", ["s-temp"], [0])
    assert (amount.tokens, amount.steps, amount.templates) == (0, 0, 1)
    assert amount.texts == (1 + 3) * EUROSAT[0]  # trained, and as seed, best and ensemble
    assert another == Amount()


def test_answers_of_an_encoder_decoder_are_counted(tmp_path) -> None:
    amount, _ = amounts_of(tmp_path, "2", ["glov"], [0])
    classes, test = EUROSAT
    assert amount.texts == 0
    assert amount.train_answers == (1 + 25 * 5) * classes
    assert amount.test_answers == (1 + 3) * test  # the best is one of the three
    every, _ = amounts_of(tmp_path, "2", ["glov"], [0], "evaluation.every=10")
    assert every.test_answers == (1 + 3 + 2 * 3) * test


def test_answers_to_the_seed_question_are_kept_for_other_runs(tmp_path) -> None:
    amount, another = amounts_of(tmp_path, "2", ["s-temp", "glov"], [0])
    classes, test = EUROSAT
    assert amount.test_answers == (1 + 3) * test
    assert amount.train_answers == (1 + 25 * 5) * classes
    assert another.test_answers == 3 * test
    anew, _ = amounts_of(tmp_path, "2", ["s-temp", "glov"], [0], "vlm.cache=false")
    assert anew.test_answers == (1 + 1 + 3) * test


def test_time_is_the_sum_of_what_is_asked_for() -> None:
    amount = Amount(steps=3, steered_steps=1, images=10, texts=100, train_answers=7, test_answers=2)
    speeds = Speeds(
        loading=5.0,
        image=0.5,
        text=0.01,
        train_answer=1.0,
        test_answer=3.0,
        step=20.0,
        steered_step=30.0,
    )
    assert seconds_of(amount, speeds) == 2 * 20 + 30 + 5 + 1 + 7 + 6
    facts = cost_facts(amount, Amount(steps=1), speeds)
    assert facts["seconds"] == 5 + 89 and facts["another_seed_seconds"] == 20
    assert cost_facts(amount, amount, None)["seconds"] is None


def test_what_is_missing_costs_as_what_is_here(tmp_path) -> None:
    asked = wanted(tables()["1"])
    facts = planned_facts(propose(asked, tmp_path / "t"), None, "no models")
    assert len(facts["missing"]) == 16
    assert facts["cost"]["tokens"] == 16 * 3 * 50_000
    assert facts["cost"]["images"] > 200_000
    assert facts["not_measured"] == "no models"


def _fields(amount: Amount) -> dict[str, int]:
    return {name: getattr(amount, name) for name in Amount.__dataclass_fields__}
