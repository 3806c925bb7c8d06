"""Test accuracies that a person asks for in a run under way: between two steps, or in a pause.

What is asked for is journaled and waits until it is measured, so that a run that is taken up again
measures it then. The search never uses any of it.
"""

from __future__ import annotations

from collections.abc import Callable

from engine.common.errors import JournalError, UserError
from engine.common.files import append_traceback
from engine.run import events as ev
from engine.run.commands import CallOffTests, MeasureTest
from engine.run.edits import SetOption
from engine.run.measure_check import measure_problem
from engine.search.strategy import Search
from engine.session.publishing import Publisher
from engine.storage.run_folder import LOG


class Interrupted(Exception):
    """The run is to go on first: what was being measured waits, and is begun again later."""


class _CalledOffError(Exception):
    """What is being measured is no longer wanted."""


class DemandedTests:
    """Those that wait, on the engine's thread."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher
        self._search: Search | None = None
        self.is_closed = False  # all steps are done: the run's own measurements are next
        self._is_busy = False

    def have(self, search: Search) -> None:
        """What measures; before it is loaded all of it waits."""
        self._search = search

    @property
    def can_begin(self) -> bool:
        """Whether something waits that can be measured now."""
        state = self._publisher.state
        ready = self._search is not None and state.test("seed") is not None
        return ready and bool(state.tests_asked) and not (self._is_busy or self.is_closed)

    def ask(self, command: MeasureTest) -> str | None:
        """Have a template wait; or return why not."""
        state = self._publisher.state
        problem = measure_problem(state, command.key)
        if problem is None and self.is_closed:
            problem = (
                "all steps are done, and the best template and the ensemble are measured now; "
                "glov eval measures any other"
            )
        template = state.find(command.key)
        if problem is not None or template is None:
            return f"test refused: {problem}"
        asked = ev.TestAsked(template=template.text, author=command.author, reason=command.reason)
        self._publisher.publish(asked)
        return None

    def call_off(self, command: CallOffTests) -> str | None:
        """Have none wait; or return that there are none."""
        waiting, config = self._publisher.state.tests_asked, self._publisher.state.config
        if not waiting:
            nothing = "no test to call off: none that was asked for is still to be measured"
            every = config.evaluation.best_every if config is not None else 0
            goes_on = f"; the best is measured on, evaluation.best_every = {every}: 0 stops that"
            return f"{nothing}{goes_on}" if every else nothing
        for asked in waiting:
            self._publisher.publish(
                ev.TestDropped(
                    template=asked.template, author=command.author, reason=command.reason
                )
            )
        return None

    def ask_for_best(self) -> None:
        """Have the best template wait where ``evaluation.best_every`` says so.

        Not where its test accuracy is known, and not after the last step, whose end measures it.
        """
        state = self._publisher.state
        if state.config is None:
            return
        every, step = state.config.evaluation.best_every, state.steps_done
        due = every > 0 and 0 < step < state.config.steps and step % every == 0
        best = state.best
        if not due or best is None or state.best_asked_at == step:
            return
        if measure_problem(state, best.key) is None:
            holding = (e for e in reversed(state.edits) if e not in state.pending)
            author = next((e.author for e in holding if _sets_every(e)), "")
            asked = ev.TestAsked(template=best.text, every=every, author=author)
            self._publisher.publish(asked)

    def measure(self, look: Callable[[], None]) -> None:
        """Measure the first that waits.

        Args:
            look: called at each safe point; what it raises ends the measurement, and what was
                asked for waits on.
        """
        assert self._search is not None
        asked = self._publisher.state.tests_asked[0]

        def at_safe_point() -> None:
            look()
            if asked not in self._publisher.state.tests_asked:
                raise _CalledOffError

        self._is_busy = True
        try:
            work = self._search.measure_asked(self._publisher.state, asked)
            self._publisher.publish_all(work, at_safe_point)
        except (_CalledOffError, Interrupted):
            return
        except JournalError:
            raise
        except Exception as error:  # the run itself is whole
            if not isinstance(error, UserError):
                append_traceback(self._publisher.folder / LOG, error)
            problem = str(error) or type(error).__name__
            self._publisher.publish(ev.TestDropped(template=asked.template, problem=problem))
        finally:
            self._is_busy = False


def _sets_every(edited: ev.Edited) -> bool:
    edit = edited.edit
    return isinstance(edit, SetOption) and edit.key == "evaluation.best_every"
