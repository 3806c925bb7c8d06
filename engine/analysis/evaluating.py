"""From what is asked of ``glov eval`` to what was measured: sources, configuration, models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from engine.analysis.against import Pair, contestants, pair, paired_up
from engine.analysis.evaluate import Evaluation, Subject, evaluate, kept_evaluation
from engine.analysis.run_templates import run_templates
from engine.analysis.template_list import read_list
from engine.analysis.transfer import check_backbone, with_backbone
from engine.common.errors import ConfigError, DataError, JournalError, UserError
from engine.common.kept import Kept
from engine.common.names import quoted
from engine.common.user_path import reachable, user_path
from engine.config import RunConfig
from engine.config.places import read_places, with_places
from engine.config.toml_file import load_config, preset_file
from engine.data.dataset import Split
from engine.run.contract import Expected, check_fitness
from engine.run.state import RunState
from engine.session.config_check import check_config
from engine.session.loading import OnProgress, Report, load_scoring
from engine.storage.journal import read_state
from engine.storage.prediction_keeper import PredictionKeeper
from engine.storage.predictions import RunPredictions
from engine.storage.run_folder import find_run, run_argument
from engine.storage.trust import check_trust
from engine.vlm.families import task_of
from engine.vlm.interface import Fitness

DEFAULT = "demo"
"""The preset whose images and VLM a list of templates is measured with."""


TO_STDIN, STDIN = "-", Path("/dev/stdin")
"""What names standard input in place of a file of templates, and where that is."""


@dataclass(frozen=True)
class Asked:
    """What is to be evaluated, as it was typed; empty where nothing was."""

    run: str | None = None
    templates: str | None = None  # a file, or another run
    config: str | None = None
    overrides: Sequence[str] = ()
    backbones: Sequence[str] = ()
    against: str | None = None  # a file, or another run
    split: Split = "test"
    trusted: bool = False  # runs, also where somebody else may have written them


@dataclass(frozen=True)
class Run:
    """A run whose templates, VLM or images are used."""

    folder: Path
    state: RunState
    config: RunConfig  # with where its data and models are now

    @property
    def expected(self) -> Expected | None:
        """What must be found again for its scores to be comparable."""
        models, run = self.state.models, run_argument(self.folder)
        return None if models is None else Expected(models, run, self.state.steps_done, "eval")

    def check_trust(self, trusted: bool) -> None:
        """Before its models and data are loaded: see ``engine.storage.trust``."""
        check_trust(self.folder, self.config, trusted)


@dataclass(frozen=True)
class Source:
    """Templates, and where they are from."""

    name: str  # of the run's folder or the file
    subjects: tuple[Subject, ...]
    run: Run | None = None
    path: Path | None = None


@dataclass(frozen=True)
class Evaluated:
    """What was measured: each subject on each backbone, and what was compared."""

    source: Source
    against: Source | None
    run: Run | None  # whose VLM and images these are; None: a configuration's
    config: RunConfig
    is_default: bool  # nobody named a run or a configuration: the preset's
    evaluations: tuple[Evaluation, ...]  # one a backbone; the first is the configuration's own
    pairs: tuple[tuple[Evaluation, Pair], ...]
    failed: Mapping[str, str]  # why, by backbones that nothing could be measured with


def evaluate_asked(asked: Asked, progress: OnProgress, report: Report) -> Evaluated:
    """Measure what was asked for.

    Args:
        asked: what that is.
        progress: as in ``load_fitness``, and while texts are encoded or questions asked.
        report: gets sentences on problems that were worked around.

    Raises:
        UserError: naming what is missing or can't be used.
    """
    kept = Kept()
    run = _run(asked.run, asked.overrides) if asked.run is not None else None
    config = _config(asked, run)
    if asked.templates is not None:
        source = _source(asked.templates, config, asked, kept, progress, report)
    elif run is not None:
        source = _of_run(run, asked, kept, progress, report)
    else:
        raise ConfigError("there is nothing to evaluate; give a run, or --templates FILE")
    others = {name: with_backbone(config, name) for name in asked.backbones}
    for name, other in others.items():
        check_backbone(other, name)
    against = None
    if asked.against is not None:
        against = _source(asked.against, config, asked, kept, progress, report)
    subjects = [
        *(replace(one, is_runs=one.is_runs and source.run is run) for one in source.subjects),
        *_others(against),
    ]
    own = _own(asked, run, source, against, config, subjects, kept, progress, report)
    evaluations = [own]
    if run is not None and others:
        run.check_trust(asked.trusted)
    failed = {}
    for name, other in others.items():
        try:
            evaluations.append(
                evaluate(
                    other,
                    subjects,
                    split=asked.split,
                    progress=progress,
                    report=report,
                    kept=kept,
                    cached=True,
                )
            )
        except UserError as error:  # what was measured with others is not lost
            failed[name] = str(error)
    return Evaluated(
        source,
        against,
        run,
        config,
        is_default=run is None and asked.config is None,
        evaluations=tuple(evaluations),
        pairs=tuple(_pairs(evaluations, source)) if against is not None else (),
        failed=failed,
    )


def _config(asked: Asked, run: Run | None) -> RunConfig:
    if run is not None:
        if asked.config is not None:
            raise ConfigError(
                f"{asked.run}: a run has its own configuration; leave --config out, or the run"
            )
        return run.config
    source = asked.config if asked.config is not None else preset_file(DEFAULT)
    return check_config(load_config(source, list(asked.overrides)))


def _run(name: str, overrides: Sequence[str] = ()) -> Run:
    folder = find_run(name)
    state = read_state(folder)
    assert state.config is not None  # a journal begins with it
    places = read_places(state.config, overrides, run_argument(folder))
    config = with_places(state.config, places) if places else state.config
    return Run(folder, state, config)


def _source(
    name: str, config: RunConfig, asked: Asked, kept: Kept, progress: OnProgress, report: Report
) -> Source:
    """A file of templates, what comes through a pipe, or another run."""
    task = task_of(config.vlm)
    path = STDIN if name == TO_STDIN else reachable(user_path(name))
    if path.is_file() or path.is_fifo() or path.is_char_device():
        return Source(path.name, read_list(path, task), path=path)
    try:
        run = _run(name)
    except JournalError as error:
        if "no run there" not in str(error):
            raise
        what = "it is no file" if path.exists() else "there is no such file"
        raise DataError(f"{name}: {what}, and no run of that name") from None
    source = _of_run(run, asked, kept, progress, report)
    for subject in source.subjects:
        for template in subject.templates:
            problem = task.placeholders.problem(template)
            if problem is not None:
                raise DataError(
                    f"{name}: its templates are for another kind of VLM than {config.vlm.model}: "
                    f"{quoted(template)}; {problem}"
                )
    return source


def _of_run(run: Run, asked: Asked, kept: Kept, progress: OnProgress, report: Report) -> Source:
    def load() -> Fitness:
        run.check_trust(asked.trusted)
        fitness = load_scoring(run.config, progress, report, kept)
        if run.expected is not None:
            check_fitness(run.expected, fitness)
        return fitness

    return Source(run.folder.name, run_templates(run.folder, run.state, load, report), run)


def _others(against: Source | None) -> list[Subject]:
    """The contestants of what is compared with, by names that tell them from others'."""
    if against is None:
        return []
    some = [against.subjects[index] for index in contestants(against.subjects)]
    return [replace(one, name=f"{against.name}: {one.name}", is_runs=False) for one in some]


