"""A table of written runs: ours beside the paper's, means, and what differs."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.sweeps.sweep import Sweep, open_sweep
from engine.sweeps.tables.plan import plan_table, wanted
from engine.sweeps.tables.report import TableFacts, markdown, table_facts
from engine.sweeps.tables.table import tables
from tests.support.written_runs import TEST_IMAGES, write_run

DATASETS = ["eurosat", "dtd"]
METHODS = ["s-temp", "unsteered", "glov"]
# Hits of 960 by data set, method and seed; DTD's last run is not there.
HITS = {
    ("eurosat", "s-temp", 0): 336,
    ("eurosat", "unsteered", 0): 432,
    ("eurosat", "unsteered", 1): 480,
    ("eurosat", "glov", 0): 480,
    ("eurosat", "glov", 1): 528,
    ("dtd", "s-temp", 0): 384,
    ("dtd", "unsteered", 0): 384,
    ("dtd", "unsteered", 1): 384,
    ("dtd", "glov", 0): 432,
}


@pytest.fixture
def sweep(tmp_path: Path) -> Sweep:
    asked = wanted(tables()["1"], datasets=DATASETS, methods=METHODS, seeds=[0, 1])
    sweep = open_sweep(tmp_path / "t", plan_table(asked))
    for (dataset, method, seed), hits in HITS.items():
        folder = sweep.folder / f"{dataset},{method},seed={seed}"
        write_run(folder, f"seed={seed}", ensemble=hits, dataset=dataset)
    return sweep


def facts_of(sweep: Sweep, *overrides: str, failed: dict[str, str] | None = None) -> TableFacts:
    records, _ = sweep.records()
    return table_facts(tables()["1"], sweep, records, failed or {}, "finished", overrides)


def cell(facts: TableFacts, dataset: str, method: str):
    row = next(row for row in facts["rows"] if row["dataset"] == dataset)
    return next(cell for cell in row["cells"] if cell["method"] == method)


def test_ours_stands_beside_the_papers(sweep: Sweep) -> None:
    facts = facts_of(sweep)
    assert facts["methods"] == METHODS and facts["seeds"] == [0, 1]
    assert [row["title"] for row in facts["rows"]] == ["DTD", "EuroSAT"]  # as in the paper
    glov = cell(facts, "eurosat", "glov")
    assert glov["ours"]["mean"] == pytest.approx((480 + 528) / 2 / TEST_IMAGES)
    assert glov["ours"]["runs"] == glov["planned"] == 2
    assert glov["paper"] == 50.8
    assert cell(facts, "dtd", "glov")["ours"]["runs"] == 1
    text = markdown(facts)
    assert text.startswith("# Table 1: CLIP ViT-B/32")
    assert "| 52.5 ± 3.5 (50.8) |" in " ".join(text.split())
    assert "45.0, 1 of 2 runs (42.6)" in text
    assert "over the seeds 0, 1" in text


def test_means_are_over_data_sets_of_which_all_methods_have_a_number(sweep: Sweep) -> None:
    facts = facts_of(sweep)
    assert facts["complete"] == 2
    means = {mean["method"]: mean for mean in facts["means"]}
    assert means["s-temp"]["ours"] == pytest.approx((0.35 + 0.4) / 2)
    assert means["glov"]["paper"] == pytest.approx((50.8 + 42.6) / 2)
    assert "| mean of 2 " in markdown(facts)
    (sweep.folder / "dtd,glov,seed=0" / "events.jsonl").unlink()
    facts = facts_of(sweep)
    assert facts["complete"] == 1
    assert cell(facts, "dtd", "glov")["ours"] is None
    assert {mean["method"]: mean["ours"] for mean in facts["means"]}["s-temp"] == 0.35
    assert "mean of" not in markdown(facts)  # of one it says nothing new
    assert "| - (42.6) |" in " ".join(markdown(facts).split())


def test_what_differs_is_said(sweep: Sweep) -> None:
    facts = facts_of(sweep, "steps=50", failed={"dtd,glov,seed=1": "no memory"})
    said = "\n".join(facts["differences"])
    assert "set otherwise than in the preset clip-paper: steps=50" in said
    assert "scored by clip" in said and "proposed by llm" in said
    assert "ImageNet" not in said
    assert "- dtd,glov,seed=1 failed: no memory" in markdown(facts)


def test_it_is_markdown_whose_columns_stand_below_each_other(sweep: Sweep) -> None:
    lines = [line for line in markdown(facts_of(sweep)).splitlines() if line.startswith("|")]
    assert len({len(line) for line in lines}) == 1
    assert len({line.count("|") for line in lines}) == 1
    assert set(lines[1]) <= set("|-: ")


def test_imagenets_variants_and_resisc45_have_their_notes(tmp_path: Path) -> None:
    datasets = ["imagenet-v2", "resisc45"]
    asked = wanted(tables()["1"], datasets=datasets, methods=["s-temp"])
    sweep = open_sweep(tmp_path / "t", plan_table(asked))
    for name in datasets:
        folder = sweep.folder / f"{name},s-temp,seed=0"
        write_run(folder, f"data.dataset={name}", dataset=name)
    said = "\n".join(facts_of(sweep)["differences"])
    assert "found on ImageNet's training images, as in the paper" in said
    assert "RESISC45's split is not the paper's" in said
