"""The ranking of a run, from its journal alone: python examples/ranking.py RUN

RUN is a folder, a name in the runs folder, the beginning of one, or latest. No model is loaded.
"""

import sys

from engine.common.errors import UserError
from engine.storage.journal import read_state
from engine.storage.run_folder import find_run


def main() -> None:
    try:
        state = read_state(find_run(sys.argv[1] if len(sys.argv) > 1 else "latest"))
    except UserError as error:
        sys.exit(str(error))
    for rank, template in enumerate(state.ranking, start=1):
        low, high = template.interval
        about = f"{template.accuracy:6.1%} ({low:.0%} to {high:.0%}), step {template.first.step}"
        print(f"{rank:3} {about}, {template.origin}: {template.text!r}")


if __name__ == "__main__":
    main()
