"""A comparison of runs as plain data for ``--json``, and in words what its numbers can't show."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from typing_extensions import TypedDict

from engine.analysis.compare import (
    Block,
    Comparison,
    Estimate,
    Group,
    IntervalKind,
    PairedTest,
    Report,
)
from engine.common.record import Count, Difference, Interval, Positive, Share, SignedInterval
from engine.common.statistics import EXACT_PAIRS, SAMPLED_PATTERNS
from engine.common.wording import counted
from engine.storage.run_record import METRICS, Metric, RunNumbers, RunRecord
from engine.sweeps.over_seeds import SpreadFacts, spread_facts

LEVEL = 0.05
"""The p below which people speak of significance."""


class EstimateFacts(SpreadFacts):
    """One metric over the runs of a group, with its 95 % interval."""

    interval: Interval | None
    interval_kind: IntervalKind | None  # over seeds, or over the images of a single run


class GroupFacts(TypedDict):
    """Runs that differ in nothing but the seed."""

    group: str
    values: dict[str, Any]  # of the keys in which groups differ
    seeds: list[int]
    unfinished: Count  # runs whose numbers are those so far
    metrics: dict[Metric, EstimateFacts | None]
    runs: list[RunNumbers]


class PairFacts(TypedDict):
    """Differences group less baseline over pairs of the same seed and data."""

    pairs: Positive
    difference: Difference  # mean
    interval: SignedInterval | None
    p: Share  # two-sided sign-flip permutation test
    p_holm: Share  # corrected for all comparisons on the same data
    smallest_p: Share  # the least that these pairs could have given
    exact: bool  # all sign patterns were looked at
    differences: list[Difference]


class ComparisonFacts(TypedDict):
    """One group against its baseline."""

    group: str
    baseline: str
    blocks: Positive  # data sets and shots that the pairs come from
    metrics: dict[Metric, PairFacts | None]  # null: no seed that both have finished


class BlockFacts(TypedDict):
    """One data set with one number of shots."""

    dataset: str
    fingerprint: str  # of files and splits
    shots: Positive
    labelled_classes: Count | None  # null: all
    train_images: Count
    test_images: Count
    groups: list[GroupFacts]
    comparisons: list[ComparisonFacts]


class LeftOut(TypedDict):
    """A run that could not be compared."""

    folder: str
    reason: str


class ReportFacts(TypedDict):
    """A whole comparison."""

    blocks: list[BlockFacts]
    pooled: list[ComparisonFacts]  # over all blocks that have both groups
    left_out: list[LeftOut]
    notes: list[str]  # what the numbers rest on, and what they can't show


def notes(report: Report) -> list[str]:
    """Sentences on what the numbers rest on and what they can't show.

    They name groups and folders, whose text comes from journals: clean before showing.
    """
    found: list[str] = []
    groups = [group for block in report.blocks for group in block.groups]
    for block in report.blocks:
        where = f" on {title(block)}" if len(report.blocks) > 1 else ""
        single = [group.name for group in block.groups if len(group.runs) == 1]
        if single:
            found.append(
                f"one run each{where}: {'; '.join(single)}. One run has no spread over seeds: "
                "its intervals are of its images (Wilson), and its area has none"
            )
        if not block.comparisons and len(block.groups) > 1:
            found.append(f"no group{where} has the baseline's values: nothing is tested there")
    found += [note for block in report.blocks for note in _several_keys(block)]
    for group in groups:
        found += [_unfinished(run) for run in group.runs if not run.finished]
    comparisons = [*(c for block in report.blocks for c in block.comparisons), *report.pooled]
    found += _on_pairs(comparisons)
    if comparisons:
        found.append(
            "p (Holm) is corrected for all comparisons on the same data, not for looking at "
            f"{len(report.metrics)} metrics"
        )
    return list(dict.fromkeys(found))


def title(block: Block) -> str:
    """A block on one line: data set, shots, images."""
    labelled = (
        ""
        if block.labelled_classes is None
        else f", {counted(block.labelled_classes, 'class', 'classes')}"
    )
    return (
        f"{block.name}, {counted(block.shots, 'shot')}{labelled} "
        f"({block.train_images} training and {counted(block.test_images, 'test image')})"
    )


def _unfinished(run: RunRecord) -> str:
    return (
        f"{run.folder} is not finished ({run.status} after {run.steps_done} of "
        f"{counted(run.config.steps, 'step')}): its numbers are those so far, and no test uses them"
    )


def _several_keys(block: Block) -> list[str]:
    by_name = {group.name: group.values for group in block.groups}
    found = []
    for comparison in block.comparisons:
        ours, theirs = by_name[comparison.group], by_name[comparison.baseline]
        keys = [key for key in ours if key in theirs and ours[key] != theirs[key]]
        if len(keys) > 1:
            found.append(
                f"{comparison.group} and {comparison.baseline} differ in {' and '.join(keys)}: "
                "what makes the difference can't be told"
            )
    return found


def _on_pairs(comparisons: Iterable[Comparison]) -> list[str]:
    found = []
    few: set[int] = set()
    sampled, ties = 0, False
    for comparison in comparisons:
        tests = [test for test in comparison.tests.values() if test]
        pairs = [len(test.differences) for test in tests]
        ties = ties or any(
            2.0 ** (1 - len(test.differences)) < LEVEL <= test.test.smallest for test in tests
        )
        if not pairs:
            found.append(
                f"{comparison.group} and {comparison.baseline} have no seed in common that both "
                "have finished: no paired test"
            )
        few |= {n for n in pairs if 2.0 ** (1 - n) >= LEVEL}
        sampled = max([sampled, *(n for n in pairs if n > EXACT_PAIRS)])
    needed = next(n for n in range(1, 60) if 2.0 ** (1 - n) < LEVEL)
    for n in sorted(few):
        found.append(
            f"{counted(n, 'pair')} can't show a difference at p < {LEVEL}, however "
            f"large: the smallest two-sided p of a sign-flip test is then {2.0 ** (1 - n):.4g}. "
            f"It takes {needed} pairs or more"
        )
    if ties:
        found.append(
            f"pairs that tie say nothing: where fewer than {needed} differ, p can't get below "
            f"{LEVEL}"
        )
    if sampled:
        found.append(
            f"tests of more than {EXACT_PAIRS} pairs look at {SAMPLED_PATTERNS:,} random sign "
            "patterns, always the same ones, in place of all"
        )
    return found


def as_dict(report: Report) -> ReportFacts:
    """The whole comparison as plain data; what is not known is None."""
    return {
        "blocks": [_block(block) for block in report.blocks],
        "pooled": [_comparison(comparison) for comparison in report.pooled],
        "left_out": [{"folder": str(path), "reason": why} for path, why in report.left_out],
        "notes": notes(report),
    }


def _block(block: Block) -> BlockFacts:
    return {
        "dataset": block.name,
        "fingerprint": block.fingerprint,
        "shots": block.shots,
        "labelled_classes": block.labelled_classes,
        "train_images": block.train_images,
        "test_images": block.test_images,
        "groups": [_group(group) for group in block.groups],
        "comparisons": [_comparison(comparison) for comparison in block.comparisons],
    }


def _estimate(estimate: Estimate | None) -> EstimateFacts | None:
    if estimate is None:
        return None
    return {
        **spread_facts(estimate.spread),
        "interval": list(estimate.interval) if estimate.interval else None,
        "interval_kind": estimate.kind,
    }


def _group(group: Group) -> GroupFacts:
    return {
        "group": group.name,
        "values": group.values,
        "seeds": [run.config.seed for run in group.runs],
        "unfinished": group.unfinished,
        "metrics": {metric: _estimate(group.estimate(metric)) for metric in METRICS},
        "runs": [run.as_dict() for run in group.runs],
    }


def _comparison(comparison: Comparison) -> ComparisonFacts:
    def plain(test: PairedTest | None) -> PairFacts | None:
        if test is None:
            return None
        return {
            "pairs": len(test.differences),
            "difference": test.spread.mean,
            "interval": list(test.interval) if test.interval else None,
            "p": test.test.p,
            "p_holm": test.holm,
            "smallest_p": test.test.smallest,
            "exact": test.test.exact,
            "differences": list(test.differences),
        }

    return {
        "group": comparison.group,
        "baseline": comparison.baseline,
        "blocks": comparison.blocks,
        "metrics": {metric: plain(test) for metric, test in comparison.tests.items()},
    }
