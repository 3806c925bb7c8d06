"""Moments at which to kill a run, spread evenly over what a run does.

An undisturbed run says what facts there are and how long each takes. So there are as many kills
in the few milliseconds of scoring the seed as in the third of a second of loading.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from engine.run.events import Event
from engine.storage.journal import fold_journal, is_begun, read_journal

SHORT_SECONDS = 0.005  # too short to be sure to hit it from outside
NOTHING = "nothing"  # the process has written no fact yet


@dataclass(frozen=True)
class KillPoint:
    """``seconds`` after a process has written ``count`` facts of this kind."""

    kind: str
    count: int
    seconds: float

    @property
    def at_once(self) -> bool:
        """Before the process does anything else: often it writes several in a millisecond."""
        return self.count > 0 and self.seconds == 0


class KillPoints:
    """Chooses, of what a run has still to do, what was chosen least often until now."""

    def __init__(self, undisturbed: Path, begun: float, ended: float) -> None:
        """``undisturbed`` is a run's folder; its process was there from ``begun`` to ``ended``."""
        self._facts = read_journal(undisturbed).events
        times = [begun, *(fact.time for fact in self._facts), ended]
        self._gaps = [max(b - a, 1e-4) for a, b in pairwise(times)]  # the first one before all
        self._loaded = next(n for n, fact in enumerate(self._facts) if fact.kind == "models-loaded")
        self._ends = [
            n for n, (fact, after) in enumerate(pairwise(self._facts)) if _ends_step(fact, after)
        ]

    def choose(self, folder: Path, chosen: Counter[str], chance: random.Random) -> KillPoint | None:
        """For a process that starts this run or takes it up; None where there is nothing to do.

        What is chosen is among the next few that were chosen least often, or most would be in the
        last steps: a kill never goes back.
        """
        ahead = self._ahead(folder)
        if not ahead:
            return None
        least = min(chosen[name] for name in ahead)
        name = chance.choice([name for name in ahead if chosen[name] == least][:3])
        chosen[name] += 1
        points = ahead[name]
        slow = [point for point in points if point.seconds > SHORT_SECONDS]
        if slow and chance.random() < 0.6:  # on the way to the next fact
            point = chance.choice(slow)
            return replace(point, seconds=chance.uniform(0, point.seconds))
        return replace(chance.choice(points), seconds=0)

    def _ahead(self, folder: Path) -> dict[str, list[KillPoint]]:
        """All facts that are still to be written, in order, by kind and step.

        Each has the seconds from it to the next one.
        """
        ahead = {NOTHING: [KillPoint(NOTHING, 0, self._gaps[0])]}
        first, done = 0, []
        if is_begun(folder):
            facts = read_journal(folder).events
            state = fold_journal(folder, facts)
            if state.status == "finished":
                return {}
            done = [fact.comparable() for fact in facts if _is_a_persons(fact)]
            start = "run-reopened" if len(facts) > 1 else "warned"
            ahead[start] = [KillPoint(start, 1, self._gaps[1])]
            ahead["models-loaded"] = [KillPoint("models-loaded", 1, self._gaps[self._loaded + 1])]
            first = self._loaded + 1
            if state.test("seed") is not None:  # a step under way is begun anew
                first = self._ends[state.steps_done] + 1
        counts: Counter[str] = Counter()
        for fact, seconds in zip(self._facts[first:], self._gaps[first + 1 :], strict=True):
            if _is_a_persons(fact) and fact.comparable() in done:
                continue
            counts[fact.kind] += 1
            point = KillPoint(fact.kind, counts[fact.kind], seconds)
            ahead.setdefault(f"{fact.kind} {getattr(fact, 'step', '')}", []).append(point)
        return ahead


def kinds(folder: Path) -> list[str]:
    """Of all facts of a run; none where it was not begun."""
    return [fact.kind for fact in read_journal(folder).events] if is_begun(folder) else []


def _ends_step(fact: Event, after: Event) -> bool:
    """Whether a run that is killed between these two goes on from there: step 0 is the seed."""
    if fact.kind == "test-measured":  # of the step's end, with which it is one append
        return fact.subject == "seed" or after.kind not in ("test-measured", "run-finished")
    return fact.kind == "step-finished" and after.kind != "test-measured"


def _is_a_persons(fact: Event) -> bool:
    """Whether it is there for good, whatever step it was in."""
    if fact.kind == "template-scored":
        return fact.origin == "human"
    return fact.kind in ("template-injected", "edited")
