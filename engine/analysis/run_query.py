"""The query of a list of runs: words, and ``key:value`` forms, all of which have to hold.

``clip state:running,paused best>80 -data:dtd`` is a query. A word is looked for in the name, the
data set and the models; ``-`` before a term turns it round; quotes hold spaces together.
"""

from __future__ import annotations

import difflib
import fnmatch
import math
import operator
import re
import shlex
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal, get_args

from engine.analysis.listed_run import ListedRun
from engine.common.errors import ConfigError
from engine.common.wording import listed
from engine.storage.run_status import RunStatus

Order = Literal["newest", "best", "name"]
ORDERS: tuple[Order, ...] = get_args(Order)

Test = Callable[[ListedRun], bool]

LOADING = "loading"
STATES: tuple[str, ...] = (*get_args(RunStatus), LOADING)
"""As lists of runs say them: one that runs, and has no models yet, is loading."""

_TEXTS: dict[str, Callable[[ListedRun], tuple[str | None, ...]]] = {
    "name": lambda run: (run.name,),
    "data": lambda run: (run.dataset,),
    "model": lambda run: (run.vlm, run.llm),
    "vlm": lambda run: (run.vlm,),
    "llm": lambda run: (run.llm,),
    "search": lambda run: (run.search,),
    "parent": lambda run: (run.parent,),
    "template": lambda run: (run.best_template,),
}
_NUMBERS: dict[str, Callable[[ListedRun], float | None]] = {
    "best": lambda run: _percent(run.train_accuracy),
    "test": lambda run: _percent(run.test_accuracy),
    "step": lambda run: None if run.is_sweep else run.done,
    "steps": lambda run: None if run.is_sweep else run.planned,
    "seed": lambda run: run.seed,
    "age": lambda run: None if run.last_event is None else max(0.0, time.time() - run.last_event),
}
_OTHER_NAMES = {
    "status": "state",
    "dataset": "data",
    "is": "kind",
    "fork": "parent",
    "train": "best",
}
KEYS: tuple[str, ...] = ("state", *_TEXTS, *_NUMBERS, "kind")
"""The keys of a query."""

_KINDS = ("run", "sweep", "fork")
_COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
    "=": operator.eq,
}
_FORM = re.compile(r"(?P<key>[A-Za-z_]+)(?P<sign>:(?:>=|<=|>|<|=)?|>=|<=|>|<|=)(?P<value>.*)", re.S)
_AGE = re.compile(r"(?P<number>[0-9.]+)(?P<unit>s|m|min|h|d|w)")
_SECONDS = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}


@dataclass(frozen=True)
class RunQuery:
    """What a run has to be to be listed."""

    text: str = ""
    tests: tuple[Test, ...] = ()
    is_timed: bool = False  # whether what holds changes as time passes

    def holds(self, run: ListedRun) -> bool:
        """Whether the run is what is asked for."""
        return all(test(run) for test in self.tests)


def parse_query(text: str) -> RunQuery:
    """A query as it was typed; an empty one holds for every run.

    Raises:
        ConfigError: saying which part of it is wrong, and what is allowed.
    """
    try:
        words = shlex.split(text, posix=True)
    except ValueError:
        raise ConfigError('a quote is not closed: write "two words" with two') from None
    is_timed = any(_key(word.lstrip("-")) == "age" for word in words)
    return RunQuery(text, tuple(_term(word) for word in words), is_timed)


def without_unfinished(text: str) -> str | None:
    """A query that is being typed, without its last word, where that may become a form: ``be`` of
    ``clip be``, on the way to ``clip best>80``. None where it is a word for itself.
    """
    rest, _, last = text.rpartition(" ")
    begun = last.lstrip("-").casefold()
    may_become = any(key.startswith(begun) for key in (*KEYS, *_OTHER_NAMES))
    return rest if last and may_become and "\\" not in rest else None


def sort_runs(runs: Iterable[ListedRun], order: Order) -> list[ListedRun]:
    """The runs in an order: those written to last first, the highest few-shot accuracy, or the
    name; what is equal in it is by name.
    """
    by_name = sorted(runs, key=lambda run: _natural(run.name))
    match order:
        case "newest":
            return sorted(by_name, key=lambda run: -(run.last_event or 0.0))
        case "best":
            return sorted(by_name, key=lambda run: -_or_least(run.train_accuracy))
        case "name":
            return by_name


