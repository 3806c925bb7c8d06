"""The keys of the cockpit: the one source of the footer, the help and the command palette."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from textual.binding import Binding

from glov_tui.cockpit.choices import ALPHA_STEP
from glov_tui.cockpit.panes.registry import ENTRIES, NUMBERS

TASKS: dict[str, tuple[str, ...]] = {
    "drive": (
        "pause",
        "resume",
        "step_once",
        "take_controls",
        "leave",
        "suspend_process",
    ),
    "edit": ("edit", "inject", "pin", "ban", "options", "undo"),
    "steer": ("layer", "alpha", "mode", "anchor", "hand_back", "lab", "steering_over_time"),
    "look": (
        "why",
        "test",
        "pane",
        "zoom",
        "find",
        "find_next",
        "end_find",
        "history",
        "go_to_step",
        "configuration",
        "details_beside",
        "result",
        "close_result",
        "redraw",
        "help",
        "command_palette",
        "machine",
    ),
    "keep": ("export", "fork", "tell_away", "note"),
    "runs": ("home", "go_to_run", "beside"),
}
"""The actions of the cockpit by what one wants to do, for the help."""

_IDS = {
    "resume": "pause",
    "play": "pause",
    "hold": "pause",
    "layer(-1)": "layer-down",
    "layer(1)": "layer-up",
    "alpha(-1)": "alpha-down",
    "alpha(1)": "alpha-up",
    "speed(-1)": "slower",
    "speed(1)": "faster",
    "go_by(-1)": "step-back",
    "go_by(1)": "step-on",
    "anchor('positive')": "hold-positive",
    "anchor('negative')": "hold-negative",
    "find_next(1)": "find-next",
    "find_next(-1)": "find-before",
    "go_to_run(-1)": "run-before",
    "go_to_run(1)": "next-run",
}
_FIXED = ("pane", "end_find", "close_result")  # a key a pane; what escape does everywhere


def with_ids(bindings: Iterable[Binding]) -> list[Binding]:
    """The bindings with the names that a person's file gives other keys to."""
    return [
        replace(key, id=_IDS.get(key.action, key.action.partition("(")[0].replace("_", "-")))
        if key.action not in _FIXED
        else key
        for key in bindings
    ]


FIND_KEYS: list[Binding] = [
    Binding("n", "find_next(1)", "Next place", tooltip="While a search is open: the next place"),
    Binding("N", "find_next(-1)", "Before", key_display="N", tooltip="And the place before it"),
    Binding("escape", "end_find", "End search", key_display="esc", tooltip="End the search"),
]
"""Keys while a search is open, in place of those that drive a run."""

PAST_KEYS: list[Binding] = [
    Binding("space", "play", "Play", priority=True, tooltip="Play from here"),
    Binding("space", "hold", "Hold", priority=True, tooltip="Hold what is played"),
    Binding("left", "go_by(-1)", "Back", key_display="←", priority=True, tooltip="Back one step"),
    Binding("right", "go_by(1)", "On", key_display="→", priority=True, tooltip="On one step"),
    Binding(
        "home", "go_to_begin", "Begin", priority=True, show=False, tooltip="Go to the seed's score"
    ),
    Binding(
        "end", "go_to_end", "End", priority=True, show=False, tooltip="Go to the journal's end"
    ),
    Binding("minus", "speed(-1)", "Slow", key_display="-", tooltip="Play at a lower speed"),
    Binding(
        "plus,equals_sign", "speed(1)", "Fast", key_display="+", tooltip="Play at a higher speed"
    ),
]
"""Keys of a replay and of a look at earlier steps, in place of those that drive a run."""

