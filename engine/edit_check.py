"""Whether an edit can be made in a run as it is."""

from __future__ import annotations

from engine.edits import (
    BanTemplate,
    ChooseAnchors,
    Edit,
    PinTemplate,
    SetNextPrompt,
    SetOption,
    with_option,
)
from engine.errors import ConfigError
from engine.llm.base import prefix_refused
from engine.state import RunState


def edit_problem(state: RunState, edit: Edit) -> str | None:
    """Why an edit can't be made, None if it can."""
    match edit:
        case SetOption():
            if state.config is None:
                return "the run has no configuration yet"
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
