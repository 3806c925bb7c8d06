"""Runs side by side: groups over seeds, each with its spread, and paired tests against a baseline.

Runs that differ in nothing but the seed are a group. Groups are compared within a *block*, one
data set with one number of shots, and across blocks only by pooled pairs. Journals are all that
is read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from engine.common.errors import ConfigError, JournalError
from engine.common.intervals import wilson_interval
from engine.common.statistics import SignFlip, Spread, holm, sign_flip_test, spread
from engine.config import RunConfig
from engine.config.toml_file import parse_value, with_value
from engine.search.unused import is_unused
from engine.storage.run_record import METRICS, PROBABILITY_OF, Metric, RunRecord, read_record
from engine.sweeps.grid import describe, format_value
from engine.sweeps.over_seeds import OverSeeds

# What makes a block, or is told by its data set's fingerprint; a run's name makes no difference.
_NO_GROUP_KEYS = (
    *("name", "seed", "data.dataset", "data.path", "data.options", "data.test_fraction"),
    *("llm.api_key_env", "llm.timeout", "llm.retries"),
    *("llm.price_in", "llm.price_out", "llm.max_cost"),
)
_BLOCK_KEYS = ("data.shots", "data.labelled_classes")
# Data sets come with their own: differences matter only between runs on the same data set.
_DATASET_TEXTS = ("data.name", "data.description", "search.templates")

IntervalKind = Literal["student", "wilson"]
"""Student's t over seeds, or Wilson's over the images of a single run."""


@dataclass(frozen=True)
class Estimate:
    """One metric of a group, from 0 to 1, with its 95 % interval; None where there can be none."""

    spread: Spread
    interval: tuple[float, float] | None
    kind: IntervalKind | None


@dataclass(frozen=True)
class Group(OverSeeds):
    """Runs that differ in nothing but the seed and in whether a person edited them."""

    edited: str = ""  # the folder of one that was, which is then the only one

    @property
    def name(self) -> str:
        """What tells it from others, on one line."""
        return super().name + (f" (edited by hand: {self.edited})" if self.edited else "")

    @property
    def unfinished(self) -> int:
        """Number of runs whose numbers are those so far."""
        return sum(not run.finished for run in self.runs)

    def estimate(self, metric: Metric) -> Estimate | None:
        """The metric over the runs that have it; None where none has."""
        found = self.spread(metric)
        if found is None:
            return None
        if found.interval is not None:
            low, high = found.interval
            return Estimate(found, (max(0.0, low), min(1.0, high)), "student")
        having = [run for run in self.runs if run.values[metric] is not None]
        images = having[0].images.get(metric)
        if found.n > 1 or images is None:
            return Estimate(found, None, None)
        return Estimate(found, wilson_interval(*images), "wilson")


@dataclass(frozen=True)
class PairedTest:
    """Differences group - baseline over pairs of runs. ``holm`` is p corrected for all others."""

    differences: tuple[float, ...]
    spread: Spread
    test: SignFlip
    holm: float

    @property
    def interval(self) -> tuple[float, float] | None:
        """95 % interval of the mean difference, -1 to 1; None where they have no spread."""
        if self.spread.interval is None:
            return None
        low, high = self.spread.interval
        return max(-1.0, low), min(1.0, high)


@dataclass(frozen=True)
class Comparison:
    """One group against its baseline; a metric without a finished pair is None.

    ``blocks`` is the number of blocks that the pairs come from.
    """

    group: str
    baseline: str
    tests: dict[Metric, PairedTest | None]
    blocks: int = 1


@dataclass(frozen=True)
class Block:
    """One data set with one number of shots: its groups and how they compare."""

    name: str
    fingerprint: str
    shots: int
    labelled_classes: int | None
    train_images: int
    test_images: int
    groups: tuple[Group, ...]
    comparisons: tuple[Comparison, ...] = ()


@dataclass(frozen=True)
class Report:
    """Everything that ``glov compare`` says. ``left_out`` has folders and reasons."""

    blocks: tuple[Block, ...]
    pooled: tuple[Comparison, ...]
    left_out: tuple[tuple[Path, str], ...]

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Those that any run has; the mean probability of the true class is not of all runs."""
        runs = [run for block in self.blocks for group in block.groups for run in group.runs]
        has = {metric for run in runs for metric, value in run.values.items() if value is not None}
        return tuple(m for m in METRICS if m in has or m not in PROBABILITY_OF.values())


def read_records(folders: Iterable[Path]) -> tuple[list[RunRecord], list[tuple[Path, str]]]:
    """Read each run once; those that can't be read, or have no result yet, with the reason."""
    records, left_out = [], []
    seen: set[Path] = set()
    for folder in folders:
        if folder.resolve() in seen:
            continue
        seen.add(folder.resolve())
        try:
            record = read_record(folder)
        except JournalError as error:
            left_out.append((folder, str(error)))
            continue
        if record.models is None or not record.images:
            left_out.append((folder, f"it has no result yet ({record.error or record.status})"))
        else:
            records.append(record)
    return records, left_out


