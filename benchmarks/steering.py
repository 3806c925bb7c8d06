"""What measuring the steering costs a step: KL, raised and lowered tokens, the changed share.

    python benchmarks/steering.py            # the demo's step, measured and not, in turns

In mode last-token both distributions are read anyway; what measuring adds is the LLM's head on
twice the rows, a second draw, and a few sums. Printed: processor time of a whole step (compose,
direction, decode, parse, score) of the demo with and without them, on one thread.
"""

from __future__ import annotations

import argparse
import statistics
import time
from unittest import mock

import torch

from engine.config.toml_file import load_config
from engine.llm.decoding.static_reader import StaticReader
from engine.run import events as ev
from engine.run.emitting import one_by_one
from engine.run.state import RunState
from engine.search.glov import GlovSearch
from engine.session.loading import load_search


def step_seconds(search: GlovSearch, state: RunState) -> tuple[float, RunState]:
    """Processor time of one step, and the state after it."""
    search.scores.clear()  # each step scores its templates
    begun = time.process_time()
    for event in one_by_one(search.step(state)):
        state = state.apply(event)
    return time.process_time() - begun, state


def unmeasured(search: GlovSearch, state: RunState) -> float:
    """The same step with the un-steered logits out of sight."""
    unseen = property(lambda _reader: None, lambda _reader, _logits: None)
    with mock.patch.object(StaticReader, "unsteered", unseen, create=True):
        return step_seconds(search, state)[0]


def main() -> None:
    """Print the two times and their ratio."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=15)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    config = load_config("demo")
    search = load_search(config, lambda what, done, total: None, print)
    assert isinstance(search, GlovSearch)
    state = RunState().apply(
        ev.RunStarted(run="demo", config=config.model_dump(mode="json"), versions={})
    )
    state = state.apply(search.models_loaded(seconds=0.0))
    for event in one_by_one(search.begin(state)):
        state = state.apply(event)
    for _ in range(3):  # until there are anchors
        _, state = step_seconds(search, state)
    assert state.anchors is not None
    with_, without = [], []
    for turn in range(arguments.runs + 1):
        pair = step_seconds(search, state)[0], unmeasured(search, state)
        if turn:  # the first warms up
            with_.append(pair[0])
            without.append(pair[1])
    print(f"a step, measured       {1000 * statistics.median(with_):7.1f} ms of processor time")
    print(f"a step, not measured   {1000 * statistics.median(without):7.1f} ms")
    ratios = [a / b for a, b in zip(with_, without, strict=True)]
    print(f"measured / not         {statistics.median(ratios):7.3f}   (at most 1.05)")


if __name__ == "__main__":
    main()
