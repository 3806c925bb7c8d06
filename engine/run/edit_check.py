"""Whether an edit can be made in a run as it is, and a template of one's own injected."""

from __future__ import annotations

from engine.common.errors import ConfigError
from engine.common.wording import counted
from engine.config.editable import with_option
from engine.llm.refusals import not_steerable, prefix_refused
from engine.prompts.template import normalise
from engine.run.edits import BanTemplate, ChooseAnchors, Edit, PinTemplate, SetNextPrompt, SetOption
from engine.run.state import RunState
from engine.vlm.families import seed_template, task_of


def edit_problem(state: RunState, edit: Edit) -> str | None:
    """Why an edit can't be made, None if it can."""
    return _too_late(state, edit) or _wrong(state, edit)


def injection_problem(state: RunState, template: str) -> str | None:
    """Why a person's template, as it was read, is not scored; None if it is to be."""
    key = normalise(template)
    known = state.find(key)
    if known is not None:
        part = f" of {counted(known.n, 'image')}" if state.is_partial(known) else ""
        score = f"{known.accuracy:.1%}{part}"
        return f"scored before, in step {known.first.step}: {score} {known.text}"
    if state.status == "finished":
        return f"template refused: {_FINISHED} ({template})"
    wrong = task_of(state.config.vlm).placeholders.problem(template) if state.config else None
    if wrong is not None:
        return f"template refused: {wrong} ({template})"
    if any(normalise(waiting.template) == key for waiting in state.waiting):
        return f"it waits to be scored already: {template}"
    if state.config is not None and normalise(seed_template(state.config)) == key:
        return f"it is the seed template, which is scored anyway: {template}"
    proposed = (c.template for c in state.candidates if state.step_begin and c.outcome == "new")
    if any(text is not None and normalise(text) == key for text in proposed):
        return f"the LLM has just proposed it, and it is being scored: {template}"
    return None


_FINISHED = "the run is finished; a fork of it with more steps can go on"


def _too_late(state: RunState, edit: Edit) -> str | None:
    """Bans take effect in the final ensemble too; all other edits need a step."""
    if state.status == "finished":
        return _FINISHED
    steps = state.config.steps if state.config is not None else None
    if steps is None or state.next_step <= steps or isinstance(edit, BanTemplate):
        return None
    return (
        f"step {steps} is the last one, so there is no step left that it could change; a fork "
        "with more steps can have it (--set steps=N)"
    )


def _wrong(state: RunState, edit: Edit) -> str | None:
    match edit:
        case SetOption():
            if state.config is None:
                return "the run has no configuration yet"
            steers = edit.key == "steering.layers" or (
                edit.key == "steering.mode" and edit.value != "off"  # none is the default
            )
            if steers and state.models is not None and not state.models.llm_layers:
                return not_steerable(state.models.llm, state.config.llm.kind)
            if edit.key == "steering.layers" and edit.value not in (None, "auto"):
                if state.models is None:
                    return "the LLM's decoder layers are not known before it is loaded"
                layers = edit.value if isinstance(edit.value, list | tuple) else [edit.value]
                deep = [n for n in layers if isinstance(n, int) and n >= state.models.llm_layers]
                if deep:
                    return f"the LLM's decoder layers are 0 to {state.models.llm_layers - 1}"
            if (
                edit.key == "proposal.reply_prefix"
                and edit.value
                and state.models is not None
                and state.models.llm_thinks_first
            ):
                return prefix_refused(state.models.llm)
            try:
                config = state.config
                for earlier in state.pending:
                    if isinstance(earlier.edit, SetOption):
                        config = with_option(config, earlier.edit.key, earlier.edit.value)
                with_option(config, edit.key, edit.value)
            except ConfigError as error:
                return str(error)
        case SetNextPrompt():
            if not edit.user.strip():
                return "the meta-prompt is empty"
        case PinTemplate() | BanTemplate():
            if state.find(edit.key) is None:
                return f"no such template: {edit.key}"
        case ChooseAnchors():
            for key in (edit.positive, edit.negative):
                if key is not None and state.find(key) is None:
                    return f"no such template: {key}"
            if edit.positive is not None and edit.positive == edit.negative:
                return "P+ and P- must differ"
    return None
