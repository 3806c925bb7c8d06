"""The text of the steering pane, and which of it goes where there are few rows. No widget here."""

from __future__ import annotations

import json
import math
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size

from engine.common.wording import counted
from engine.config import SteeringConfig
from engine.run.alpha_trials import TrialSetting, pooled_spread, standard_error
from engine.run.events import AlphaTrial, SteeringMeasured, SteeringPrepared
from engine.run.state import RunState
from engine.search.registry import find_search, is_steered
from engine.steering.modes import MODES
from engine.steering.soundness import remarks, strength_remarks
from glov_tui.cockpit.choices import steered_layers
from glov_tui.cockpit.panes.folding import folded_pair
from glov_tui.common.text import clean

LEAST_BARS, GOOD_BARS = 5, 8  # rows of bars that come before other rows, and before details
NOT_YET = "How the LLM is steered, layer by layer, is shown here once the run has begun."
LABEL = 8  # columns of "lowered "
TOKEN_CELLS = 14  # of a token with its quotes


@dataclass(frozen=True, slots=True)
class Marks:
    """Symbols, with plain twins for terminals without Unicode."""

    chosen: str = "◆"
    plus_minus: str = "±"
    cut: str = "…"


ASCII_MARKS = Marks(chosen="*", plus_minus="+-", cut="~")


def shown_steering(state: RunState, past: bool = False) -> SteeringPrepared | None:
    """Of the step under way, or of the last steered one until that is known.

    ``past``: of this very step, None if it was not steered.
    """
    if past:
        return state.steering
    return state.steering or state.steering_before


def shown_effect(state: RunState, past: bool = False) -> SteeringMeasured | None:
    """Of the step under way, or of the one before until that is known.

    ``past``: of this very step, None if nothing was measured.
    """
    if past or state.steering_effect is not None or state.step_begin is None:
        return state.steering_effect
    return state.step_begin.steering_effect


def shown_trials(state: RunState) -> tuple[AlphaTrial, ...]:
    """The trials that were made with what the configuration steers with now."""
    if state.config is None or not state.trials:
        return ()
    steering = state.config.steering
    layers = steered_layers(state)
    setting = TrialSetting(steering.mode, steering.pool, layers, steering.alpha_unit)
    return state.trials.get(setting, ())


def shown_warnings(state: RunState) -> tuple[str, ...]:
    """What is wrong with the steering, worst first, and what edits that wait will make too strong.

    Each in few words; the log has the sentences.
    """
    last = shown_steering(state)
    if last is None or state.config is None or not is_steered(state.config):
        return ()
    found = [*state.breaking(last), *remarks(last)]
    later = state.with_pending()
    if state.pending and later.config is not None:
        steering, layers = later.config.steering, steered_layers(later)
        ratios = last.ratios if steering.pool == last.pool else ()
        if steering.alpha != "auto":
            setting = steering.mode, layers, steering.alpha, steering.alpha_unit
            found += strength_remarks(*setting, ratios)
    return tuple(dict.fromkeys(clean(r.short) for r in found if r.level == "warning"))


def steering_lines(
    state: RunState, width: int, height: int, marks: Marks, past: bool = False
) -> tuple[list[str], list[str]]:
    """The lines above the bars and those below, each at most ``width`` cells.

    Where rows are few, the bars come first; then the trials of the alphas, several to a row; then
    the effect, in one row at least. How many lines there are depends on the configuration and the
    size alone, so that nothing moves while values come; a warning adds one.
    """
    if width < 1:
        return [], []
    if state.config is None:
        return textwrap.wrap(NOT_YET, width), []
    steering = state.config.steering
    above = _settings(state, width, past)
    if not is_steered(state.config):
        return above, []
    above += [shortened(line, width, marks) for line in _anchors(state, width)]

    layers = state.models.llm_layers if state.models is not None else LEAST_BARS
    warnings = [shortened(f"! {text}", width, marks) for text in shown_warnings(state)]
    above += warnings[: _taken(height - len(above) - min(layers, LEAST_BARS), len(warnings))]
    rest = height - len(above) - min(layers, LEAST_BARS)
    trials = _Trials(state, steering, width, marks) if steering.alpha == "auto" else None
    trial_rows = _taken(rest, trials.packed_rows if trials else 0)
    rest -= trial_rows
    # Rows are kept for the effect before it is known, where it is measured for nothing.
    expected = steering.mode in MODES and MODES[steering.mode].clean_cache
    measured = expected or state.steering_effect is not None
    effect_rows = _taken(rest, 1 if measured else 0)
    rest -= effect_rows
    rest -= _taken(rest, min(layers, GOOD_BARS) - LEAST_BARS)
    token_rows = _taken(rest, 2 if effect_rows else 0)
    rest -= token_rows
    below = []
    if trials is not None:
        full = rest >= trials.count - trial_rows and trial_rows
        below += trials.in_full() if full else trials.packed(trial_rows)
    return above, below + _effect(shown_effect(state, past), width, effect_rows + token_rows, marks)


