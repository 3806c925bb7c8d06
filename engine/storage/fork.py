"""Forks: a new run from the end of a step of another one.

The facts up to there are copied, so that a fork is whole by itself: it is resumed, replayed and
compared as any run. Replies are sampled from (seed, step, attempt, candidate), so that a fork in
which nothing is changed ends as its parent does.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from engine.common.errors import ConfigError, JournalError, UserError
from engine.common.wording import counted
from engine.config import RunConfig
from engine.config.editable import EDITABLE, LLM_KEYS, RUN_KEYS
from engine.config.places import PLACE_KEYS, with_places
from engine.config.toml_file import as_typed, parse_override, with_value
from engine.prompts.template import normalise
from engine.run import events as ev
from engine.run.edit_check import edit_problem
from engine.run.edits import SetOption
from engine.run.state import RunState
from engine.storage.journal import Journal, fold_journal, read_journal
from engine.storage.run_folder import CONFIG, EVENTS, PREDICTIONS
from engine.storage.run_record import begun_config
from engine.storage.trust import check_trust

_OF_THE_PROCESS = (
    ev.RunPaused,
    ev.RunResumed,
    ev.RunStopped,
    ev.RunReopened,
    ev.RunFailed,
    ev.PlacesSet,  # the fork begins with them
    ev.FinishStarted,  # what was edited since the last step takes effect in the next one
    ev.RunFinished,
)

_OF_A_PERSON = (
    ev.Edited,
    ev.EditUndone,
    ev.TemplateInjected,
    ev.InjectionRefused,
    ev.Noted,
    ev.TestAsked,
    ev.TestDropped,
)
"""Facts that outlive a step that is cut off, as scores of a person's templates do."""


def write_fork(
    parent: Path,
    step: int,
    folder: Path,
    overrides: Iterable[str] = (),
    trusted: bool = False,
) -> int:
    """Write the journal of a fork, to be taken up as any run; ``parent`` may be under way.

    Returns how many steps are left in it: 0 where it has no more than are done, and only ends.

    It goes on with its parent's data and models, which are compared when it is loaded, but with
    another LLM if ``overrides`` name one.

    Args:
        parent: folder of the run that is forked.
        step: the last step that both share; 0: only the seed template was scored. What was edited
            or injected after it and before the next step is copied too.
        folder: of the fork.
        overrides: ``key.path=value`` of ``EDITABLE``, ``RUN_KEYS``, ``LLM_KEYS`` and
            ``PLACE_KEYS``; they hold from the next step on.
        trusted: the user has said that the parent is to be trusted: a fork is this user's own.

    Raises:
        UserError: if the parent's journal is damaged or has no such step, if a key can't change
            or a value is not allowed, or if the folder can't be written or holds a run; and as
            ``check_trust``.
    """
    overrides = list(overrides)
    events = read_journal(parent).events
    check_trust(parent, begun_config(events), trusted)
    _check_step(parent, fold_journal(parent, events), step)
    begun_with = begun_config(events)
    for event in events:
        if isinstance(event, ev.PlacesSet):
            begun_with = with_places(begun_with, event.places)
    config, options = _changes(begun_with, parent, step, overrides)
    facts = _facts(_without_cut_steps(events), step, config)
    if any(override.partition("=")[0].strip() in LLM_KEYS for override in overrides):
        _check_judge(begun_with, config, step)
        facts = [_with_any_llm(fact, config) for fact in facts]
    begun = facts[0]
    assert isinstance(begun, ev.RunStarted)  # read_journal refuses others
    begun = begun.model_copy(update={"run": folder.name, "config": config.model_dump(mode="json")})
    facts = [begun, *facts[1:], ev.RunForked(parent=parent.resolve().name, step=step)]
    facts = _with_edits(folder, facts, options)
    journal = Journal.create(folder)
    try:
        journal.append(*facts)
        journal.write_config(config)
    except UserError:
        (folder / EVENTS).unlink(missing_ok=True)
        raise
    finally:
        journal.close()
    if (parent / PREDICTIONS).is_dir():
        from engine.storage.prediction_keeper import copy_predictions  # with numpy
        from engine.vlm.predictions import together

        scored = (fact.template for fact in facts if isinstance(fact, ev.TemplateScored))
        copy_predictions(parent, folder, "train", scored)
        measured = (together(fact.templates) for fact in facts if isinstance(fact, ev.TestMeasured))
        copy_predictions(parent, folder, "test", measured)
    return config.steps - step


def _changes(
    config: RunConfig, parent: Path, step: int, overrides: Iterable[str]
) -> tuple[RunConfig, list[tuple[str, Any]]]:
    """The configuration that the fork begins with, and options that change after ``step``."""
    options: list[tuple[str, Any]] = []
    sampled_with = config.sample_seed
    for override in overrides:
        key, value = parse_override(override)
        changed = with_value(config, key, value, f"--set {override}")  # says what is no key
        if key in EDITABLE:
            options.append((key, value))
        elif key in RUN_KEYS or key in PLACE_KEYS or key in LLM_KEYS:
            config = changed
        else:
            why = (
                "since a run is one search's from its first step to its last"
                if key.startswith("search.")
                else "since a run's LLM stays of one kind"
                if key == "llm.kind"
                else f"since scores before and after step {step} would no longer be comparable"
            )
            raise ConfigError(
                f"--set {override}: {key} can't change in a fork, {why}. For it start a new run: "
                f"glov run {shlex.quote(str(parent / CONFIG))} {as_typed(override)}. These can: "
                "steps, seed, evaluation.*, what can be edited in a run, the LLM "
                f"({', '.join(LLM_KEYS)}), and where data and models are"
            )
    if config.steps < step:
        raise ConfigError(
            f"--set steps={config.steps}: the fork begins at the end of step {step}; give {step} "
            "or more"
        )
    if config.seed != sampled_with:  # the templates were scored on that sample
        config = with_value(config, "data.sample_seed", sampled_with, "fork")
    return config, options


