"""The state of a run as the fold of its events: ``state = state.apply(event)``, pure.

A reader on another thread may keep any state it was given: states are never changed. Resuming,
forking and attaching are folds of the same events elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from engine.common.replacing import replace
from engine.config.editable import with_option
from engine.config.old import written_config
from engine.config.places import with_places
from engine.prompts.message import Message
from engine.prompts.template import normalise
from engine.run import events as ev
from engine.run.asked import with_effect, with_question, with_steering
from engine.run.breaking import replies_counted
from engine.run.edits import BanTemplate, ChooseAnchors, Edit, PinTemplate, SetNextPrompt, SetOption
from engine.run.experiment_state import ExperimentState
from engine.run.log_lines import Said, sentence, with_line
from engine.run.notes import with_note
from engine.run.ranking import Proposal, anchors_after, from_contender
from engine.run.spent import Spent
from engine.run.state_facts import RunFacts, Status
from engine.run.template_scores import scored_template
from engine.steering.soundness import Remark, remarks


@dataclass(frozen=True)  # without slots, for ``replace``
class RunState(RunFacts):
    """Everything that can be known about a run at one moment, as the fold of its events."""

    def apply(self, event: ev.Event) -> RunState:
        """The state after ``event``. Never raises on events that an engine can emit."""
        after = self._folded(event)
        said = sentence(event, self)
        if said is not None:
            after = replace(after, log=with_line(after.log, event.time, said))
        return after._remarked(event)

    def _folded(self, event: ev.Event) -> RunState:
        """The state after ``event``, but for what the log says of it."""
        match event:
            case ev.Progress():
                return replace(self, progress=event)
            case ev.MachineMeasured():
                return replace(self, machine=event)
            case ev.TokensStreamed():
                streams = self.streams or ("",) * len(event.texts)
                joined = tuple(a + b for a, b in zip(streams, event.texts, strict=True))
                return replace(self, streams=joined, thoughts=self._thoughts_with(event.thoughts))
            case ev.RunStarted():
                return replace(
                    self,
                    run=event.run,
                    config=written_config(event.config),
                    status="loading",
                    started_at=event.time,
                )
            case ev.ModelsLoaded():
                return replace(self, models=event, status="running")
            case ev.PlacesSet():
                assert self.config is not None
                return replace(self, config=with_places(self.config, event.places))
            case ev.StepStarted():
                return self._step_started(event)
            case ev.MetaPromptComposed():
                asked = with_question(self.asked, event, self.next_messages is not None)
                state = replace(self, prompt=event, attempt=event.attempt, asked=asked)
                return replace(state, streams=(), thoughts=())
            case ev.SteeringPrepared():
                return replace(self, steering=event, asked=with_steering(self.asked, event))
            case ev.SteeringMeasured():
                asked = with_effect(self.asked, event)
                return replace(self, steering_effect=event, asked=asked)
            case ev.ServerUsed():
                return replace(self, spent=(self.spent or Spent()).with_more(event))
            case ev.ExperimentStarted():
                return replace(self, experiment=ExperimentState(event.experiment))
            case ev.ExperimentProgress() | ev.ExperimentEnded():
                return replace(self, experiment=self.experiment and self.experiment.apply(event))
            case ev.CandidateProposed():
                return self._candidate(event)
            case ev.TemplateScored():
                return self._scored(event)
            case ev.AnchorsMoved():
                return replace(self, anchors=(event.positive, event.negative))
            case ev.StepFinished():
                return self._step_finished(event)
            case ev.TestMeasured():
                return self._without_asked(event, tests=(*self.tests, event))
            case ev.TestDropped():
                return self._without_asked(event)
            case ev.TestAsked():
                at = self.steps_done if event.every else self.best_asked_at
                waiting = (*self.tests_asked, event)
                return replace(self, tests_asked=waiting, best_asked_at=at)
            case ev.Edited():
                return replace(
                    self,
                    edits=(*self.edits, event),
                    edits_made=event.number,
                    pending=(*self.pending, event),
                )
            case ev.EditUndone():
                return self._undone(event)
            case ev.Noted():
                notes = with_note(self.notes, event)
                return replace(self, notes=notes, notes_made=max(self.notes_made, event.number))
            case ev.FinishStarted():
                return self.with_pending()
            case ev.TemplateInjected():
                return replace(self, waiting=(*self.waiting, event))
            case ev.InjectionRefused():
                refused = (*self.not_scored, event)
                return replace(self._without_waiting(event.template), not_scored=refused)
            case ev.RunPaused():
                return replace(self, status="paused", paused_at=event.time)
            case ev.RunResumed():
                status: Status = "running" if self.models else "loading"
                # Waiting is not work: the step counts as begun that much later.
                waited = max(0.0, event.time - self.paused_at) if self.paused_at else 0.0
                begun = self.step_started_at + waited
                return replace(self, status=status, step_started_at=begun, paused_at=0.0)
            case ev.RunForked():
                return replace(self, status="stopped", forked=event)
            case ev.RunReopened():
                # The step is forgotten at once, so that edits made while models load count for it.
                return replace(self._before_step(), status="loading", error=None)
            case ev.RunStopped():
                return self._ended("stopped")
            case ev.RunFailed():
                return replace(self._ended("failed"), error=event.message)
            case ev.RunFinished():
                return self._ended("finished")
            case ev.StepRetried() | ev.Warned():
                return self  # for the log only

    def apply_all(self, events: Iterable[ev.Event]) -> RunState:
        """The state after all events in order."""
        state = self
        for event in events:
            state = state.apply(event)
        return state

    def with_pending(self) -> RunState:
        """The state as all edits that wait will leave it."""
        state = self
        for edited in self.pending:
            state = state._take_effect(edited.edit)
        return replace(state, pending=())

    def _ended(self, status: Status) -> RunState:
        """Without what is true only while an engine is at work."""
        return replace(self, status=status, progress=None, machine=None)

    def _remarked(self, event: ev.Event) -> RunState:
        """With what is to be said of the steering now and was not said before, in the log."""
        state = self
        for remark in self._remarks(event):
            if remark.key not in state.remarked:
                said = Said(remark.text, remark.level)
                log = with_line(state.log, event.time, said)
                state = replace(state, remarked=state.remarked | {remark.key}, log=log)
        return state

    def _remarks(self, event: ev.Event) -> Iterable[Remark]:
        match event:
            case ev.SteeringPrepared():
                return remarks(event)
            case ev.StepFinished():
                return self.breaking(self.steering)
        return ()

    def _before_step(self) -> RunState:
        """Without the step that was cut off, which begins again, but with what a person did."""
        if self.step_begin is None:
            return self
        before = replace(
            self.step_begin,
            machine=self.machine,
            log=self.log,
            remarked=self.remarked,
            spent=self.spent,
            edits=self.edits,
            edits_made=self.edits_made,
            pending=self._still_pending(self.step_begin.pending),
            waiting=self.waiting,
            not_scored=self.not_scored,
            notes=self.notes,
            notes_made=self.notes_made,
            tests=self.tests,  # a step has none of its own before its end
            tests_asked=self.tests_asked,
            best_asked_at=self.best_asked_at,
        )
        for template in self.templates:
            if template.origin == "human":  # scored once and for all
                before = replace(before, scored=before.scored.with_template(template))
        return before

    def _step_started(self, event: ev.StepStarted) -> RunState:
        before = self._before_step()
        state = replace(
            before,
            status=self.status,
            models=self.models,
            step_begin=before,
            step=event.step,
            attempt=1,
            step_started_at=event.time,
            steering=None,
            steering_before=before.steering or before.steering_before,
            steering_effect=None,
            candidates=(),
            streams=(),
            thoughts=(),
        )
        due = [edited for edited in state.pending if edited.step <= event.step]
        for edited in due:
            state = state._take_effect(edited.edit)
        return replace(state, pending=tuple(e for e in state.pending if e.step > event.step))

    def _still_pending(self, at_begin: tuple[ev.Edited, ...]) -> tuple[ev.Edited, ...]:
        """Edits of before the step that was cut off, and those made during it."""
        numbers = {edited.number for edited in at_begin}
        return (*at_begin, *(e for e in self.pending if e.number not in numbers))

    def _take_effect(self, edit: Edit) -> RunState:
        match edit:
            case SetOption():
                assert self.config is not None
                return replace(self, config=with_option(self.config, edit.key, edit.value))
            case SetNextPrompt():
                messages: list[Message] = [{"role": "user", "content": edit.user}]
                if edit.system:
                    messages.insert(0, {"role": "system", "content": edit.system})
                return replace(self, next_messages=tuple(messages))
            case PinTemplate():
                return replace(self, pinned=_toggled(self.pinned, edit.key, edit.pinned))
            case BanTemplate():
                state = replace(self, banned=_toggled(self.banned, edit.key, edit.banned))
                if not state.anchors_held and state.anchors and edit.key in state.anchors:
                    return replace(state, anchors=state._free_anchors())
                return state
            case ChooseAnchors():
                if edit.positive is None or edit.negative is None:
                    automatic = self._free_anchors()
                    return replace(self, anchors=automatic, anchors_held=False)
                return replace(self, anchors=(edit.positive, edit.negative), anchors_held=True)

    def _free_anchors(self) -> tuple[str, str] | None:
        return anchors_after(from_contender(self.allowed, self.is_partial), self.seed)

    def _undone(self, event: ev.EditUndone) -> RunState:
        edits = tuple(e for e in self.edits if e.number != event.number)
        pending = tuple(e for e in self.pending if e.number != event.number)
        begin = self.step_begin and self.step_begin._without(event.number)
        return replace(self, edits=edits, pending=pending, step_begin=begin)

    def _without(self, number: int) -> RunState:
        return replace(self, pending=tuple(e for e in self.pending if e.number != number))

    def _thoughts_with(self, added: tuple[str, ...]) -> tuple[str, ...]:
        thoughts = self.thoughts or ("",) * len(added)
        return tuple(a + b for a, b in zip(thoughts, added, strict=True)) if added else thoughts

    def _without_asked(self, event: ev.TestMeasured | ev.TestDropped, **changes: Any) -> RunState:
        """Without a template among those that wait for their test accuracy."""
        if isinstance(event, ev.TestDropped):
            template = event.template
        elif event.subject == "asked":
            template = event.templates[0]
        else:
            return replace(self, **changes)
        left = tuple(one for one in self.tests_asked if one.template != template)
        return replace(self, tests_asked=left, progress=None, **changes)

    def _without_waiting(self, template: str) -> RunState:
        if not self.waiting:
            return self
        key = normalise(template)
        left = tuple(e for e in self.waiting if normalise(e.template) != key)
        return replace(self, waiting=left)

    def _candidate(self, event: ev.CandidateProposed) -> RunState:
        state = replace(self, candidates=(*self.candidates, event))
        if event.outcome == "duplicate" and event.template is not None:
            seen = Proposal(event.step, event.attempt, event.candidate)
            scored = self.scored.with_repeat(normalise(event.template), seen)
            state = replace(state, scored=scored)
        return state

    def _scored(self, event: ev.TemplateScored) -> RunState:
        known = self.find(normalise(event.template))
        if known is not None and event.n <= known.n:
            return self
        scored = scored_template(event, self.candidates, self.models)
        state = replace(self, scored=self.scored.with_template(scored))
        return state._without_waiting(event.template)

    def _step_finished(self, event: ev.StepFinished) -> RunState:
        steering = self.steering if self.steering and self.steering.step == event.step else None
        replies = [c for c in self.candidates if c.step == event.step]
        unsteered, trials = replies_counted(
            replies, steering, self.find, self.unsteered, self.trials
        )
        return replace(
            self,
            unsteered=unsteered,
            trials=trials,
            step=event.step,
            steps=(*self.steps, event),
            progress=None,
            step_begin=None,
            next_messages=None,
        )


def _toggled(keys: frozenset[str], key: str, on: bool) -> frozenset[str]:
    return keys | {key} if on else keys - {key}
