"""Templates as a value: whatever grows from it, and in whichever thread, it stays as it was."""

from __future__ import annotations

import threading
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from engine.run.events import Origin
from engine.run.ranking import Proposal, ScoredTemplate, ranked
from engine.run.template_log import TemplateLog


def template(number: int, hits: int = 0, n: int = 10) -> ScoredTemplate:
    """Every third one is a person's; they come in steps of four."""
    origin: Origin = "human" if number % 3 == 2 else "llm"
    first = Proposal(number // 4, 1, number)
    return ScoredTemplate(f"t{number}", f"t{number}", origin, first, hits, n, -1.0, ())


def seen(number: int) -> Proposal:
    return Proposal(2, 1, number)


class Plain:
    """The same by copying everything each time."""

    def __init__(self, templates: tuple[ScoredTemplate, ...] = ()) -> None:
        self.templates = templates

    def with_template(self, one: ScoredTemplate) -> Plain:
        known = {t.key: t for t in self.templates}
        if one.key in known and known[one.key].n >= one.n:
            return self
        new = known[one.key].scored_as(one) if one.key in known else one
        return Plain(tuple({**known, one.key: new}.values()))

    def with_repeat(self, key: str, where: Proposal) -> Plain:
        return Plain(
            tuple(
                replace(t, again=(*t.again, where)) if t.key == key else t for t in self.templates
            )
        )


def same(log: TemplateLog, plain: Plain) -> bool:
    keys = [t.key for t in plain.templates]
    order = tuple(ranked(plain.templates))
    people = tuple(t for t in plain.templates if t.origin == "human")
    return (
        log.all == tuple(log) == plain.templates
        and log.ranking == order
        and [log.rank(t.key) for t in order] == list(range(len(order)))
        and log.rank("none") is None
        and log.images == sum(t.n for t in plain.templates)
        and log.by_people == people
        and all(
            log.since(step) == [t for t in plain.templates if t.first.step >= step]
            for step in (0, 1, 3, 20)
        )
        and len(log) == len(keys)
        and [log.find(key) for key in keys] == list(plain.templates)
        and all((f"t{n}" in log) == (f"t{n}" in keys) for n in range(40))
    )


OPERATIONS = st.tuples(
    st.integers(0, 30), st.sampled_from(["repeat", "new", "more images"]), st.integers(0, 10)
)


@given(st.lists(st.tuples(OPERATIONS, st.booleans()), max_size=40))
def test_every_value_is_what_copies_would_be_whatever_grew_from_it(operations) -> None:
    """Each operation goes on from any value that there is: most of them make branches.

    Some values are looked at as soon as they are there, others after all have grown.
    """
    values = [(TemplateLog(), Plain())]
    for number, ((base, what, hits), looks) in enumerate(operations):
        log, plain = values[-1 - base % len(values)]
        known = plain.templates[hits % len(plain.templates)] if plain.templates else None
        if what == "repeat" and known is not None:
            log = log.with_repeat(known.key, seen(number))
            plain = plain.with_repeat(known.key, seen(number))
        else:
            new = template(len(plain.templates), hits)  # the same key in several branches
            if what == "more images" and known is not None:
                new = replace(known, hits=hits, n=10 + number % 7, again=())
            log, plain = log.with_template(new), plain.with_template(new)
        values.append((log, plain))
        assert not looks or same(log, plain)
    for log, plain in values:
        assert same(log, plain)


def test_a_person_s_template_of_an_earlier_step_does_not_hide_those_of_its_step() -> None:
    late = replace(template(2), first=Proposal(1, 1, 0))  # it waited for its score
    log = TemplateLog()
    for one in (template(0), template(12), late, template(13)):
        log = log.with_template(one)
    assert [t.key for t in log.since(3)] == ["t12", "t13"]


def test_growing_on_shares_what_there_is() -> None:
    log = TemplateLog()
    for number in range(100):
        log = log.with_template(template(number))
    more = log.with_template(template(100))
    assert more._log is log._log
    assert log.with_template(template(101))._log is not log._log  # what is not its own is no part
    assert len(log) == 100 and log.find("t100") is None and more.find("t100") is not None


def test_a_repeat_of_what_is_not_there_is_none() -> None:
    log = TemplateLog().with_template(template(0))
    assert log.with_repeat("t1", seen(1)) is log
    log.with_template(template(1))
    assert log.with_repeat("t1", seen(1)) is log  # it is there in another value only


def test_two_threads_that_go_on_from_one_value_get_each_their_own() -> None:
    base = TemplateLog().with_template(template(0))
    grown: dict[int, TemplateLog] = {}
    ready = threading.Barrier(4)

    def grow(name: int) -> None:
        log = base
        ready.wait()
        for number in range(200):
            log = log.with_template(template(1000 * name + number + 1))
        grown[name] = log

    threads = [threading.Thread(target=grow, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for name, log in grown.items():
        expected = [0, *(1000 * name + number + 1 for number in range(200))]
        assert [t.key for t in log.all] == [f"t{number}" for number in expected]