def _term(word: str) -> Test:
    bare = word.lstrip("-")
    if bare and bare != word:
        test, wanted = _term(bare), (len(word) - len(bare)) % 2 == 0
        return lambda run: test(run) == wanted
    form = _FORM.fullmatch(word)
    if form is None:
        return _has_word(word)
    name, sign, value = form["key"].casefold(), form["sign"], form["value"]
    key = _OTHER_NAMES.get(name, name)
    if key not in KEYS:
        if "/" in value or "\\" in value:  # a path or an address, not a form
            return _has_word(word)
        close = difflib.get_close_matches(key, KEYS, 1, 0.7)
        meant = f"; is it {close[0]}?" if close else ""
        raise ConfigError(f"{form['key']}: there is no such key{meant} Keys: {', '.join(KEYS)}")
    if not value:
        raise ConfigError(f"{word}: what is to come after it? {_example(key)}")
    if key in _NUMBERS:
        return _number(key, sign.lstrip(":") or "=", value)
    if sign not in (":", "="):
        raise ConfigError(f"{word}: {key} is no number; write {key}:{value}")
    values = [one for one in value.split(",") if one]
    if key == "state":
        states = {state for one in values for state in _states(one)}
        return lambda run: run.status in states or (LOADING in states and run.is_loading)
    if key == "kind":
        tests = [_kind(one) for one in values]
        return lambda run: any(test(run) for test in tests)
    of = _TEXTS[key]
    return lambda run: any(_matches(one, text) for one in values for text in of(run) if text)


def _example(key: str) -> str:
    if key == "state":
        return f"States: {', '.join(STATES)}"
    if key == "kind":
        return f"Kinds: {', '.join(_KINDS)}"
    if key == "age":
        return "As in age<2h"
    return f"As in {key}>50" if key in _NUMBERS else f"As in {key}:some-word"


def _has_word(word: str) -> Test:
    def test(run: ListedRun) -> bool:
        texts = (run.name, run.dataset, run.vlm, run.llm)
        return any(_matches(word, text) for text in texts if text)

    return test


def _matches(wanted: str, text: str) -> bool:
    """Whether a text has it in it, whatever the case; with * or ? it is a pattern for the whole."""
    wanted, text = wanted.casefold(), text.casefold()
    if "*" in wanted or "?" in wanted:
        return fnmatch.fnmatchcase(text, wanted)
    return wanted in text


def _key(word: str) -> str | None:
    """The key of a form."""
    form = _FORM.fullmatch(word)
    name = form["key"].casefold() if form is not None else None
    return None if name is None else _OTHER_NAMES.get(name, name)


def _states(text: str) -> list[str]:
    found = [state for state in STATES if state.startswith(text.casefold())]
    if not found:
        raise ConfigError(f"state:{text}: there is no such state. States: {', '.join(STATES)}")
    return found


def _kind(text: str) -> Test:
    match text.casefold():
        case "run":
            return lambda run: not run.is_sweep
        case "sweep":
            return lambda run: run.is_sweep
        case "fork":
            return lambda run: run.parent is not None
    raise ConfigError(f"kind:{text}: a row is a {listed(_KINDS, 'or')}")


def _number(key: str, sign: str, value: str) -> Test:
    if key == "age":
        found = _AGE.fullmatch(value)
        number = _as_number(found["number"]) if found is not None else math.nan
        if found is None or math.isnan(number):
            raise ConfigError(f"{key}{sign}{value}: write an age as 30min, 2h or 7d")
        wanted = number * _SECONDS[found["unit"]]
    else:
        wanted = _as_number(value.removesuffix("%"))
        if math.isnan(wanted):
            raise ConfigError(f"{key}{sign}{value}: {value} is no number. {_example(key)}")
    of, compare = _NUMBERS[key], _COMPARISONS[sign]
    if sign == "=" and key in ("best", "test"):  # as they are shown

        def compare(a: float, b: float) -> bool:
            return abs(a - b) < 0.05 + 1e-9

    def test(run: ListedRun) -> bool:
        found = of(run)
        return found is not None and compare(found, wanted)

    return test


def _as_number(text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        return math.nan
    return found if math.isfinite(found) else math.nan


def _percent(share: float | None) -> float | None:
    return None if share is None else 100.0 * share


def _or_least(accuracy: float | None) -> float:
    return -1.0 if accuracy is None else accuracy


def _natural(name: str) -> tuple[tuple[bool, int, str], ...]:
    """Numbers in names in their order: run-9 before run-10."""
    parts = re.split(r"([0-9]{1,18})", name.casefold())
    return tuple(
        (True, int(part), "") if part.isdecimal() and part.isascii() else (False, 0, part)
        for part in parts
    )
