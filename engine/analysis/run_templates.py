"""What a run found, to be evaluated: its seed, its best template, and its ensembles.

All of it was chosen on the training images, by the run or, where it was killed before its end, as
it would have been: nothing of the test split is looked at.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from engine.analysis.evaluate import Subject, labels_of
from engine.common.errors import JournalError
from engine.common.generators import result_of
from engine.config import RunConfig
from engine.prompts.template import normalise
from engine.run import events as ev
from engine.run.emitting import Emitted, together
from engine.run.state import RunState
from engine.search.ensemble import Pool, choose_ensemble, ensemble_pool, greedy, top_pool
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
    best = state.best
    if best is None:
        why = "every template of it is banned" if state.templates else "it has scored none yet"
        raise JournalError(f"{folder}: there is no best template: {why}")
    found = [
        Subject("seed", (seed_template(config),), is_runs=True),
        Subject("best", (best.text,), is_runs=True),
    ]
    pools = [_own_choice(folder, state, load, report)]
    if asks_llm(config):
        pools.insert(0, top_pool(state, config.evaluation.ensemble))
    for pool in dict.fromkeys(pools):
        name = f"{pool.selection if asks_llm(config) else 'all'} {len(pool.templates)}"
        if len(pool.templates) > 1:
            found.append(Subject(name, pool.templates, pool.selection, is_runs=True))
    return tuple(found)


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
        return top_pool(state, config.evaluation.ensemble)
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
            chosen = result_of(greedy(made, labels_of(index), count))
            return Pool(tuple(pool.templates[i] for i in chosen), "greedy")
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
    def tell(emitted: Emitted) -> None:
        for event in together(emitted):
            if isinstance(event, ev.Warned):
                report(event.message)

    return result_of(choose_ensemble(state, pool, count, fitness), tell)[1]
