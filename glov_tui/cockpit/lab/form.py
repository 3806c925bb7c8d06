"""The lab's form: one row of fields for each setting, and how much to decode."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import ClassVar, cast, get_args

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.events import Resize
from textual.widgets import Button, Label

from engine.config import AlphaUnit, Pooling, SteeringMode
from engine.run.experiment import (
    CompareSettings,
    Experiment,
    ReadLens,
    ScanSettings,
    SteeringSetting,
)
from engine.run.state import RunState
from glov_tui.cockpit.choices import ALPHA_STEP
from glov_tui.cockpit.lab.settings import (
    MAX_CELLS,
    LabValues,
    Typed,
    TypedWrong,
    grid_of,
    parse_alphas,
    parse_count,
    parse_layers,
    parse_replies,
    setting_of,
    written,
    written_layers,
)
from glov_tui.widgets.fields import Choice, ValueField

MODES, UNITS, POOLS = (get_args(alias) for alias in (SteeringMode, AlphaUnit, Pooling))
MAX_SEED = 2**31 - 1
NARROW = 74  # cells, below which a row's fields are too wide


class SettingRow(Horizontal):
    """Mode, layers, alpha, unit and pool of one setting."""

    def __init__(self, name: str) -> None:
        super().__init__(id=f"row-{name}", classes="row")
        self._title = name

    def compose(self) -> ComposeResult:
        """One field for each key."""
        yield Label(self._title, classes="name")
        yield Choice(MODES, MODES[0], classes="mode")
        yield ValueField(classes="layers")
        yield ValueField(classes="alpha")
        yield Choice(UNITS, UNITS[0], classes="unit")
        yield Choice(POOLS, POOLS[0], classes="pool")

    @property
    def typed(self) -> Typed:
        """What the fields hold."""
        mode, unit, pool = (self.choice(name).value for name in ("mode", "unit", "pool"))
        return Typed(mode, self.field("layers").value, self.field("alpha").value, unit, pool)

    @typed.setter
    def typed(self, typed: Typed) -> None:
        self.choice("mode").value = typed.mode
        self.field("layers").value = typed.layers
        self.field("alpha").value = typed.alpha
        self.choice("unit").value = typed.unit
        self.choice("pool").value = typed.pool

    def choice(self, name: str) -> Choice:
        """One of the fields with few values."""
        return self.query_one(f".{name}", Choice)

    def field(self, name: str) -> ValueField:
        """One of the fields that are typed into."""
        return self.query_one(f".{name}", ValueField)


class LabForm(Vertical):
    """The rows of the view that is shown, and what to do with them.

    Until somebody changes a row, it follows what the run steers with.
    """

    TITLE: ClassVar[str] = "settings"
    INTERVAL: ClassVar[float] = 0.25
    ROWS: ClassVar[dict[str, tuple[str, ...]]] = {
        "compare": ("left", "right"),
        "grid": ("grid",),
        "lens": ("lens",),
    }
    DEFAULT_CSS = """
    LabForm {
        height: auto;
        .row { height: 1; padding: 0 1; display: none; }
        .row.-shown { display: block; }
        Label { height: 1; }
        .name { width: 7; text-style: bold; }
        .mode { width: 21; margin-right: 1; }
        .layers { width: 2fr; margin-right: 1; min-width: 9; max-width: 40; }
        .alpha { width: 1fr; margin-right: 1; min-width: 9; max-width: 40; }
        .unit { width: 10; margin-right: 1; }
        .pool { width: 11; }
        &.-narrow .name { width: 5; }
        &.-narrow .mode { width: 17; text-overflow: ellipsis; }
        &.-narrow .layers { width: 6; min-width: 6; }
        &.-narrow .alpha { width: 5; min-width: 5; }
        #titles { color: $text-muted; display: block; }
        #titles .name { text-style: none; }
        #row-lens .mode, #row-lens .layers, #row-lens .alpha, #row-lens .unit { display: none; }
        #titles.-lens .mode, #titles.-lens .layers, #titles.-lens .alpha,
        #titles.-lens .unit { display: none; }
        #controls { display: block; }
        #controls Label { margin-right: 1; color: $text-muted; }
        #replies { width: 6; margin-right: 1; }
        #seed { width: 8; margin-right: 1; }
        #accuracy { width: 5; margin-right: 1; }
        #controls Button { min-width: 5; padding: 0 1; margin-right: 1; }
        #controls .-hidden { display: none; }
    }
    """

    def __init__(self, values: LabValues) -> None:
        """``values``: what was set before, and where it is kept."""
        super().__init__()
        self._view = "compare"
        self._values = values
        self._offered: dict[str, Typed] = {}
        self._auto_alpha = 0.0  # what `auto` stands for in a setting
        self._auto_alphas: tuple[float, ...] = ()  # and in a grid

    def compose(self) -> ComposeResult:
        """Titles, all rows, and the controls."""
        with Horizontal(id="titles", classes="row"):
            for name, title in (
                ("name", ""),
                ("mode", "mode"),
                ("layers", "layers"),
                ("alpha", "alpha"),
                ("unit", "alpha is"),
                ("pool", "pool"),
            ):
                yield Label(title, classes=name)
        for names in self.ROWS.values():
            for name in names:
                yield SettingRow(name)
        with Horizontal(id="controls", classes="row"):
            yield Label("replies", classes="decoding")
            yield ValueField(id="replies", classes="decoding")
            yield Label("seed", classes="decoding")
            yield ValueField(id="seed", classes="decoding")
            yield Label("accuracy", classes="scoring")
            yield Choice(("no", "yes"), "no", id="accuracy", classes="scoring")
            for name, title in (("try", "Try (enter)"), ("apply", "Apply (a)")):
                button = Button(title, id=name, compact=True)
                button.can_focus = False  # keys have a key for it
                yield button

    def on_mount(self) -> None:
        """What does not depend on the run."""
        for name, text in self._values.counts.items():
            self._number(name).value = text
        self.show_view("compare")

    def on_resize(self, event: Resize) -> None:
        """Narrower fields, where all of them would not fit."""
        self.set_class(event.size.width < NARROW, "-narrow")

    # -- what is shown -----------------------------------------------------------------------

    def show_view(self, view: str) -> None:
        """Show the rows of a view."""
        self._view = view
        shown = self.ROWS[view]
        for row in self.query(SettingRow):
            row.set_class(row.id in [f"row-{name}" for name in shown], "-shown")
        self.query_one("#titles").set_class(view == "lens", "-lens")
        for widget in self.query(".decoding"):
            widget.set_class(view == "lens", "-hidden")
        for widget in self.query(".scoring"):
            widget.set_class(view != "grid", "-hidden")
        self.query_one("#apply").set_class(view == "lens", "-hidden")
        titles = self.query_one("#titles")
        titles.query_one(".alpha", Label).update("alphas" if view == "grid" else "alpha")

    def fingerprint(self, state: RunState) -> Hashable:
        """What the run steers with."""
        return setting_of(state), grid_of(state)

    def show(self, state: RunState) -> None:
        """Offer what the run steers with in all rows that nobody has changed."""
        now = setting_of(state)
        if now is None or state.config is None:
            return
        self._auto_alpha, self._auto_alphas = now.alpha, state.config.steering.alphas
        typed = Typed.of(now)
        layers, alphas = grid_of(state)
        grid = Typed(now.mode, written_layers(layers), written(alphas), now.alpha_unit, now.pool)
        if grid.mode == "off":
            grid = Typed(MODES[0], grid.layers, grid.alpha, grid.unit, grid.pool)
        left = Typed("off", typed.layers, typed.alpha, typed.unit, typed.pool)
        for name, offer in (("left", left), ("right", typed), ("grid", grid), ("lens", typed)):
            row = self.row(name)
            if name not in self._offered:
                self._offered[name] = offer
                row.typed = self._values.rows.get(name, offer)
            elif row.typed == self._offered[name]:
                row.typed = self._offered[name] = offer

    def keep_values(self) -> None:
        """Keep what differs from what is offered for the next time that the lab is opened."""
        for name, offer in self._offered.items():
            typed = self.row(name).typed
            if typed != offer:
                self._values.rows[name] = typed
            else:
                self._values.rows.pop(name, None)
        for name in self._values.counts:
            self._values.counts[name] = self._number(name).value

    def row(self, name: str) -> SettingRow:
        """One row by its name: left, right, grid or lens."""
        return self.query_one(f"#row-{name}", SettingRow)

    @property
    def main_row(self) -> SettingRow:
        """The row that keys change: the last one in view."""
        return self.row(self.ROWS[self._view][-1])

    def _number(self, name: str) -> ValueField:
        return self.query_one(f"#{name}", ValueField)

    @property
    def accuracy(self) -> Choice:
        """Whether a grid scores the templates that come out."""
        return self.query_one("#accuracy", Choice)

    # -- what is made of it ------------------------------------------------------------------

    def experiment(self, n_layers: int) -> Experiment:
        """What the fields of the view in view ask for; wrong ones are marked.

        Raises:
            TypedWrong: if one can't be used.
        """
        for field in self.query(ValueField):
            field.remove_class("-wrong")
        if self._view == "lens":
            return ReadLens(pool=cast(Pooling, self.row("lens").typed.pool))
        replies = self._checked("replies", parse_replies)
        seed = self._checked("seed", lambda text: parse_count("seed", text, 0, MAX_SEED))
        if self._view == "compare":
            left, right = (self.setting(name, n_layers) for name in ("left", "right"))
            return CompareSettings(left=left, right=right, replies=replies, seed=seed)
        row = self.row("grid")
        typed = row.typed
        try:
            layers = parse_layers(typed.layers, n_layers)
            alphas = parse_alphas(typed.alpha, self._auto_alphas)
            settings = [typed.with_values(layers[:1], alpha) for alpha in alphas]
            if typed.mode == "off":
                raise TypedWrong("mode", "mode: off has no layers and alphas; choose another one")
            if len(layers) * len(alphas) > MAX_CELLS:
                raise TypedWrong(
                    "layers",
                    f"{len(layers)} layers x {len(alphas)} alphas are {len(layers) * len(alphas)} "
                    f"cells; at most {MAX_CELLS} can be tried at once",
                )
        except TypedWrong as error:
            self._mark(row, error)
            raise
        return ScanSettings(
            setting=settings[0],
            layers=layers,
            alphas=alphas,
            replies=replies,
            seed=seed,
            fitness=self.accuracy.value == "yes",
        )

    def setting(self, name: str, n_layers: int) -> SteeringSetting:
        """The setting of a row; a wrong field is marked.

        Raises:
            TypedWrong: if a field can't be used; it says in which row.
        """
        row = self.row(name)
        try:
            return row.typed.setting(n_layers, self._auto_alpha)
        except TypedWrong as error:
            self._mark(row, error)
            raise TypedWrong(error.field, f"{name}: {error}") from None

    def _checked(self, name: str, parse: Callable[[str], int]) -> int:
        field = self._number(name)
        try:
            return parse(field.value)
        except TypedWrong:
            field.add_class("-wrong")
            raise

    def _mark(self, row: SettingRow, error: TypedWrong) -> None:
        for field in row.query(ValueField).filter(f".{error.field}"):
            field.add_class("-wrong")

    # -- keys that change the main row -------------------------------------------------------

    def move_layers(self, by: int, n_layers: int) -> None:
        """Move the layers of the main row, as far as there are layers.

        Raises:
            TypedWrong: if they can't be read.
        """
        row = self.main_row
        layers = parse_layers(row.typed.layers, n_layers)
        moved = {min(n_layers - 1, max(0, layer + by)) for layer in layers}
        row.field("layers").value = written_layers(sorted(moved))

    def change_alpha(self, by: int) -> None:
        """Change the alphas of the main row by steps.

        Raises:
            TypedWrong: if they can't be read.
        """
        row = self.main_row
        alphas = parse_alphas(row.typed.alpha, (self._auto_alpha,))
        row.field("alpha").value = written(round(alpha + by * ALPHA_STEP, 4) for alpha in alphas)
