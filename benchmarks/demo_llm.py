"""What the demo's tiny LLM can do: replies in single steps, and whole searches in imaginary worlds.

    python benchmarks/demo_llm.py [--worlds 20] [--alpha 0 0.25 0.5 1 2 4] [--layer 3]
    python benchmarks/demo_llm.py --random        # what a proposer that reads nothing reaches

Prints the figures of engine/demo/weights/llm/README.md. Reproducible: the worlds are numbered.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # a checkout need not be installed

from engine.config import LLMConfig, SamplingConfig, SteeringConfig
from engine.data.demo_world.vocabulary import named_values
from engine.demo.training.dialogues import imagine_run
from engine.demo.training.simulate import RandomProposer, propose, simulate, standard_world
from engine.demo.training.worlds import World
from engine.llm.interface import LanguageModel
from engine.prompts.reply import parse_reply
from engine.prompts.template import normalise
from engine.run.ranking import ScoredTemplate, best_and_worst, ranked

WEIGHTS = Path(__file__).resolve().parents[1] / "engine" / "demo" / "weights" / "llm"


def right_share(world: World, texts: Sequence[str]) -> float:
    """Share of the world's right values that the texts name, on average."""
    named = [named_values(text) for text in texts]
    return fmean(n.get(f) == v for n in named for f, v in world.right.items())


def single_steps(llm: LanguageModel, steps: int) -> None:
    """Ten replies to each of some meta-prompts from the middle of imaginary runs."""
    parsed, distinct, repeated, true, shuffled, shown, seconds = [], [], [], [], [], [], []
    for i in range(steps):
        rng = random.Random(f"steps/{i}")
        world = standard_world(rng)
        run: list[ScoredTemplate] = []
        while len(run) < 30:
            run, _ = imagine_run(world, rng)
        best, worst = best_and_worst(ranked(run), 5)
        begun = time.monotonic()
        replies = propose(llm, best, worst, SamplingConfig(), range(10))
        seconds.append(time.monotonic() - begun)
        templates = [parse_reply(r.text, finish=r.finish).template for r in replies]
        texts = [t for t in templates if t is not None]
        keys = {normalise(t) for t in texts}
        parsed.append(len(texts) / len(replies))
        distinct.append(len(keys) / len(replies))
        repeated.append(sum(t.key in keys for t in (*best, *worst)) / len(replies))
        shown.append(right_share(world, [t.text for t in best]))
        true.append(right_share(world, texts))
        examples = [*worst, *best]
        mixed = list(examples)
        rng.shuffle(mixed)
        mixed = [replace(t, hits=e.hits) for t, e in zip(mixed, examples, strict=True)]
        replies = propose(
            llm, mixed[len(worst) :], mixed[: len(worst)], SamplingConfig(), range(10)
        )
        shuffled.append(right_share(world, [r.text for r in replies]))
    print(
        f"replies that parse {fmean(parsed):.1%}, distinct of ten {fmean(distinct):.1%}, "
        f"repeating an example {fmean(repeated):.1%}, {fmean(seconds):.2f} s for ten"
    )
    print(
        f"right values named: in the best examples {fmean(shown):.1%}, in the replies "
        f"{fmean(true):.1%}, in replies to shuffled examples {fmean(shuffled):.1%}"
    )


def searches(llm: LanguageModel, worlds: int, steering: SteeringConfig, steps: int) -> None:
    """Whole runs; the accuracy of an ensemble is without noise."""
    outcomes = [
        simulate(llm, standard_world(random.Random(f"test/{i}")), i, steering, steps)
        for i in range(worlds)
    ]
    what = "no steering" if steering.mode == "off" else f"alpha {steering.alpha:g}"
    print(
        f"{what:12s} parsed {fmean(o.parsed for o in outcomes):6.1%}"
        f"  new {fmean(o.new for o in outcomes):6.1%}"
        f"  ensemble {fmean(o.ensemble for o in outcomes):6.1%}"
        f"  (all named rightly: {fmean(o.all_right for o in outcomes):6.1%})"
        f"  right values in the best {fmean(o.right for o in outcomes):6.1%}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="What the demo's tiny LLM can do.")
    parser.add_argument("--weights", type=Path, default=WEIGHTS, help="folder of the LLM")
    parser.add_argument("--alpha", type=float, nargs="*", default=[0.0, 0.5], help="0: off")
    parser.add_argument("--layer", type=int, default=None, help="default: the configured one")
    parser.add_argument("--worlds", type=int, default=20, help="runs, each in a world of its own")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--random", action="store_true", help="a random proposer instead")
    arguments = parser.parse_args()
    if arguments.random:
        searches(RandomProposer(), arguments.worlds, SteeringConfig(mode="off"), arguments.steps)
        return
    from engine.llm.loading import load_llm

    llm = load_llm(LLMConfig(model=str(arguments.weights), device="cpu"), lambda _stage: None)
    single_steps(llm, arguments.worlds)
    layers = "auto" if arguments.layer is None else (arguments.layer,)
    for alpha in arguments.alpha:
        mode = "off" if alpha == 0 else "last-token"
        steering = SteeringConfig.model_validate({"mode": mode, "alpha": alpha, "layers": layers})
        searches(llm, arguments.worlds, steering, arguments.steps)


if __name__ == "__main__":
    main()
