"""What racing saves on the demo, and what it costs: images, seconds and test accuracy.

    python -m benchmarks.racing --seeds 16                        # the dual encoder
    python -m benchmarks.racing --seeds 10 --vlm llava --lines llava.jsonl

Each seed is run with ``search.racing`` and without, in one process. The two soon ask the LLM other
questions, so their test accuracies differ by the luck of two searches, which takes many pairs to
average out. So the templates of the run without are also raced: the LLM's replies are those of
that run, whatever happens to their templates. What is best and in the ensemble then differs
by what the race dropped, and by nothing else.

The seconds are process time between the replies and the scores of such a replay, with racing and
without. With a dual encoder there is nothing to save: its work is the text.

``--lines`` names a file with a line of JSON for each of a seed's four runs. What it has is not run
again, so that the work can be done in pieces. The last line of the output is JSON.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Generator, Iterable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from engine.common.kept import Kept
from engine.common.statistics import sign_flip_test, spread
from engine.config import SamplingConfig
from engine.config.toml_file import load_config
from engine.llm.halving import HalvingLLM
from engine.llm.interface import LanguageModel, Reply, SteeringShift, TokenColumn
from engine.prompts.message import Message
from engine.run import events as ev
from engine.run.emitting import one_by_one
from engine.run.state import RunState
from engine.search.proposing import ProposingSearch
from engine.session.loading import load_search
from engine.steering.direction import Steering

PRESETS = {"clip": "demo", "llava": "demo-llava"}

WAYS = {
    "racing": (True, False),
    "without": (False, False),
    "replay": (True, True),
    "replay_without": (False, True),
}
"""Whether templates race, and whether the LLM's replies are those of the run ``without``."""


def main() -> None:
    """Print a table, the paired differences, and all of it as JSON."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--vlm", choices=PRESETS, default="clip")
    options.add_argument("--seeds", type=int, default=5)
    options.add_argument("--first", type=int, default=0, help="first seed")
    options.add_argument("--steps", type=int, default=20)
    options.add_argument("--shots", type=int, default=5)
    options.add_argument("--lines", type=Path, help="file of what was measured before, and is now")
    options.add_argument(
        "--set", action="append", default=[], help="key=value of the configuration"
    )
    chosen = options.parse_args()
    overrides = [f"steps={chosen.steps}", f"data.shots={chosen.shots}", *chosen.set]
    print(f"{PRESETS[chosen.vlm]}, {chosen.steps} steps, {chosen.shots} shots; all in percent")
    print("looked at: of all images; replay: the templates of the run without racing, raced")
    rows, kept = measured_before(chosen.lines), Kept()
    names = ("seed", "looked at", "replay", "seconds", "best", "without", "replay")
    print("  ".join(f"{name:>9}" for name in (*names, "ensemble", "without", "replay")))
    for seed in range(chosen.first, chosen.first + chosen.seeds):
        row = rows.setdefault(seed, {})
        for way in WAYS:
            if way not in row:
                values = [*overrides, f"seed={seed}"]
                row[way] = measure(way, row, PRESETS[chosen.vlm], values, kept)
                if chosen.lines is not None:
                    with chosen.lines.open("a") as file:
                        file.write(json.dumps({"seed": seed, "way": way, **row[way]}) + "\n")
        print_row(seed, row)
    whole = {seed: row for seed, row in sorted(rows.items()) if len(row) == len(WAYS)}
    result = summary(list(whole.values()))
    print_summary(result)
    for row in whole.values():
        del row["without"]["replies"]
    print(json.dumps({"vlm": chosen.vlm, "overrides": overrides, **result, "runs": whole}))


def measured_before(lines: Path | None) -> dict[int, dict[str, Any]]:
    """What a file has of each seed, by way."""
    rows: dict[int, dict[str, Any]] = {}
    if lines is not None and lines.exists():
        for line in lines.read_text().splitlines():
            found = json.loads(line)
            rows.setdefault(found.pop("seed"), {})[found.pop("way")] = found
    return rows


# -- runs --------------------------------------------------------------------------------------


def measure(
    way: str, before: dict[str, Any], preset: str, overrides: Sequence[str], kept: Kept
) -> dict[str, Any]:
    """One of a seed's runs; ``before`` has those before it."""
    racing, replays = WAYS[way]
    values = [*overrides, f"search.racing={str(racing).lower()}"]
    if replays:
        values.append("steering.mode=off")
    search = load_search(load_config(preset, values), lambda *_: None, lambda _: None, None, kept)
    assert isinstance(search, ProposingSearch)
    if replays:
        search = replace(search, llm=Recorded(search.llm, before["without"]["replies"]))
    found = run(search)
    if way != "without":
        del found["replies"]
    if way == "replay_without":
        same = ("images", "best", "ensemble", "members")
        assert [found[key] for key in same] == [before["without"][key] for key in same]
    return found


