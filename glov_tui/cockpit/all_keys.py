"""Every key there is, by task and then by screen: what the help shows."""

from __future__ import annotations

from textual.binding import Binding
from textual.dom import DOMNode

from glov_tui.cockpit.keys import KEYS, PAST_KEYS, TASKS, with_ids
from glov_tui.cockpit.lab.grid import GridView
from glov_tui.cockpit.panes.accuracy import AccuracyPane
from glov_tui.cockpit.panes.candidates import CandidatesPane
from glov_tui.cockpit.panes.examples import ExamplesPane
from glov_tui.cockpit.panes.log import LogPane
from glov_tui.cockpit.runs.chart import ChartScreen, LogTable
from glov_tui.cockpit.runs.comparison import ComparisonScreen
from glov_tui.cockpit.runs.home import HomeApp, HomeTable, QueryInput
from glov_tui.cockpit.screens.configuration import ConfigScreen
from glov_tui.cockpit.screens.details import DetailsScreen
from glov_tui.cockpit.screens.dialog import Dialog
from glov_tui.cockpit.screens.editor import EditorScreen
from glov_tui.cockpit.screens.export import ExportScreen
from glov_tui.cockpit.screens.fork import ForkScreen
from glov_tui.cockpit.screens.help import HelpScreen, keys_of
from glov_tui.cockpit.screens.inject import InjectScreen, TemplatesArea
from glov_tui.cockpit.screens.injected import InjectedScreen
from glov_tui.cockpit.screens.lab import LabScreen
from glov_tui.cockpit.screens.lab_book import LabBookScreen
from glov_tui.cockpit.screens.machine import MachineScreen
from glov_tui.cockpit.screens.note import NoteScreen
from glov_tui.cockpit.screens.options import OptionsScreen
from glov_tui.cockpit.screens.path import PathScreen
from glov_tui.cockpit.screens.question import QuestionScreen
from glov_tui.cockpit.screens.steering_over_time import SteeringScreen
from glov_tui.cockpit.screens.step_replies import StepRepliesScreen
from glov_tui.cockpit.screens.why import WhyScreen
from glov_tui.widgets.fields import Choice, ValueField
from glov_tui.widgets.find_line import FindLine
from glov_tui.widgets.hbars import HBars
from glov_tui.widgets.heat_map import HeatMap
from glov_tui.widgets.heat_table import HeatTable
from glov_tui.widgets.item_view import ItemView
from glov_tui.widgets.line_chart import LineChart
from glov_tui.widgets.row_table import RowTable
from glov_tui.widgets.text_view import TextView

KINDS: dict[str, tuple[type[DOMNode], ...]] = {
    "templates": (ExamplesPane, RowTable),
    "candidates": (CandidatesPane, ItemView),
    "chart": (AccuracyPane, LineChart),
    "steering": (HBars,),
    "texts": (TextView, LogPane),
    "search, while typing": (FindLine,),
    "inject": (TemplatesArea, InjectScreen, InjectedScreen, PathScreen),
    "editor": (EditorScreen,),
    "options": (OptionsScreen, Choice, ValueField),
    "configuration": (ConfigScreen,),
    "details": (DetailsScreen,),
    "why did it win?": (WhyScreen,),
    "lab book": (NoteScreen, LabBookScreen),
    "fork, export, questions": (ForkScreen, ExportScreen, QuestionScreen),
    "steering lab": (LabScreen, GridView, HeatTable),
    "steering over time": (SteeringScreen, HeatMap, StepRepliesScreen),
    "machine": (MachineScreen,),
    "list of runs": (HomeApp, HomeTable, QueryInput),
    "chart and comparison of runs": (ChartScreen, LogTable, ComparisonScreen),
    "help": (HelpScreen,),
    "any dialog": (Dialog,),
}
"""The widgets and screens with keys of their own."""


def key_groups() -> list[tuple[str, list[Binding]]]:
    """Titles and the keys under them: those of the cockpit by task, then those of each kind."""
    groups = [
        (task, [key for key in with_ids(KEYS) if key.action.partition("(")[0] in actions])
        for task, actions in TASKS.items()
    ]
    groups.append(("replay and history", with_ids(PAST_KEYS)))
    return groups + keys_of(KINDS)
