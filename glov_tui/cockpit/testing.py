"""Test accuracies on demand: ``T``. Only the person sees them; the search never does."""

from __future__ import annotations

from itertools import takewhile

from engine.common.intervals import wilson_interval
from engine.common.wording import counted
from engine.run.commands import CallOffTests, MeasureTest
from engine.run.edits import SetOption
from engine.run.measure_check import measure_cost, measure_problem
from engine.run.ranking import ScoredTemplate
from engine.run.state import RunState
from engine.run.state_facts import ENDED
from engine.storage.run_folder import run_argument
from glov_tui.cockpit.actions import RunActions
from glov_tui.cockpit.bound_keys import KeyOf, bound_key, keys_for
from glov_tui.common.accuracy import with_interval
from glov_tui.common.text import clean, cut

EVERY = 5  # steps, where it is switched on by the key; the options take any number
KEY = "evaluation.best_every"
LOOK_SECONDS = 0.2
SHOWN = 120  # characters of the template


class TestActions(RunActions):
    """Asks what is to be measured, says what it costs, and tells what came of it."""

    __test__ = False  # not a test case, whatever pytest thinks of its name
    _waited_for: set[str]  # keys of templates whose accuracy is told when it is known

    def action_test(self) -> None:
        """Measure the selected template on the test split, or the best every few steps."""
        from glov_tui.cockpit.screens.question import QuestionScreen

        refused = self._why_no_test()
        if refused is not None:
            self.notify(refused, timeout=8)
            return
        state = self.session.state
        key = self._selected()
        template = state.find(key) if key is not None else None
        text, answers = measure_question(self.expected, template, keys_for(self))

        def answered(answer: str | None) -> None:
            if answer == "m" and template is not None:
                self._send(MeasureTest(key=template.key))
                self._tell_of(template)
            elif answer == "e":
                every = 0 if _every(self.expected) else EVERY
                self._edit(SetOption(key=KEY, value=every))
            elif answer == "x":
                self._send(CallOffTests())

        self._open(QuestionScreen("test accuracy", text, answers), answered)

    def _why_no_test(self) -> str | None:
        run = run_argument(self.session.folder)
        how = f"glov eval {run} measures any template on the test split."
        if self.shown is not self.session.state:
            back = bound_key(self, "history")
            return f"Only the present of a run is measured ({back} goes back to it). {how}"
        status = self.session.state.status
        if self.session.ended or status in ENDED:
            again = "" if status == "finished" else f"glov resume {run} brings one back, or "
            return f"The run has no engine any more: {again}{how}"
        return None

    def _tell_of(self, template: ScoredTemplate) -> None:
        """Say what was measured, or why nothing was, as soon as it is known; once, however often
        it was asked for.
        """
        key, text, last = template.key, template.text, self.session.state.log[-1:]
        if key in self._waited_for:
            return
        self._waited_for.add(key)

        def look() -> None:
            state = self.session.state
            known = state.tested(text)
            waits = any(one.template == text for one in state.tests_asked)
            new = takewhile(lambda line: line not in last, reversed(state.log))
            said = next((line for line in new if text in line.text), None)
            if known is not None:
                share = with_interval(known.hits / known.n, wilson_interval(known.hits, known.n))
                images = f"{share} of {counted(known.n, 'image')}."
                only = "Only you see it: the search does not."
                self.notify(f"{images} {only}", title="Test accuracy", timeout=10)
            elif said is not None and said.level == "warning" and not waits:
                self.notify(clean(said.text), severity="warning", timeout=10)
            if known is not None or (said is not None and not waits) or self.session.ended:
                self._waited_for.discard(key)
                timer.stop()

        timer = self.set_interval(LOOK_SECONDS, look)


def measure_question(
    state: RunState, template: ScoredTemplate | None, key: KeyOf
) -> tuple[str, dict[str, str]]:
    """What is asked before anything is measured, and the answers by their keys; ``key`` gives that
    of an action.
    """
    answers = {"n": "No"}
    lines: list[str] = []
    problem = measure_problem(state, template.key) if template is not None else None
    if template is None:
        lines.append("No template that was scored is selected.")
    elif problem is not None:
        problem = problem.replace(template.text, cut(template.text, SHOWN))
        lines.append(clean(f"{problem[:1].upper()}{problem[1:].removesuffix('.')}."))
    else:
        lines += [
            "Measure the test accuracy of this template?",
            cut(clean(template.text), SHOWN),
            f"{measure_cost(state)}. {_when(state, key('pause'))}",
        ]
        answers["m"] = "Measure"
    every = _every(state)
    if every:
        steps = "step" if every == 1 else counted(every, "step")
        lines.append(f"The best is measured every {steps}.")
        answers["e"] = "Best: stop"
    else:
        answers["e"] = f"Best every {EVERY}"
    waiting = len(state.tests_asked)
    if waiting:
        lines.append(f"{waiting} asked for and not measured yet.")
        answers["x"] = "Call off"
    lines.append("You alone see test accuracies: the search never uses them.")
    return "\n\n".join(lines), answers


def _every(state: RunState) -> int:
    config = state.with_pending().config
    return config.evaluation.best_every if config is not None else 0


def _when(state: RunState, pause: str) -> str:
    if state.status == "loading" or (state.progress and state.progress.phase == "loading"):
        return "It begins when the models are loaded."
    if state.status == "paused":
        return "It begins at once."
    if state.step_begin is not None:
        return f"It begins when step {state.step} is done, or in a pause ({pause})."
    return "It begins as soon as it can."