def compare(
    records: Sequence[RunRecord],
    baseline: Sequence[str] = (),
    left_out: Sequence[tuple[Path, str]] = (),
) -> Report:
    """Group runs and test the groups against a baseline.

    Args:
        records: runs that have a result, in the order to show them.
        baseline: ``key=value`` that the baseline groups have; without any, the groups with
            steering off, else the first group.
        left_out: runs that could not be read, to be told with those left out here.

    Raises:
        ConfigError: if no group, or every group, has the baseline's values.
    """
    kept, repeated = _distinct(records)
    blocks = _blocks(kept)
    compared, pooled = _compared(blocks, _baseline_rule(blocks, baseline))
    return Report(
        blocks=tuple(compared),
        pooled=tuple(pooled),
        left_out=(*left_out, *repeated),
    )


# -- groups --------------------------------------------------------------------------------


def _flat(config: RunConfig) -> dict[str, Any]:
    """Values by dotted key, without keys that make no difference."""
    result: dict[str, Any] = {}
    for key, value in config.model_dump(mode="json").items():
        if isinstance(value, dict):
            result |= {f"{key}.{name}": inner for name, inner in value.items()}
        else:
            result[key] = value
    return {key: value for key, value in result.items() if not is_unused(config, key)}


def _block_key(run: RunRecord) -> tuple[Any, ...]:
    assert run.models is not None
    data = run.config.data
    return run.models.dataset_fingerprint, data.shots, data.labelled_classes


def _identity(run: RunRecord) -> tuple[Any, ...]:
    """Equal for runs that would have ended alike, but for the seed."""
    flat = _flat(run.config)
    values = {key: format_value(value) for key, value in flat.items() if key not in _NO_GROUP_KEYS}
    # What a person did to one run was not done to another.
    edited = str(run.folder.resolve()) if run.edited else ""
    return (*_block_key(run), edited, tuple(values.items()))


def _distinct(
    records: Sequence[RunRecord],
) -> tuple[list[RunRecord], list[tuple[Path, str]]]:
    """One run of each seed of a group: the one that got furthest."""
    kept: dict[tuple[Any, ...], RunRecord] = {}
    left_out = []
    for run in records:
        key = (*_identity(run), run.config.seed)
        other = kept.get(key)
        if other is None:
            kept[key] = run
            continue
        better = (run.finished, run.steps_done) > (other.finished, other.steps_done)
        first, second = (run, other) if better else (other, run)
        kept[key] = first
        left_out.append(
            (second.folder, f"{first.folder} has the same configuration, data and seed")
        )
    return list(kept.values()), left_out


def _varying(records: Sequence[RunRecord]) -> list[str]:
    """Keys in which groups differ; texts of data sets only where runs on one of them do."""
    flats = [(_block_key(run), _flat(run.config)) for run in records]
    keys = dict.fromkeys(key for _, flat in flats for key in flat)
    result = []
    for key in keys:
        if key in _NO_GROUP_KEYS or key in _BLOCK_KEYS:
            continue
        seen: dict[tuple[Any, ...], set[str]] = {}
        for block, flat in flats:
            if key in flat:
                block = block if key in _DATASET_TEXTS else ()
                seen.setdefault(block, set()).add(format_value(flat[key]))
        if any(len(values) > 1 for values in seen.values()):
            result.append(key)
    return result


def _blocks(records: Sequence[RunRecord]) -> list[Block]:
    keys = _varying(records)
    by_block: dict[tuple[Any, ...], dict[tuple[Any, ...], list[RunRecord]]] = {}
    for run in records:
        groups = by_block.setdefault(_block_key(run), {})
        groups.setdefault(_identity(run), []).append(run)
    blocks = []
    for (fingerprint, shots, labelled), groups in by_block.items():
        models = next(iter(groups.values()))[0].models
        assert models is not None
        blocks.append(
            Block(
                name=models.dataset_name,
                fingerprint=fingerprint,
                shots=shots,
                labelled_classes=labelled,
                train_images=models.train_size,
                test_images=models.test_size,
                groups=tuple(_group(runs, keys) for runs in groups.values()),
            )
        )
    return blocks


def _group(runs: Sequence[RunRecord], keys: Sequence[str]) -> Group:
    flat = _flat(runs[0].config)
    values = {key: flat[key] for key in keys if key in flat}
    by_seed = tuple(sorted(runs, key=lambda run: run.config.seed))
    return Group(values, by_seed, edited=str(runs[0].folder) if runs[0].edited else "")


