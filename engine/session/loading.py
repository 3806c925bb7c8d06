"""From a configuration to its search with its models and data loaded."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from engine.common.collecting import uncollected
from engine.common.errors import ModelError
from engine.common.kept import Kept
from engine.common.names import quoted
from engine.common.user_path import user_path, why_not_there
from engine.config import LLMConfig, RunConfig, VLMConfig
from engine.models import hub, threads
from engine.run.contract import Expected, check_fitness, check_llm
from engine.run.stopwatch import Stopwatch
from engine.search.begun import as_begun
from engine.search.registry import find_search
from engine.session.wanted_models import embedder, is_judged, judge_model, wanted_models
from engine.vlm.families import task_of
from engine.vlm.interface import Fitness, Judged, Score

if TYPE_CHECKING:
    from engine.llm.halving import HalvingLLM
    from engine.llm.interface import LanguageModel
    from engine.search.strategy import Search

_HUB_NAME = re.compile(r"[\w-][\w.-]*(/[\w.-]+){0,2}")
"""``name``, ``org/name`` or ``org/name/file.gguf``; what begins otherwise is a path."""

Report = Callable[[str], None]
"""Takes a sentence on something that the user should know and the run survives."""

OnProgress = Callable[[str, int, int], None]
"""Takes what is being loaded, and how much of it: done, total (0 of 0: not countable)."""


def _look_for_hub(config: RunConfig, report: Report, llm: bool = True) -> None:
    """Where models are hub names and the hub can't be reached, look in its cache only.

    ``llm``: whether the LLM of the configuration is loaded too.

    Raises:
        ModelError: if one is not there either: that is known before libraries are imported.
    """
    others = (embedder(config), judge_model(config))
    llm = llm and not config.llm.is_served
    names = (*((config.llm.model,) if llm else ()), config.vlm.model, *filter(None, others))
    if all(why_not_there(user_path(name)) is None for name in names):
        return
    if not hub.is_switched_off():
        problem = hub.why_unreachable()
        if problem is None:
            return
        report(f"{hub.endpoint()} can't be reached ({problem}): models come from its cache only")
        hub.do_without()
    for what, key, name in _on_the_hub(config, llm):
        repository = "/".join(name.split("/")[:2])
        if not hub.is_cached(repository):
            raise ModelError(
                f"the {what} {quoted(name)} was not found in the hub's cache ({hub.cache()}), and "
                f"the hub can't be reached. Check the spelling of {key} and the connection (glov "
                f"doctor); without a connection set {key} to a local folder"
            )


def _on_the_hub(config: RunConfig, llm: bool) -> Iterator[tuple[str, str, str]]:
    """What each model is that transformers finds on the hub by its name, its key and the name."""
    models: list[tuple[str, str, str | None]] = [("embedder", "vlm.embedder", embedder(config))]
    if config.vlm.kind == "encoder-decoder":
        models.append(("VLM", "vlm.model", config.vlm.model))
    if config.llm.kind == "local":
        models += [("LLM", "llm.model", config.llm.model)] if llm else []
    models.append(("judge", "vlm.judge_model", judge_model(config)))
    for what, key, name in models:
        if name and _HUB_NAME.fullmatch(name) and why_not_there(user_path(name)) is not None:
            yield what, key, name


def load_search(
    config: RunConfig,
    progress: OnProgress,
    report: Report,
    scores: Mapping[str, Score] | None = None,
    kept: Kept | None = None,
    expected: Expected | None = None,
    clock: Stopwatch | None = None,
) -> Search:
    """Load the meta-prompt template, the VLM with its images, and the LLM, cheapest first.

    Args:
        config: of the run.
        progress: called on this thread while loading; an exception from it ends the loading.
        report: called with problems that were worked around.
        scores: train scores known from an earlier part of the run, by template text.
        kept: models and data of earlier runs, which are used again where their sections are equal.
        expected: what the run rests on, which is to be found again.
        clock: where the search counts its time.

    Raises:
        UserError: naming the key, file or model that can't be used and what to do.
        ContractError: saying what is not as it was.
    """
    from engine.search.meta_prompt import load_meta_prompt

    config, clock = as_begun(config), clock or Stopwatch()
    meta_prompt = load_meta_prompt(config.proposal.template_file, task_of(config.vlm))
    search, scores = find_search(config), dict(scores or {})
    if not search.asks:
        from engine.llm.absent import NoLLM

        fitness = load_scoring(config, progress, report, kept)
        if expected is not None:
            check_fitness(expected, fitness)
        nobody = NoLLM(config.search.kind)
        return search.load()(config, nobody, fitness, meta_prompt, scores, clock)
    _look_for_hub(config, report)
    kept = kept or Kept()
    fitness = _load_vlm(config, (config.llm, config.vlm), progress, report, kept)
    if expected is not None:  # before the LLM, which takes longest
        check_fitness(expected, fitness)
    llm = _load_llm(config, progress, kept)
    if expected is not None:
        check_llm(expected, llm)
    if not llm.chats:
        report(
            f"{config.llm.model} has no chat template, so it is asked in plain System/User/"
            "Assistant lines; models made for chats (often named instruct or chat) do better"
        )
    from engine.llm.halving import HalvingLLM

    halving = HalvingLLM(llm, report)
    if is_judged(config) and judge_model(config) is None:
        _have_judge(config, fitness, halving)
    return search.load()(config, halving, fitness, meta_prompt, scores, clock)


def load_scoring(
    config: RunConfig, progress: OnProgress, report: Report, kept: Kept | None = None
) -> Fitness:
    """Load the VLM with its images, and of LLMs only one that judges answers: nothing is proposed.

    Args:
        config: of which ``data``, ``vlm`` and ``seed`` are used, and of a judge ``llm``.
        progress, report, kept: as in ``load_search``.

    Raises:
        UserError: naming the key, file or model that can't be used and what to do.
    """
    kept = kept or Kept()
    own = is_judged(config) and judge_model(config) is None
    _look_for_hub(config, report, llm=own)
    sections = (config.llm, config.vlm) if own else (config.vlm,)
    fitness = _load_vlm(config, sections, progress, report, kept)
    if own:
        from engine.llm.halving import HalvingLLM

        _have_judge(config, fitness, HalvingLLM(_load_llm(config, progress, kept), report))
    return fitness


def _load_vlm(
    config: RunConfig,
    sections: Sequence[LLMConfig | VLMConfig],
    progress: OnProgress,
    report: Report,
    kept: Kept,
) -> Fitness:
    """With the LLM that judges, if it is one of its own. ``sections``: whose models are loaded."""
    progress("libraries", 0, 0)
    threads.prepare()
    with uncollected():
        from engine.session.room import check_room
        from engine.vlm.loading import load_fitness

        threads.fit()
        for section in sections:
            served = isinstance(section, LLMConfig) and section.is_served
            if section.trust_remote_code and not served:
                key = "vlm" if isinstance(section, VLMConfig) else "llm"
                report(
                    f"{key}.trust_remote_code is on: the code that comes with {section.model} is "
                    "run with your rights"
                )
        local = [s for s in sections if not (isinstance(s, LLMConfig) and s.is_served)]
        kinds = ["VLM" if isinstance(section, VLMConfig) else "LLM" for section in local]
        if not all(map(kept.holds, kinds, local)):  # what another run has loaded has its room
            wanted = replace(wanted_models(config), llm="LLM" in kinds)
            check_room(config, wanted, report, alone=kept.is_empty)
    fitness = load_fitness(config, progress, report, kept)
    name = judge_model(config)
    if name is not None:
        from engine.llm.halving import HalvingLLM
        from engine.llm.loading import load_llm
        from engine.session.judging import judge_config

        section = judge_config(config.llm, name)
        other = kept.get(
            "judge", section, lambda: load_llm(section, lambda what: progress(what, 0, 0))
        )
        _have_judge(config, fitness, HalvingLLM(other, report), other.revision)
    return fitness


def _load_llm(config: RunConfig, progress: OnProgress, kept: Kept) -> LanguageModel:
    from engine.llm.loading import load_llm

    return kept.get(
        "LLM", config.llm, lambda: load_llm(config.llm, lambda what: progress(what, 0, 0))
    )


def _have_judge(config: RunConfig, fitness: Fitness, llm: HalvingLLM, revision: str = "") -> None:
    from engine.session.judging import LLMJudge

    assert isinstance(fitness, Judged)
    fitness.judge_with(LLMJudge(llm, config.sampling.thinking_tokens), revision)
