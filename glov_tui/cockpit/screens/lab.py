"""The steering lab: what the LLM would write with other settings, tried while the run is paused."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import ClassVar, cast

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import Button, Static

from engine.run.commands import Command, RunExperiment
from engine.run.edit_check import edit_problem
from engine.run.edits import Edit
from engine.run.experiment import SteeringSetting
from engine.run.state_facts import ENDED
from engine.session.interface import Session
from glov_tui.cockpit.bound_keys import bound_key, keys_for
from glov_tui.cockpit.lab.form import LabForm
from glov_tui.cockpit.lab.grid import GridView
from glov_tui.cockpit.lab.obstacles import obstacle
from glov_tui.cockpit.lab.settings import LabValues, Typed, TypedWrong, edits_towards
from glov_tui.cockpit.lab.views import KINDS, CompareView, LabHead, LabMessage, LensView
from glov_tui.cockpit.panes.pane import Pane
from glov_tui.cockpit.screens.trying import TryingScreen
from glov_tui.common.glyphs import ASCII, UNICODE
from glov_tui.common.text import clean
from glov_tui.widgets.fields import Choice, ValueField
from glov_tui.widgets.key_bar import KeyBar

VIEWS = ("compare", "grid", "lens")


class LabScreen(TryingScreen):
    """Three views over one form: compare two settings, scan a grid, read the lens.

    It sends experiments to the session and shows what comes back; the app's pump repaints it.
    """

    NAME = "Lab"
    APP_ACTIONS: ClassVar[frozenset[str]] = frozenset(
        ["pause", "resume", "undo", "help", "leave", "redraw"]
    )
    OPENED_BY: ClassVar[str] = "lab"
    CLOSES: ClassVar[str] = "close"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "give_up", "Give up", tooltip="Give up the experiment under way"),
        Binding("escape", "leave_field", "Done", tooltip="From a field back to the results"),
        Binding("escape", "close", "Back", tooltip="Back to the cockpit, ending all here"),
        Binding(
            "enter",
            "try",
            "Try",
            key_display="enter",
            tooltip="Try what is set, while the run is paused",
        ),
        Binding(
            "a",
            "apply",
            "Apply",
            tooltip="Have the run steer with the cell under the cursor, or with the right setting",
        ),
        Binding("e", "settings", "Set", tooltip="Go to the fields; tab goes on, arrows choose"),
        Binding("c", "compare_cell", "Compare", tooltip="Compare the cell under the cursor"),
        Binding("v", "measure", "Shade", tooltip="Shade the grid by KL, fluency or accuracy"),
        Binding(
            "f",
            "accuracy",
            "Accuracy",
            show=False,
            tooltip="Also score the templates of a grid: slower",
        ),
        Binding("1", "view('compare')", "Compare view", show=False, tooltip="Two settings"),
        Binding("2", "view('grid')", "Grid view", show=False, tooltip="Layers by alphas"),
        Binding("3", "view('lens')", "Lens view", show=False, tooltip="What each layer says"),
        Binding(
            "left_square_bracket",
            "layers(-1)",
            "Layers -",
            key_display="[",
            show=False,
            tooltip="The setting's layers one earlier",
        ),
        Binding(
            "right_square_bracket",
            "layers(1)",
            "Layers +",
            key_display="]",
            show=False,
            tooltip="The setting's layers one later",
        ),
        Binding(
            "minus", "alpha(-1)", "Alpha -", key_display="-", show=False, tooltip="Lower its alpha"
        ),
        Binding(
            "plus,equals_sign",
            "alpha(1)",
            "Alpha +",
            key_display="+",
            show=False,
            tooltip="Raise its alpha",
        ),
        Binding("m", "mode", "Next mode", show=False, tooltip="The setting's next steering mode"),
    ]
    DEFAULT_CSS = """
    LabScreen {
        layout: vertical;
        #views { height: 1; padding: 0 1; background: $panel; text-wrap: nowrap;
            link-style: none; link-color: $foreground; link-background: transparent;
        }
        CompareView, GridView, LensView { height: 1fr; padding: 0 1; }
    }
    """

    def __init__(
        self,
        session: Session,
        send: Callable[[Command], None],
        drives: Callable[[], bool],
        edit: Callable[..., None],
        values: LabValues,
        ascii_only: bool = False,
    ) -> None:
        """``send``, ``drives``: see ``TryingScreen``; ``edit`` is the app's too.

        ``values``: what was set in the lab before, and where it is kept.
        """
        super().__init__(session, send, drives)
        self._edit = edit
        self._values = values
        self._ascii = ascii_only
        self._view = "compare"
        self._ready = False  # all widgets are there

    def compose(self) -> ComposeResult:
        """The run's steering, the form, news, and the three views."""
        yield Static("", id="views", markup=False)
        yield LabHead()
        yield LabForm(self._values)
        yield LabMessage(lambda: self._session.ended, self._run, self._ascii)
        yield CompareView(self._ascii)
        yield GridView(ASCII if self._ascii else UNICODE, self._ascii)
        yield LensView(self._ascii)
        yield KeyBar()

    def on_mount(self) -> None:
        """Show the state at once, in the view of what was tried last."""
        self._ready = True
        state = self._session.state
        tried = state.experiment
        self.action_view(KINDS[tried.experiment.kind] if tried is not None else "compare")
        for pane in self.panes():
            pane.show(state)

    def panes(self) -> Iterable[Pane]:
        """What the pump repaints; hidden views too, which keep the last results of their kind."""
        if self._ready:
            for kind in (LabHead, LabForm, LabMessage, CompareView, GridView, LensView):
                yield from cast(Iterable[Pane], self.query(kind))

    @property
    def _form(self) -> LabForm:
        return self.query_one(LabForm)

    @property
    def _grid(self) -> GridView:
        return self.query_one(GridView)

    @property
    def _message(self) -> LabMessage:
        return self.query_one(LabMessage)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Hide what can't be done now from the footer."""
        if action == "give_up":
            return self._may_give_up
        if action == "leave_field":
            return isinstance(self.focused, ValueField | Choice)
        if action == "try":
            return not self._trying
        if action == "apply":
            ended = self._session.ended or self._session.state.status in ENDED
            return self._view != "lens" and not ended
        if action in ("compare_cell", "measure", "accuracy"):
            return self._view == "grid"
        if action in ("layers", "alpha", "mode"):
            return self._view != "lens"
        return True

    # -- views -------------------------------------------------------------------------------

    def action_view(self, view: str) -> None:
        """Show one of the three views."""
        self._view = view
        # All at once: a class takes effect later, and what is not displayed can't be focused.
        for name in VIEWS:
            self.query_one(f"#{name}").display = name == view
        self._form.show_view(view)
        self._draw_views()
        self._say("")
        self._focus_results()
        self.refresh_bindings()

    def _focus_results(self) -> None:
        view = self.query_one(f"#{self._view}")
        self.set_focus(view.table if isinstance(view, GridView) else view)

    def _draw_views(self) -> None:
        parts = [Content("steering lab  ")]
        for number, name in enumerate(VIEWS, 1):
            left, right = "[]" if name == self._view else "  "
            markup = f"[@click=screen.view('{name}')]$left[b $accent]$number[/] $name$right[/]"
            parts.append(
                Content.from_markup(markup, left=left, right=right, number=str(number), name=name)
            )
        self.query_one("#views", Static).update(Content("").join(parts), layout=False)

    def _say(self, wrong: str) -> None:
        """Say what is typed wrong, or the usual message where nothing is."""
        self._message.say_wrong(wrong)
        self._message.show(self._session.state)

    # -- what can be done --------------------------------------------------------------------

    @property
    def _n_layers(self) -> int:
        models = self._session.state.models
        return models.llm_layers if models is not None else 0

    def action_try(self) -> None:
        """Send the experiment, if the run is paused and what is typed is right."""
        state = self._session.state
        problem = obstacle(state, self._session.ended, self._run, keys_for(self.app))
        if problem is not None:
            self._say("")
            self.notify(problem, severity="warning", markup=False, timeout=4)
            return
        try:
            experiment = self._form.experiment(self._n_layers)
        except TypedWrong as error:
            self._say(str(error))
            return
        self._say("")
        self._send(RunExperiment(experiment=experiment))
        self._focus_results()

    def action_leave_field(self) -> None:
        """From a field back to the results; what was typed stays."""
        self._focus_results()

    def _chosen(self) -> SteeringSetting | None:
        """The setting to apply, None after saying why there is none."""
        if self._view == "compare":
            try:
                return self._form.setting("right", self._n_layers)
            except TypedWrong as error:
                self._say(str(error))
                return None
        cell, experiment = self._grid.selected, self._grid.experiment
        if cell is None or experiment is None:
            self.notify("This cell is not measured yet.", severity="warning", timeout=4)
            return None
        changes = {"layers": (cell.layer,), "alpha": cell.alpha}
        return experiment.setting.model_copy(update=changes)

    def action_apply(self) -> None:
        """Edit the run so that it steers with what was chosen here."""
        state = self._session.state
        if state.config is None or not self._n_layers:
            self.notify("The models are still loading.", severity="warning", timeout=4)
            return
        setting = self._chosen()
        if setting is None:
            return
        alpha_is_left = self._view == "compare" and self._form.main_row.typed.leaves_alpha
        edits: list[Edit] = edits_towards(state, setting, alpha_is_left)
        problems = [problem for edit in edits if (problem := edit_problem(state, edit))]
        if problems:
            self.notify("\n".join(map(clean, problems)), severity="error", markup=False)
            return
        if not edits:
            self.notify("The run steers like that already.", timeout=4)
            return
        self._edit(*edits)
        made = "\n".join(clean(edit.describe()) for edit in edits)
        times = "" if len(edits) == 1 else f", {len(edits)} times for all"
        self.notify(
            f"{made}\n{bound_key(self.app, 'undo')} takes it back{times}",
            title=f"From step {state.next_step} on",
            markup=False,
        )

    def action_compare_cell(self) -> None:
        """Take the cell under the cursor as the right setting of a comparison."""
        setting = self._chosen()
        if setting is not None:
            self._form.row("right").typed = Typed.of(setting)
            self.action_view("compare")

    def action_measure(self) -> None:
        """Shade the grid by the next measure."""
        self._grid.next_measure()

    def action_accuracy(self) -> None:
        """Score the templates of the next grid too, or no longer."""
        self._form.accuracy.action_cycle(1)

    def action_settings(self) -> None:
        """Go to the first field of the setting."""
        row = self._form.main_row
        (row.choice("pool") if self._view == "lens" else row.field("layers")).focus()

    def action_layers(self, by: int) -> None:
        """Move the setting's layers."""
        try:
            self._form.move_layers(by, self._n_layers)
        except TypedWrong as error:
            self._say(str(error))

    def action_alpha(self, by: int) -> None:
        """Change the setting's alpha."""
        try:
            self._form.change_alpha(by)
        except TypedWrong as error:
            self._say(str(error))

    def action_mode(self) -> None:
        """Take the setting's next mode."""
        self._form.main_row.choice("mode").action_cycle(1)

    @on(ValueField.Submitted)
    def _submitted(self, event: ValueField.Submitted) -> None:
        event.stop()
        if not self._trying:
            self.action_try()

    @on(ValueField.Changed)
    @on(Choice.Changed)
    def _edited(self) -> None:
        if self._ready:
            self._form.keep_values()
        self._say("")

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        event.stop()
        if event.button.id == "apply":
            self.action_apply()
        elif not self._trying:
            self.action_try()
