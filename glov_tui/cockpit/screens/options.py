"""Changing sampling, proposal and steering options of a running run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, cast

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.events import DescendantFocus, Resize
from textual.widget import Widget
from textual.widgets import Label

from engine.config import RunConfig
from engine.config.editable import EDITABLE
from engine.config.keys import few_values, is_text
from engine.config.toml_file import parse_value
from engine.run.edit_check import edit_problem
from engine.run.edits import Edit, SetOption
from engine.run.state import RunState
from engine.steering.modes import MODES
from glov_tui.cockpit.screens.dialog import Dialog
from glov_tui.widgets.fields import Choice, ValueField
from glov_tui.widgets.key_bar import KeyBar

KEYS = tuple(k for k in EDITABLE if k not in ("proposal.system_prompt", "proposal.task"))


BELOW_ROWS = 8  # border, all about an option, and an error of a line
NARROW = 80  # below, the words beside the fields are cut to nothing; they stand below


class OptionsScreen(Dialog[list[Edit]]):
    """One line per option; saving makes one edit for each that was changed and is allowed."""

    AUTO_FOCUS = "Input, Choice"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+s", "save", "Save", priority=True),
        Binding("enter", "save", "Save", show=False),
        Binding("escape", "dismiss([])", "Cancel"),
        Binding("down", "app.focus_next", "Next", show=False),
        Binding("up", "app.focus_previous", "Previous", show=False),
    ]
    DEFAULT_CSS = """
    OptionsScreen { align: center middle; }
    OptionsScreen > Vertical {
        width: 90%; max-width: 100; height: 90%; border: round $accent;
        padding: 0 1; background: $surface;
        VerticalScroll { height: 1fr; }
        Horizontal { height: 1; }
        .key { width: 26; }
        .value { width: 22; margin-right: 1; }
        .value.-text { width: 38; }
        .short { color: $text-muted; width: 1fr; height: 1; text-overflow: ellipsis;
            text-wrap: nowrap; }
        #about { border-top: solid $foreground 35%; width: 1fr; height: auto; min-height: 5; }
        #problem { color: $text-error; width: 1fr; height: auto; display: none; }
        #problem.-shown { display: block; }
        &.-narrow .short { display: none; }
        &.-narrow .value { width: 1fr; max-width: 38; margin-right: 0; }
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
        """One row per option: key, value, what it means; below, all about the one in focus."""
        with Vertical() as box:
            box.border_title = f"options, from step {self._state.next_step} on"
            # The rows scroll where there is little room; what is said below them never gives way.
            box.styles.max_height = len(KEYS) + BELOW_ROWS
            with VerticalScroll(can_focus=False):
                for key in KEYS:
                    with Horizontal():
                        yield Label(key, classes="key")
                        yield self._field(key)
                        yield Label(_about(key), classes="short", markup=False)
            yield Label("", id="about", markup=False)
            yield Label("", id="problem", markup=False)
        yield KeyBar()

    def _field(self, key: str) -> Choice | ValueField:
        value = _format(_value(self._config, key))
        values = few_values(key)
        if values:
            return Choice(values, value, id=_id(key), classes="value")
        text = " -text" if key == "proposal.reply_prefix" else ""
        return ValueField(value, id=_id(key), classes=f"value{text}")

    def on_resize(self, event: Resize) -> None:
        """Leave out the words beside the fields where the screen is narrow."""
        self.query_one(Vertical).set_class(event.size.width < NARROW, "-narrow")

    def on_descendant_focus(self, event: DescendantFocus) -> None:
        """Say all about the option that has the focus."""
        self._tell(event.widget)

    @on(Choice.Changed)
    def _chosen(self, event: Choice.Changed) -> None:
        self._tell(event.choice)

    def _tell(self, widget: Widget) -> None:
        key = next((key for key in KEYS if _id(key) == widget.id), None)
        if key is None:
            return
        text = f"{key}: {_about(key)}"
        if isinstance(widget, Choice) and widget.value in MODES and key == "steering.mode":
            text = f"{widget.value}: {MODES[widget.value].summary}"
        self.query_one("#about", Label).update(text)

    def action_save(self) -> None:
        """Check all changed values, then make the edits; nothing is made if one is wrong."""
        edits: list[Edit] = []
        problems = []
        for key in KEYS:
            field = cast(Choice | ValueField, self.query_one(f"#{_id(key)}"))
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
        label = self.query_one("#problem", Label)
        label.set_class(bool(problems), "-shown")
        label.update("\n".join(problems))
        if not problems and (not edits or self._may_save()):
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