# -- comparisons ---------------------------------------------------------------------------

_IsBaseline = Callable[[Group], bool]


def _baseline_rule(blocks: Sequence[Block], wanted: Sequence[str]) -> tuple[_IsBaseline, set[str]]:
    """Tells baseline groups, and the keys that make them so."""
    groups = [group for block in blocks for group in block.groups]

    def is_off(group: Group) -> bool:
        config = group.runs[0].config
        return config.steering.mode == "off" and not is_unused(config, "steering.mode")

    if not wanted:
        off = [group for group in groups if is_off(group)]
        if off and len(off) < len(groups):
            keys = {key for group in groups for key in group.values if key.startswith("steering.")}
            return is_off, keys
        first = groups[0].name if groups else ""
        return lambda group: group.name == first, set()
    asked: dict[str, Any] = {}
    for text in wanted:
        key, separator, value = text.partition("=")
        if not separator or not key.strip():
            raise ConfigError(f"--baseline {text}: write it as KEY=VALUE, e.g. steering.mode=off")
        asked[key.strip()] = parse_value(value, key.strip())

    def has(group: Group) -> bool:
        config = group.runs[0].config
        return all(
            not is_unused(config, key)
            and with_value(config, key, value, f"--baseline {key}") == config
            for key, value in asked.items()
        )

    found = [group for group in groups if has(group)]
    if groups and len(found) in (0, len(groups)):
        names = "; ".join(dict.fromkeys(group.name for group in groups))
        which = "every group has that" if found else "no group has that"
        raise ConfigError(f"--baseline {describe(asked)}: {which}. The groups are: {names}")
    return has, set(asked)


def _compared(
    blocks: Sequence[Block], rule: tuple[_IsBaseline, set[str]]
) -> tuple[list[Block], list[Comparison]]:
    is_baseline, keys = rule
    compared: list[Block] = []
    pools: dict[tuple[str, str], list[dict[Metric, list[float]]]] = {}
    for block in blocks:
        candidates = [group for group in block.groups if is_baseline(group)]
        found: list[tuple[str, str, dict[Metric, list[float]]]] = []
        for group in block.groups:
            if is_baseline(group) or not candidates:
                continue
            baseline = max(
                candidates,
                key=lambda other: (not other.runs[0].edited, _shared(group, other, keys)),
            )
            differences = _differences(group, baseline)
            found.append((group.name, baseline.name, differences))
            if any(differences.values()):
                pools.setdefault((group.name, baseline.name), []).append(differences)
        compared.append(replace(block, comparisons=tuple(_tested(found))))
    several: list[tuple[str, str, dict[Metric, list[float]]]] = []
    for (group_name, baseline_name), lists in pools.items():
        if len(lists) > 1:
            joined = {metric: [d for one in lists for d in one[metric]] for metric in METRICS}
            several.append((group_name, baseline_name, joined))
    pooled = [
        replace(comparison, blocks=len(pools[comparison.group, comparison.baseline]))
        for comparison in _tested(several)
    ]
    return compared, pooled


def _shared(group: Group, other: Group, but: set[str]) -> int:
    """In how many keys they agree, besides those that make the baseline."""
    keys = (group.values.keys() & other.values.keys()) - but
    return sum(group.values[key] == other.values[key] for key in keys)


def _differences(group: Group, baseline: Group) -> dict[Metric, list[float]]:
    """Group - baseline over the seeds that both have a finished run of."""
    partners = {run.config.seed: run for run in baseline.runs if run.finished}
    result: dict[Metric, list[float]] = {metric: [] for metric in METRICS}
    for run in group.runs:
        partner = partners.get(run.config.seed)
        if partner is None or not run.finished:
            continue
        for metric in METRICS:
            ours, theirs = run.values[metric], partner.values[metric]
            if ours is not None and theirs is not None:
                result[metric].append(ours - theirs)
    return result


def _tested(found: Sequence[tuple[str, str, dict[Metric, list[float]]]]) -> list[Comparison]:
    """Tests of all comparisons, corrected together, each metric for itself."""
    tests: list[dict[Metric, PairedTest | None]] = [dict.fromkeys(METRICS) for _ in found]
    for metric in METRICS:
        having = [i for i, (_, _, differences) in enumerate(found) if differences[metric]]
        raw = [sign_flip_test(found[i][2][metric]) for i in having]
        for i, test, corrected in zip(having, raw, holm([t.p for t in raw]), strict=True):
            differences = found[i][2][metric]
            told = spread(differences)
            assert told is not None
            tests[i][metric] = PairedTest(tuple(differences), told, test, corrected)
    return [
        Comparison(group, baseline, test)
        for (group, baseline, _), test in zip(found, tests, strict=True)
    ]
