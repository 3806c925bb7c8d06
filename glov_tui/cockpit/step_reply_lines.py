"""What is shown of a past step's replies: those that are kept, and those that were tried again."""

from __future__ import annotations

from collections.abc import Sequence

from engine.common.wording import counted
from engine.run.experiment import CompareSettings
from engine.run.experiment_state import ExperimentState
from engine.storage.past_step import PastStep
from glov_tui.cockpit.lab.traces import comparison_lines
from glov_tui.common.glyphs import Glyphs
from glov_tui.common.text import clean
from glov_tui.widgets.spans import Line


def kept_lines(past: PastStep, glyphs: Glyphs) -> list[Line]:
    """The replies of the journal, with what came of each."""
    setting = past.setting
    how = "not steered" if setting is None else setting.describe()
    again = f", attempt {past.attempt}" if past.attempt > 1 else ""
    lines: list[Line] = [
        (
            (
                f"Kept in the journal: {counted(len(past.replies), 'reply', 'replies')}{again}, ",
                "strong",
            ),
            (how, "strong"),
        )
    ]
    if past.effect is not None:
        text = (
            f"KL {past.effect.kl:.3f} nats a token; {past.effect.changed:.1%} of "
            f"{counted(past.effect.tokens, 'token')} would have been others without steering"
        )
        lines.append(((text, "dim"),))
    signs = {"new": glyphs.new, "duplicate": glyphs.duplicate, "rejected": glyphs.rejected}
    styles = {"new": "good", "duplicate": "dim", "rejected": "bad"}
    for reply in past.replies:
        accuracy = past.accuracies.get(reply.template or "")
        told = "" if accuracy is None else f"{accuracy:6.1%}"
        lines.append(
            (
                (f"{signs[reply.outcome]} ", styles[reply.outcome]),
                (f"{told:>7} ", ""),
                (clean(reply.reply) or "(empty)", "" if reply.outcome == "new" else "dim"),
            )
        )
    return lines


def is_of_step(tried: ExperimentState | None, step: int) -> bool:
    """Whether an experiment has tried this step again."""
    if tried is None or not isinstance(tried.experiment, CompareSettings):
        return False
    return tried.experiment.step == step


def tried_lines(
    past: PastStep, tried: ExperimentState, width: int, ascii_only: bool, ended: bool
) -> list[Line]:
    """The same prompt and random numbers without steering (left) and with it (right).

    ``ended``: there is no engine any more.
    """
    assert isinstance(tried.experiment, CompareSettings)
    if not tried.left:
        problem = tried.problem
        if problem is None and ended:
            problem = "the engine is gone"
        if problem is not None:
            return [((f"Tried again, and given up: {clean(problem)}", "bad"),)]
        if not tried.total:  # before the first token: a long prompt takes its time
            return [(("Trying: the LLM reads the step's prompt.", "note"),)]
        return [((f"Trying: {tried.done} of {counted(tried.total, 'token')}", "note"),)]
    pair = (tried.experiment.left, tried.experiment.right)
    kept = [reply.reply for reply in past.replies[: len(tried.right)]]
    same = sum(a.strip() == b.text.strip() for a, b in zip(kept, tried.right, strict=False))
    if same == len(kept):
        said = "The steered ones are the run's own, word for word."
    else:
        why = (
            "the run that it was forked from may have had another seed or LLM"
            if past.inherited
            else "these were decoded again, maybe by other versions or on another device"
        )
        said = f"{same} of {len(kept)} steered ones are the run's own, word for word: {why}."
    head: list[Line] = [
        (("Tried again with the step's prompt and random numbers. ", "strong"), (said, "dim"))
    ]
    return [*head, *comparison_lines(tried.left, tried.right, pair, width, ascii_only)]


def how_to_try(past: PastStep, obstacle: str | None) -> Sequence[Line]:
    """What stands where nothing was tried yet."""
    if past.setting is None:
        return [(("This step was not steered: these are its replies without steering.", "dim"),)]
    text = "Replies without steering are not journaled. "
    if obstacle is None:
        text += "enter decodes the step again, without steering and with it, with its own random "
        text += "numbers: nothing of it is journaled either."
    else:
        text += f"To decode them now: {obstacle[:1].lower()}{obstacle[1:]}"
    return [((text, "note"),)]
