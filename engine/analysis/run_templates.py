"""What a run found, to be evaluated: its seed, its best template, and its ensembles.

All of it was chosen on the training images, by the run or, where it was killed before its end, as
it would have been: nothing of the test split is looked at.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from engine.analysis.evaluate import Subject, labels_of
from engine.common.errors import JournalError
from engine.config import RunConfig
from engine.prompts.template import normalise
from engine.run import events as ev
from engine.run.emitting import together
from engine.run.state import RunState
from engine.search.ensemble import Pool, choose_ensemble, ensemble_pool, greedy
from engine.search.registry import asks_llm
from engine.storage.predictions import RunPredictions
from engine.vlm.families import seed_template
from engine.vlm.interface import Fitness
from engine.vlm.predictions import ImagePredictions

Report = Callable[[str], None]


def run_templates(
    folder: Path, state: RunState, load: Callable[[], Fitness], report: Report
) -> tuple[Subject, ...]:
    """Seed, best template, the best ones together and, where ``evaluation.select`` says so, those
    that were chosen greedily; without ensembles of one template. The last is the run's own choice.

    Args:
        folder: of the run.
        state: of the run, ended or not.
        load: gives the run's VLM; called only where a greedy ensemble is still to be chosen and
            what its candidates made of the training images is not kept.
        report: gets sentences on what is worked around.

    Raises:
        JournalError: if the run has scored no template, or all of them are banned.
    """
    config = state.config
    assert config is not None  # a journal begins with it
    best = (state.contenders or state.allowed)[:1]
    if not best:
        why = "every template of it is banned" if state.templates else "it has scored none yet"
        raise JournalError(f"{folder}: there is no best template: {why}")
    found = [
        Subject("seed", (seed_template(config),), is_runs=True),
        Subject("best", (best[0].text,), is_runs=True),
    ]
    pools = [_own_choice(folder, state, load, report)]
    if asks_llm(config):
        pools.insert(0, _top(state, config))
    for pool in dict.fromkeys(pools):
        name = f"{pool.selection if asks_llm(config) else 'all'} {len(pool.templates)}"
        if len(pool.templates) > 1:
            found.append(Subject(name, pool.templates, pool.selection, is_runs=True))
    return tuple(found)


def _top(state: RunState, config: RunConfig) -> Pool:
    best = (state.contenders or state.allowed)[: config.evaluation.ensemble]
    return Pool(tuple(template.text for template in best), "top")


def _own_choice(folder: Path, state: RunState, load: Callable[[], Fitness], report: Report) -> Pool:
    """As the run chose at its end; else as it would now."""
    config = state.config
    assert config is not None
    measured = state.test("ensemble") if state.status == "finished" else None
    if measured is not None:
        return Pool(measured.templates, measured.selection)
    if not asks_llm(config):  # of templates that were given all are ensembled
        given = config.search.templates or (seed_template(config),)
        return Pool(tuple(text for text in given if normalise(text) not in state.banned), "top")
    if config.evaluation.select == "top":
        return _top(state, config)
    return _greedy(folder, state, config, load, report)


def _greedy(
    folder: Path, state: RunState, config: RunConfig, load: Callable[[], Fitness], report: Report
) -> Pool:
    count = config.evaluation.ensemble
    store = RunPredictions(folder, report)
    index = store.index("train")
    if index is not None:
        pool = ensemble_pool(state, config, len(index.images), index.classes)
        made = _whole(store, pool)
        if made is not None and pool.selection == "greedy" and len(pool.templates) > 1:
            work = greedy(made, labels_of(index), count)
            try:
                while True:
                    next(work)
            except StopIteration as finished:
                return Pool(tuple(pool.templates[i] for i in finished.value), "greedy")
        if pool.selection == "top" or len(pool.templates) < 2:
            return pool
    fitness = load()
    fitness.kept.store = store
    pool = ensemble_pool(state, config, fitness.size("train"), len(fitness.class_names))
    return _chosen(state, pool, count, fitness, report)


def _whole(store: RunPredictions, pool: Pool) -> list[ImagePredictions] | None:
    """What each candidate made of all training images; None if it is not all kept."""
    made = []
    for template in pool.templates:
        found = store.read(template, "train")
        if found is None or not found.looked_at.all():
            return None
        made.append(found)
    return made


def _chosen(state: RunState, pool: Pool, count: int, fitness: Fitness, report: Report) -> Pool:
    work = choose_ensemble(state, pool, count, fitness)
    while True:
        try:
            for event in together(next(work)):
                if isinstance(event, ev.Warned):
                    report(event.message)
        except StopIteration as finished:
            chosen: Pool = finished.value[1]
            return chosen