def run(search: ProposingSearch) -> dict[str, Any]:
    """What came of a run, accuracies as shares of the test split, and the LLM's replies."""
    begun = ev.RunStarted(run="r", config=search.config.model_dump(mode="json"), versions={})
    state = RunState().apply_all([begun, search.models_loaded(seconds=0.0)])
    replies: dict[tuple[int, int], list[Reply]] = {}  # by step and attempt
    seconds = 0.0
    for part in (search.begin, *[search.step] * search.config.steps, search.finish):
        before = time.process_time()
        for event in one_by_one(part(state)):
            after = time.process_time()
            if is_scoring(event):
                seconds += after - before
            before = after
            if isinstance(event, ev.CandidateProposed):
                replies.setdefault((event.step, event.attempt), []).append(reply_of(event))
            state = state.apply(event)
    best, ensemble = state.test("best"), state.test("ensemble")
    assert best is not None and ensemble is not None
    images, of_all = state.images_scored
    return {
        "images": images,
        "of_all": of_all,
        "templates": len(state.templates),
        "on_all": len([t for t in state.templates if not state.is_partial(t)]),
        "seconds": seconds,
        "best": best.hits / best.n,
        "ensemble": ensemble.hits / ensemble.n,
        "members": list(ensemble.templates),
        "replies": [[asdict(reply) for reply in some] for some in replies.values()],
    }


def is_scoring(event: ev.Event) -> bool:
    """Whether what led to an event is work on the training images."""
    scoring = isinstance(event, ev.Progress) and event.phase in ("scoring", "ensemble")
    return scoring or isinstance(event, ev.TemplateScored)


class Recorded(HalvingLLM):
    """Replies as an LLM did in a run, attempt by attempt, whatever it is asked."""

    def __init__(self, llm: LanguageModel, replies: Iterable[list[dict[str, Any]]]) -> None:
        super().__init__(llm, lambda _: None)
        self._attempts = iter(replies)

    def propose(
        self,
        messages: Sequence[Message],
        sampling: SamplingConfig,
        seeds: Sequence[int],
        steering: Steering | None = None,
        trace: bool = False,
    ) -> Generator[TokenColumn | SteeringShift, None, list[Reply]]:
        """The replies of the next attempt."""
        yield from ()
        return [Reply(**reply) for reply in next(self._attempts)]


def reply_of(candidate: ev.CandidateProposed) -> Reply:
    """What the LLM replied."""
    return Reply(
        candidate.reply,
        candidate.tokens,
        candidate.finish,
        thought=candidate.thought,
        thought_tokens=candidate.thought_tokens,
    )


# -- what it comes to --------------------------------------------------------------------------


def print_row(seed: int, row: dict[str, Any]) -> None:
    """One line of the table."""
    shares = [row[name]["images"] / row[name]["of_all"] for name in ("racing", "replay")]
    shares.append(row["replay"]["seconds"] / row["replay_without"]["seconds"])
    for name in ("best", "ensemble"):
        shares += [row[way][name] for way in ("racing", "without", "replay")]
    cells = [f"{100 * share:>9.1f}" for share in shares]
    print("  ".join([f"{seed:>9}", *cells]), flush=True)


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Over all seeds: shares, and differences from the run without racing, in points."""

    def share(way: str, what: str, of: str, in_all: str) -> float:
        return float(sum(row[way][what] for row in rows) / sum(row[of][in_all] for row in rows))

    def less(way: str, name: str) -> dict[str, Any]:
        differences = [100 * (row[way][name] - row["without"][name]) for row in rows]
        told = spread(differences)
        assert told is not None
        return {
            "mean": told.mean,
            "interval": told.interval and [round(end, 2) for end in told.interval],
            "p": sign_flip_test(differences).p,
            "equal": differences.count(0),
            "least": min(differences),
            "most": max(differences),
        }

    return {
        "pairs": len(rows),
        "looked_at": share("racing", "images", "racing", "of_all"),
        "looked_at_in_replay": share("replay", "images", "replay", "of_all"),
        "seconds": share("replay", "seconds", "replay_without", "seconds"),
        "differences": {
            way: {name: less(way, name) for name in ("best", "ensemble")}
            for way in ("racing", "replay")
        },
    }


def print_summary(result: dict[str, Any]) -> None:
    """In words."""
    print(
        f"looked at {100 * result['looked_at']:.1f} % of the images, in replays "
        f"{100 * result['looked_at_in_replay']:.1f} %, in {100 * result['seconds']:.1f} % of the "
        f"process time; {result['pairs']} pairs"
    )
    for way, found in result["differences"].items():
        for name, one in found.items():
            print(
                f"{way}, {name}: {one['mean']:+.2f} points {one['interval']}, p = {one['p']:.3f}; "
                f"{one['equal']} equal, {one['least']:+.2f} to {one['most']:+.2f}"
            )


if __name__ == "__main__":
    main()