def _taken(rest: int, wanted: int) -> int:
    return max(0, min(rest, wanted))


def shortened(text: str, width: int, marks: Marks) -> str:
    """``text`` in at most ``width`` cells, with a mark where it was cut."""
    if cell_len(text) <= width:
        return text
    return set_cell_size(text, width - 1).rstrip() + marks.cut


# -- above the bars ----------------------------------------------------------------------------


def _settings(state: RunState, width: int, past: bool) -> list[str]:
    now = _setting(state)
    pending = state.with_pending()
    later = _setting(pending)
    last = shown_steering(state, past)
    assert state.config is not None
    shown = now
    if last is not None and state.config.steering.alpha == "auto" and is_steered(state.config):
        shown += f", now {last.alpha:g}"
    lines = textwrap.wrap(shown, width, subsequent_indent="  ")
    if later != now:
        step = state.pending[-1].step
        lines += textwrap.wrap(f"-> {later} from step {step} on", width, subsequent_indent="  ")
    return lines


def _setting(state: RunState) -> str:
    assert state.config is not None
    steering = state.config.steering
    if not is_steered(state.config):
        kind = state.config.search.kind
        if not find_search(state.config).steers:
            return f"off: {kind} search never steers"
        return "off: the LLM is on a server" if state.config.llm.is_served else "off"
    layers = steered_layers(state)
    where = ", ".join(map(str, layers)) if layers else str(steering.layers)
    plural = "s" if len(layers) > 1 else ""
    alpha = steering.alpha if steering.alpha == "auto" else f"{steering.alpha:g}"
    unit = " of the norm" if steering.alpha_unit == "relative" else ""
    return f"{steering.mode}, layer{plural} {where}, alpha {alpha}{unit}"


def _anchors(state: RunState, width: int) -> list[str]:
    positive, negative = (state.find(key) for key in state.anchors or ("", ""))
    if positive is None or negative is None:
        return ["Not steering yet: no template has beaten the seed.", ""]
    held = "by hand " if state.anchors_held else ""
    part = f"of {counted(negative.n, 'image')} " if state.is_partial(negative) else ""
    heads = (f"P+ {positive.accuracy:.1%} {held}", f"P- {negative.accuracy:.1%} {part}{held}")
    return list(folded_pair(heads, (clean(positive.text), clean(negative.text)), width))


# -- below the bars ----------------------------------------------------------------------------


