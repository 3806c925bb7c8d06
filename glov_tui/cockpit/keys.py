"""The keys of the cockpit: the one source of the footer, the help and the command palette."""

from __future__ import annotations

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
    "steer": ("layer", "alpha", "mode", "anchor", "hand_back", "lab"),
    "look": ("why", "pane", "zoom", "filter", "history", "redraw", "help", "command_palette"),
    "keep": ("export", "fork", "tell_away"),
}
"""The actions of the cockpit by what one wants to do, for the help."""

PAST_KEYS: list[Binding] = [
    Binding("space", "play", "Play", priority=True, tooltip="Play, or hold"),
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
    Binding("space", "pause", "Pause", tooltip="Pause within one token"),
    Binding("space", "resume", "Go on", tooltip="Go on after a pause"),
    Binding("n", "step_once", "One step", tooltip="Run to the end of one step, then pause"),
    Binding("e", "edit", "Edit", tooltip="Edit system prompt, task or the next meta-prompt"),
    Binding("i", "inject", "Inject", tooltip="Score a template of your own at once"),
    Binding("question_mark,f1", "help", "Help", key_display="?", tooltip="All keys"),
    Binding("q", "leave", "Quit", tooltip="Detach, or stop the run; asks which"),
    Binding("c", "take_controls", "Take controls", tooltip="Drive the run from this screen"),
    Binding("p", "pin", "Pin", tooltip="Always show this template to the LLM, or no longer"),
    Binding("b", "ban", "Ban", tooltip="Keep this template out of the run, or allow it again"),
    Binding("o", "options", "Options", tooltip="Temperature, top-p, candidates, k and more"),
    Binding("t", "lab", "Lab", tooltip="Steering lab: try other settings while the run is paused"),
    Binding("u", "undo", "Undo", tooltip="Take back the latest edit that still waits"),
    Binding("f", "fork", "Fork", tooltip="Write a fork of the run from the last step that is done"),
    Binding("w", "why", "Why", tooltip="Why did it win? This template beside the best or another"),
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
        "slash", "filter", "Filter", key_display="/", show=False, tooltip="Filter the templates"
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
        "A",
        "tell_away",
        "Told",
        key_display="A",
        show=False,
        tooltip="Be told of this run when away, or not (docs/telling.md)",
    ),
    Binding("z", "zoom", "Zoom", show=False, tooltip="Show one pane only, or all that fit"),
]