def _own(
    asked: Asked,
    run: Run | None,
    source: Source,
    against: Source | None,
    config: RunConfig,
    subjects: Sequence[Subject],
    kept: Kept,
    progress: OnProgress,
    report: Report,
) -> Evaluation:
    """On the configuration's own VLM: of a run what it has is read, and what it lacks kept."""
    stores: list[RunPredictions] = []
    if run is not None:
        room = config.vlm.predictions_mib * 2**20
        stores.append(
            PredictionKeeper(run.folder, room, report)
            if room
            else RunPredictions(run.folder, report)
        )
        others = (one.run for one in (source, against) if one is not None)
        stores += [
            RunPredictions(other.folder, report)
            for other in others
            if other is not None and other is not run and _same_scores(run.state, other.state)
        ]
        if run.state.models is not None:
            found = kept_evaluation(run.state.models, subjects, asked.split, stores)
            if found is not None:
                return found
        run.check_trust(asked.trusted)
    return evaluate(
        config,
        subjects,
        split=asked.split,
        progress=progress,
        report=report,
        kept=kept,
        stores=stores,
        expected=run.expected if run is not None else None,
        cached=True,
    )


def _same_scores(one: RunState, other: RunState) -> bool:
    """Whether the same template has the same score in both, on the same images."""
    a, b = one.models, other.models
    return (
        a is not None
        and b is not None
        and bool(a.vlm_weights)
        and (a.vlm_weights, a.class_names) == (b.vlm_weights, b.class_names)
    )


def _pairs(evaluations: Sequence[Evaluation], source: Source) -> list[tuple[Evaluation, Pair]]:
    """On each backbone what stands for the source against what stands for the other one."""
    found = []
    for evaluation in evaluations:
        measured = evaluation.measurements
        ours = [measured[index] for index in contestants(source.subjects)]
        theirs = measured[len(source.subjects) :]
        found += [(evaluation, pair(evaluation, *two)) for two in paired_up(ours, theirs)]
    return found
