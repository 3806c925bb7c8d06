"""A run without a screen: python examples/headless.py [FOLDER]"""

import sys
from pathlib import Path

from engine.config.toml_file import load_config
from engine.run.result import summarise
from engine.session.local import LocalSession
from engine.storage.run_folder import new_run_folder


def main() -> None:
    config = load_config("demo", ["steps=2", "steering.alpha=0.5"])  # a TOML file or a preset
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else new_run_folder(config.name)
    session = LocalSession.create(config, folder)
    session.start()  # the engine's thread; session.send(Pause()) and others work meanwhile
    while not session.wait(1.0):
        print(f"step {session.state.step} of {config.steps}", file=sys.stderr)
    if session.state.status != "finished":
        sys.exit(session.state.error or session.state.status)
    best = summarise(session.state)["best"]
    print(f"{best['test_accuracy']:.1%} on the test split: {best['template']}")


if __name__ == "__main__":
    main()