def _check_judge(before: RunConfig, config: RunConfig, step: int) -> None:
    """See that answers are not judged by another LLM because another one proposes."""
    vlm = config.vlm
    if vlm.answer == "refusal" and vlm.judge == "llm" and vlm.judge_model is None:
        raise ConfigError(
            f"the run's LLM judges the answers too (vlm.judge = llm), and with another one scores "
            f"before and after step {step} would not be comparable; for another LLM start a new "
            f"run, with --set vlm.judge_model={shlex.quote(before.llm.model)} to be judged alike"
        )


def _check_step(parent: Path, state: RunState, step: int) -> None:
    if state.test("seed") is None:
        raise JournalError(
            f"{parent}: its seed template is not scored yet, so there is nothing to fork"
        )
    if not 0 <= step <= state.steps_done:
        raise JournalError(
            f"{parent}: {counted(state.steps_done, 'step')} done; --at-step can be 0 "
            f"(only the seed template scored) to {state.steps_done}, not {step}"
        )


def _facts(events: Sequence[ev.Event], step: int, config: RunConfig) -> list[ev.Event]:
    """What was done up to the end of ``step``, without what only the parent's processes did."""
    ends = (i for i, e in enumerate(events) if _ends(e, step))
    end = next(ends) + 1
    following = (i for i in range(end, len(events)) if isinstance(events[i], ev.StepStarted))
    end = next(following, len(events))
    finishes = (i for i in range(end) if isinstance(events[i], ev.FinishStarted))
    finish = next(finishes, end)
    every = config.evaluation.every
    measured_again = step == config.steps or not every or step % every > 0

    def is_kept(place: int) -> bool:
        event = events[place]
        if isinstance(event, ev.TemplateScored) and event.origin != "human":
            return place < finish  # a last race is of the run's end
        if not isinstance(event, ev.TestMeasured):
            return not isinstance(event, _OF_THE_PROCESS)
        of_this_step = (event.subject, event.step) == ("ensemble", step)
        return place < finish and event.subject != "best" and not (of_this_step and measured_again)

    kept = [events[place] for place in range(end) if is_kept(place)]
    return [*kept, *_later_notes(events[end:], step, kept)]


def _later_notes(
    later: Sequence[ev.Event], step: int, kept: Sequence[ev.Event]
) -> Iterator[ev.Noted]:
    """What was noted after it on what the fork has."""
    scored = {normalise(e.template) for e in kept if isinstance(e, ev.TemplateScored)}
    for event in later:
        if not isinstance(event, ev.Noted) or (event.step or 0) > step:
            continue
        if event.template is None or event.template in scored:
            yield event


def _without_cut_steps(events: Iterable[ev.Event]) -> list[ev.Event]:
    """Without steps that were cut off and begun again, but with what a person did in them.

    A fork has no ``RunReopened``, which ends such a step: what was edited, undone or injected while
    models loaded would be taken for a part of it.
    """
    kept: list[ev.Event] = []
    begun: int | None = None  # where the step under way begins
    for event in events:
        if isinstance(event, ev.StepStarted):
            begun = len(kept)
        elif isinstance(event, ev.StepFinished):
            begun = None
        elif isinstance(event, ev.RunReopened) and begun is not None:
            kept[begun:] = [fact for fact in kept[begun:] if _outlives_a_step(fact)]
            begun = None
        kept.append(event)
    return kept


def _outlives_a_step(fact: ev.Event) -> bool:
    if isinstance(fact, ev.TemplateScored):
        return fact.origin == "human"
    if isinstance(fact, ev.TestMeasured):
        return fact.subject == "asked"
    return isinstance(fact, _OF_A_PERSON)


def _with_any_llm(fact: ev.Event, config: RunConfig) -> ev.Event:
    """The fact for a fork that has another LLM: what is known of the parent's holds no more."""
    if not isinstance(fact, ev.ModelsLoaded):
        return fact
    return fact.model_copy(update={"llm": config.llm.model, "llm_revision": ""})


def _ends(event: ev.Event, step: int) -> bool:
    if step == 0:
        return isinstance(event, ev.TestMeasured) and event.subject == "seed"
    return isinstance(event, ev.StepFinished) and event.step == step


def _with_edits(
    folder: Path, facts: Sequence[ev.Event], options: Iterable[tuple[str, Any]]
) -> list[ev.Event]:
    """The facts with an edit for each option, which holds from the next step on."""
    result = list(facts)
    state = fold_journal(folder, facts)
    for key, value in options:
        edit = SetOption(key=key, value=value)
        problem = edit_problem(state, edit)
        if problem is not None:
            raise ConfigError(f"--set {key}={value}: {problem}")
        event = ev.Edited(number=state.edits_made + 1, step=state.next_step, edit=edit)
        state = state.apply(event)
        result.append(event)
    return result