KEYS: list[Binding] = [
    *FIND_KEYS,
    Binding("space", "pause", "Pause", tooltip="Pause within one token"),
    Binding("space", "resume", "Go on", tooltip="Go on after a pause, or with a run that ended"),
    Binding("n", "step_once", "One step", tooltip="Run to the end of one step, then pause"),
    Binding("e", "edit", "Edit", tooltip="Edit system prompt, task or the next meta-prompt"),
    Binding("i", "inject", "Inject", tooltip="Score a template of your own at once"),
    Binding("question_mark,f1", "help", "Help", key_display="?", tooltip="All keys"),
    Binding("q", "leave", "Quit", tooltip="Detach, or stop the run; asks which"),
    Binding("R", "home", "Runs", tooltip="To the list of all runs; this one goes on"),
    Binding(
        "less_than_sign",
        "go_to_run(-1)",
        "Run before",
        key_display="<",
        show=False,
        tooltip="To the run before: of the marked ones, else of the list",
    ),
    Binding(
        "greater_than_sign",
        "go_to_run(1)",
        "Next run",
        key_display=">",
        show=False,
        tooltip="To the next run: of the marked ones, else of the list",
    ),
    Binding(
        "v",
        "beside",
        "Beside",
        show=False,
        tooltip="This run and those marked in the list of runs, on one chart",
    ),
    Binding("c", "take_controls", "Take controls", tooltip="Drive the run from this screen"),
    Binding("p", "pin", "Pin", tooltip="Always show this template to the LLM, or no longer"),
    Binding("b", "ban", "Ban", tooltip="Keep this template out of the run, or allow it again"),
    Binding("o", "options", "Options", tooltip="Temperature, top-p, candidates, k and more"),
    Binding("t", "lab", "Lab", tooltip="Steering lab: try other settings while the run is paused"),
    Binding("u", "undo", "Undo", tooltip="Take back the latest edit that still waits"),
    Binding("f", "fork", "Fork", tooltip="Write a fork of the run from the last step that is done"),
    Binding("w", "why", "Why", tooltip="Why did it win? This template beside the best or another"),
    Binding("r", "result", "Result", tooltip="The result of a run that has ended, or put it away"),
    Binding("escape", "close_result", "Close", show=False, tooltip="Put the result away"),
    Binding(
        "C",
        "configuration",
        "Config",
        key_display="C",
        show=False,
        tooltip="The run's whole configuration, and who edited what",
    ),
    Binding(
        "D",
        "details_beside",
        "Details",
        key_display="D",
        show=False,
        tooltip="Keep the details of the selected template open beside the panes",
    ),
    Binding(
        "g",
        "go_to_step",
        "Go to step",
        show=False,
        tooltip="Look at the step of the selected template, log line or value of the chart",
    ),
    Binding(
        "S",
        "steering_over_time",
        "Steering",
        key_display="S",
        show=False,
        tooltip="Steering over time: layers by steps, and what it did to the replies",
    ),
    Binding(
        "M",
        "machine",
        "Machine",
        key_display="M",
        show=False,
        tooltip="CPU, memory, GPUs, tokens per second, where the time went",
    ),
    Binding(
        "T",
        "test",
        "Test",
        key_display="T",
        show=False,
        tooltip="Test accuracy of this template, or of the best every few steps, for you alone",
    ),
    Binding("h", "history", "History", tooltip="Look at earlier steps, and back to live"),
    Binding(
        "left_square_bracket",
        "layer(-1)",
        "Layer -",
        key_display="[",
        show=False,
        tooltip="Steer one decoder layer earlier",
    ),
    Binding(
        "right_square_bracket",
        "layer(1)",
        "Layer +",
        key_display="]",
        show=False,
        tooltip="Steer one decoder layer later",
    ),
    Binding(
        "minus",
        "alpha(-1)",
        "Alpha -",
        key_display="-",
        show=False,
        tooltip=f"Lower alpha by {ALPHA_STEP}",
    ),
    Binding(
        "plus,equals_sign",
        "alpha(1)",
        "Alpha +",
        key_display="+",
        show=False,
        tooltip=f"Raise alpha by {ALPHA_STEP}",
    ),
    Binding("m", "mode", "Mode", show=False, tooltip="Next steering mode"),
    Binding(
        "P",
        "anchor('positive')",
        "P+",
        key_display="P",
        show=False,
        tooltip="Hold this template as P+",
    ),
    Binding(
        "N",
        "anchor('negative')",
        "P-",
        key_display="N",
        show=False,
        tooltip="Hold this template as P-",
    ),
    Binding(
        "H",
        "hand_back",
        "Hand back",
        key_display="H",
        show=False,
        tooltip="Let the optimiser choose P+ and P- again",
    ),
    Binding(
        "slash",
        "find",
        "Find",
        key_display="/",
        show=False,
        tooltip="Look for a text in this pane; templates are filtered",
    ),
    Binding(
        "x",
        "export",
        "Export",
        show=False,
        tooltip="Write a report, a table, a script or a head of what is shown",
    ),
    Binding(
        ",".join(NUMBERS),
        "pane",
        "Panes",
        key_display=f"1-{NUMBERS[-1]}",
        show=False,
        tooltip=f"Go to a pane: {', '.join(entry.title for entry in ENTRIES)}",
    ),
    Binding("ctrl+l", "redraw", "Redraw", show=False, tooltip="Write the whole screen again"),
    Binding(
        "ctrl+z", "suspend_process", "Suspend", show=False, tooltip="To the shell; fg comes back"
    ),
    Binding(
        "ctrl+p", "command_palette", "Commands", show=False, tooltip="All commands, by their names"
    ),
    Binding(
        "a",
        "note",
        "Note",
        show=False,
        tooltip="Note something on the selected template, the step or the run; f2: all notes",
    ),
    Binding(
        "A",
        "tell_away",
        "Told",
        key_display="A",
        show=False,
        tooltip="Be told of this run when away, or not (docs/telling.md)",
    ),
    Binding("z", "zoom", "Zoom", show=False, tooltip="Show one pane only, or all that fit"),
]
