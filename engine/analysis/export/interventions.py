"""What a person did to a run, in the order in which it was done."""

from __future__ import annotations

from dataclasses import dataclass, replace

from engine.analysis.export.exported import Exported
from engine.analysis.export.wording import percent
from engine.prompts.template import normalise
from engine.run import events as ev
from engine.run.edits import BanTemplate, PinTemplate, SetNextPrompt, SetOption
from engine.run.event_record import asked_by


@dataclass(frozen=True, slots=True)
class Intervention:
    """One thing that a person did. Its texts are untrusted."""

    step: int  # from which it holds, or in which it was done
    kind: str
    what: str
    more: str = ""  # a long text, which need not be read
    note: str = ""
    author: str = ""  # empty: a person at a screen
    reason: str = ""

    @property
    def asked(self) -> str:
        """Who asked for it, and why; empty where that is not known."""
        return asked_by(self.author, self.reason)


def interventions_of(run: Exported, tests: bool = False) -> list[Intervention]:
    """Edits, templates, pins and bans; what was taken back too. ``tests``: also what was tested."""
    undone = {event.number: event for event in run.events if isinstance(event, ev.EditUndone)}
    refused = {normalise(event.template): event.reason for event in run.state.not_scored}
    found: list[Intervention] = []
    injected: set[str] = set()
    step = 0
    for event in run.events:
        match event:
            case ev.StepStarted():
                step = event.step
            case ev.Edited():
                edit = _edit(run, event, _undone(undone.get(event.number)))
                found.append(_signed(edit, event))
            case ev.TemplateInjected() | ev.TemplateScored(origin="human"):
                key = normalise(event.template)
                if key not in injected:  # an earlier glov has journaled the score alone
                    injected.add(key)
                    note = _came_of(run, key, refused.get(key))
                    made = Intervention(event.step, "injected", event.template, note=note)
                    if isinstance(event, ev.TemplateInjected):
                        made = _signed(made, event)
                    found.append(made)
            case ev.InjectionRefused() if normalise(event.template) not in injected:
                found.append(Intervention(step, "not scored", event.template, note=event.reason))
            case ev.TestMeasured(subject="asked") if tests:
                share = f"test accuracy {percent(event.hits / event.n)}, not seen by the search"
                made = Intervention(event.step, "tested", event.templates[0], note=share)
                found.append(replace(made, author=event.author))
            case _:
                pass
    return found


def _signed(made: Intervention, event: ev.Edited | ev.TemplateInjected) -> Intervention:
    return replace(made, author=event.author, reason=event.reason)


def _undone(event: ev.EditUndone | None) -> str:
    if event is None:
        return ""
    said = asked_by(event.author, event.reason)
    return f"taken back before it took effect{f', {said}' if said else ''}"


def _came_of(run: Exported, key: str, refused: str | None) -> str:
    scored = run.state.find(key)
    if scored is None:
        waits = any(normalise(event.template) == key for event in run.state.waiting)
        return f"not scored: {refused}" if refused and not waits else "not scored yet"
    rank = [template.key for template in run.state.ranking].index(scored.key) + 1
    return f"few-shot accuracy {percent(scored.accuracy)}, rank {rank}"


def _edit(run: Exported, event: ev.Edited, note: str) -> Intervention:
    edit = event.edit
    match edit:
        case PinTemplate():
            kind = "pinned" if edit.pinned else "unpinned"
            return Intervention(event.step, kind, _text(run, edit.key), note=note)
        case BanTemplate():
            kind = "banned" if edit.banned else "allowed again"
            return Intervention(event.step, kind, _text(run, edit.key), note=note)
        case SetNextPrompt():
            more = f"{edit.system}\n\n{edit.user}".strip()
            return Intervention(event.step, "edited", edit.describe(), more, note)
        case SetOption(value=str(value)) if len(value) > 60:
            return Intervention(event.step, "edited", edit.describe(), value, note)
        case _:
            return Intervention(event.step, "edited", edit.describe(), note=note)


def _text(run: Exported, key: str) -> str:
    found = run.state.find(key)
    return found.text if found is not None else key