class _Trials:
    """The alphas that are chosen from, what is known of them, and the one of the last step."""

    def __init__(self, state: RunState, steering: SteeringConfig, width: int, marks: Marks) -> None:
        known = shown_trials(state)
        last = shown_steering(state)
        self._alphas = steering.alphas
        self._known = {trial.alpha: trial for trial in known}
        self._spread = pooled_spread(known)
        self._chosen = last.alpha if last is not None else None
        self._marks = marks
        self._width = width
        self._alpha_width = max(len(f"{alpha:g}") for alpha in self._alphas)
        cell = max(cell_len(self._cell(alpha)) for alpha in self._alphas)
        self._columns = max(1, (width - LABEL + 1) // (cell + 1))

    @property
    def count(self) -> int:
        """Alphas to choose from: rows when each has its own."""
        return len(self._alphas)

    @property
    def packed_rows(self) -> int:
        """Rows when as many as fit share one."""
        return math.ceil(self.count / self._columns)

    def in_full(self) -> list[str]:
        """One line per alpha."""
        return _labelled("reward", [self._sentence(alpha) for alpha in self._alphas])

    def packed(self, rows: int) -> list[str]:
        """Several alphas to a line; where not all have room, the chosen one and the best."""
        if not rows:
            return []
        room = rows * self._columns
        cells = [self._cell(alpha) for alpha in self._alphas]
        if len(cells) > room:
            order = sorted(self._alphas, key=self._importance)
            kept = set(order[: max(1, room - 1)])
            cells = [self._cell(alpha) for alpha in self._alphas if alpha in kept]
            if room > 1:
                cells.append(f" {self.count - len(kept)} more")
        width = max(map(cell_len, cells))
        padded = [set_cell_size(cell, width) for cell in cells]
        starts = range(0, len(padded), self._columns)
        lines = [" ".join(padded[i : i + self._columns]).rstrip() for i in starts]
        return _labelled("reward", lines)

    def _importance(self, alpha: float) -> tuple[bool, float]:
        trial = self._known.get(alpha)
        return alpha != self._chosen, -trial.reward if trial is not None else math.inf

    def _name(self, alpha: float) -> str:
        mark = self._marks.chosen if alpha == self._chosen else " "
        return f"{mark}{alpha:<{self._alpha_width}g}"

    def _cell(self, alpha: float) -> str:
        trial = self._known.get(alpha)
        if trial is None:
            return f"{self._name(alpha)} {'-':>5}{'':>5} (0)  "
        error = f"{100 * standard_error(trial, self._spread):.1f}"
        points = f"{100 * trial.reward:>+5.1f}{self._marks.plus_minus}{error:<4}"
        return f"{self._name(alpha)} {points} {f'({trial.replies})':<5}"

    def _sentence(self, alpha: float) -> str:
        trial = self._known.get(alpha)
        if trial is None:
            what = "being tried" if alpha == self._chosen else "not tried yet"
            return f"{self._name(alpha)}  {what}"
        error = 100 * standard_error(trial, self._spread)
        sign = self._marks.plus_minus
        short = f"{self._name(alpha)} {100 * trial.reward:>+6.1f} {sign} {error:>4.1f}"
        long = f"{short} points, {trial.replies:>4} {'reply' if trial.replies == 1 else 'replies'}"
        return long if LABEL + cell_len(long) <= self._width else f"{short} ({trial.replies})"


def _labelled(label: str, lines: Sequence[str]) -> list[str]:
    return [f"{label if not i else '':<{LABEL}}{line}" for i, line in enumerate(lines)]


def _effect(effect: SteeringMeasured | None, width: int, rows: int, marks: Marks) -> list[str]:
    if not rows:
        return []
    if effect is None:
        return [*_labelled("effect", ["not measured"]), *[""] * (rows - 1)]
    kl = f"KL {effect.kl:.2f}" if effect.kl >= 0.1 else f"KL {effect.kl:.3f}"
    changed = f"{effect.changed:.0%}"
    summary = f"{kl} nats, {changed} of {counted(effect.tokens, 'token')} changed"
    if LABEL + len(summary) > width:
        summary = f"{kl}, {changed} changed"
    lines = _labelled("effect", [summary])
    room = width - LABEL
    if rows == 2:
        half = (room - 2) // 2
        raised = _tokens(effect.raised, half, marks)
        lowered = _tokens(effect.lowered, half, marks)
        lines += _labelled("tokens", [f"{set_cell_size(raised, half)}  {lowered}".rstrip()])
    elif rows == 3:
        lines += _labelled("raised", [_tokens(effect.raised, room, marks)])
        lines += _labelled("lowered", [_tokens(effect.lowered, room, marks)])
    return lines


def _tokens(tokens: Iterable[tuple[str, float]], width: int, marks: Marks) -> str:
    """As many tokens as fit whole, each in quotes with its change."""
    line = ""
    for token, change in tokens:
        piece = f"{quoted(token, marks)} {change:+.2g}"
        longer = f"{line}  {piece}" if line else piece
        if cell_len(longer) > width:
            break
        line = longer
    return line


def quoted(token: str, marks: Marks) -> str:
    """A token made harmless and visible: spaces are between quotes, line ends are escaped."""
    text = clean(json.dumps(token, ensure_ascii=False))[1:-1]
    return f'"{shortened(text, TOKEN_CELLS - 2, marks)}"'
