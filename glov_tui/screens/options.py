"""Changing sampling, proposal and steering options of a running run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Input, Label

from engine.config import RunConfig
from engine.config_file import parse_value
from engine.config_keys import is_text
from engine.edit_check import edit_problem
from engine.edits import EDITABLE, Edit, SetOption
from engine.state import RunState
from glov_tui.widgets.key_bar import KeyBar

KEYS = tuple(k for k in EDITABLE if k not in ("proposal.system_prompt", "proposal.task"))


class OptionsScreen(ModalScreen[list[Edit]]):
    """One line per option; saving makes one edit for each that was changed and is allowed."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+s", "save", "Save", priority=True),
        Binding("enter", "save", "Save", show=False),
        Binding("escape", "dismiss([])", "Cancel"),
        Binding("down", "app.focus_next", "Next", show=False),
        Binding("up", "app.focus_previous", "Previous", show=False),
    ]
    DEFAULT_CSS = """
    OptionsScreen { align: center middle; }
    OptionsScreen > VerticalScroll {
        width: 90%; max-width: 100; height: auto; max-height: 90%; border: round $accent;
        padding: 0 1; background: $surface;
        Horizontal { height: 1; }
        .key { width: 26; }
        .about { color: $text-muted; width: 1fr; height: 1; }
        Input { width: 18; height: 1; border: none; padding: 0 1; background: $boost; }
        Input.-text { width: 45; }
        Input.-wrong { background: $error-muted; }
        #problem { color: $text-error; height: auto; }
    }
    """

    def __init__(self, state: RunState, may_save: Callable[[], bool]) -> None:
        """``may_save`` says, and tells the person, where no edit can be made from here now."""
        super().__init__()
        self._may_save = may_save
        self._state = state
        config = state.with_pending().config
        assert config is not None
        self._config = config

    def compose(self) -> ComposeResult:
        """One row per option: key, value, what it means."""
        with VerticalScroll() as box:
            box.border_title = f"options, from step {self._state.next_step} on"
            for key in KEYS:
                with Horizontal():
                    yield Label(key, classes="key")
                    value = _format(_value(self._config, key))
                    classes = "-text" if key == "proposal.reply_prefix" else ""
                    yield Input(value, id=_id(key), classes=classes, compact=True)
                    yield Label(_about(key), classes="about", markup=False)
            yield Label("", id="problem", markup=False)
        yield KeyBar()

    def action_save(self) -> None:
        """Check all changed values, then make the edits; nothing is made if one is wrong."""
        edits: list[Edit] = []
        problems = []
        for key in KEYS:
            field = self.query_one(f"#{_id(key)}", Input)
            field.remove_class("-wrong")
            if field.value.strip() == _format(_value(self._config, key)):
                continue
            empty = not field.value.strip()
            edit = SetOption(key=key, value=None if empty else _parse(field.value, key))
            problem = edit_problem(self._state, edit)
            if problem is None:
                edits.append(edit)
            else:
                field.add_class("-wrong")
                problems.append(problem)
        if problems:
            self.query_one("#problem", Label).update("\n".join(problems))
        elif not edits or self._may_save():
            self.dismiss(edits)

    def on_input_submitted(self) -> None:
        """Enter in a field saves."""
        self.action_save()


def _id(key: str) -> str:
    return key.replace(".", "-").replace("_", "-")


def _value(config: RunConfig, key: str) -> Any:
    section, name = key.split(".")
    return getattr(getattr(config, section), name)


def _about(key: str) -> str:
    section, name = key.split(".")
    model = RunConfig.model_fields[section].annotation
    return (model.model_fields[name].description or "") if model else ""


def _format(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, tuple):
        return str(value[0]) if len(value) == 1 else str(list(value))
    return str(value)


def _parse(text: str, key: str) -> Any:
    value = parse_value(text, key)
    listed = isinstance(value, str) and "," in text and not is_text(key)
    return parse_value(f"[{text}]", key) if listed else value  # a list, also without brackets
