"""A script that drives a run: python examples/driving.py RUN TEMPLATE ...

It pauses the run, has templates of its own scored, steers more softly if one of them is the best
now, and lets the run go on. Each thing it asks for is journaled with its name and its reason.
"""

import json
import subprocess
import sys
from typing import Any

GLOV = [sys.executable, "-m", "glov_tui", "ctl"]
DONE, REFUSED = 0, 1  # what else there is: 2, the call is wrong, and 130, ctrl+c


def ctl(run: str, *words: str) -> list[dict[str, Any]]:
    """The documents that one call prints, a command each."""
    called = [*GLOV, "--author", "driving.py", run, *words]
    done = subprocess.run(called, stdout=subprocess.PIPE, text=True)
    if done.returncode not in (DONE, REFUSED):
        sys.exit(done.returncode)  # what is wrong with it stands on standard error
    return [json.loads(line) for line in done.stdout.splitlines()]


def main() -> None:
    if len(sys.argv) < 3:
        sys.exit("usage: python examples/driving.py RUN TEMPLATE ...")
    run, *templates = sys.argv[1:]
    (paused,) = ctl(run, "pause")
    if not paused["done"]:
        sys.exit(paused["why"])
    ranks = []
    for answer in ctl(run, "inject", "--reason", "words of the trade", "--", *templates):
        if not answer["done"]:  # one that the run refuses does not keep the others back
            print(answer["why"], file=sys.stderr)
        elif "template" in answer:  # else it waits until the models are there
            found = answer["template"]
            ranks.append(found["rank"])
            print(f"rank {found['rank']}, {found['train_accuracy']:.1%}: {found['template']}")
    if 1 in ranks:
        (edited,) = ctl(run, "alpha", "0.5", "--reason", "near a good template")
        print(edited["edit"]["edit"] if edited["done"] else edited["why"])
    (resumed,) = ctl(run, "resume")
    print(f"step {resumed['step']}: {resumed['status']}")


if __name__ == "__main__":
    main()
