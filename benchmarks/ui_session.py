"""The cockpit over a scripted engine, for ``benchmarks/ui.py``: the same app, no models.

    python benchmarks/ui_session.py FOLDER --rate 300    # events a second; 0: none after two steps
    python benchmarks/ui_session.py FOLDER --no-screen   # the same engine alone, for comparison

As in a run the engine has a process of its own, to which the screen is attached: a thread journals
made-up events of a GLOV run, folds them into states and publishes those. When it ends,
``FOLDER/emits.json`` has ``[time.monotonic(), seconds]`` of every publication.
"""

from __future__ import annotations

import argparse
import itertools
import json
import queue
import random
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from engine.config.toml_file import load_config
from engine.prompts.message import Message
from engine.prompts.template import normalise
from engine.remote.client import RemoteSession
from engine.remote.server import ControlServer
from engine.run import events as ev
from engine.run.commands import Command, InjectTemplate, MakeEdit, Pause, Resume, StepOnce, Stop
from engine.run.state import RunState
from engine.storage.journal import Journal
from engine.storage.run_folder import SOCKET
from engine.storage.summary import Published

WORDS = ("soft", "light", "with", "crisp", "clean", "edges", "on", "grey", "a", "small", "bright")
CLASSES = tuple(f"class {n}" for n in range(20))
RUN = "run"
LAYERS, CANDIDATES, TOKENS, TRAIN = 24, 8, 400, 400


def scripted_events(seed: int = 0) -> Iterator[ev.Event]:
    """A run without end: about 620 events a step, two thirds of them tokens of 8 replies."""
    pick = random.Random(seed)
    config = load_config("demo", ["steps=60"])
    yield ev.RunStarted(run="scripted", config=config.model_dump(mode="json"), versions={})
    yield ev.Progress(phase="loading", detail="nothing", done=1, total=2)
    yield ev.ModelsLoaded(
        llm="scripted-llm",
        llm_layers=LAYERS,
        vlm="scripted-vlm",
        dataset_name="scripted",
        dataset_description="twenty made-up classes",
        dataset_fingerprint="",
        class_names=CLASSES,
        class_sizes=(TRAIN // len(CLASSES),) * len(CLASSES),
        train_size=TRAIN,
        test_size=TRAIN,
        seconds=1.0,
    )
    seed_template = "a photo of a <category>."
    yield _scored(pick, 0, 0, seed_template, "seed", 0.4)
    yield ev.TestMeasured(
        step=0, subject="seed", templates=(seed_template,), hits=160, n=TRAIN, seconds=0.1
    )
    known, best = [seed_template], (0.4, seed_template)
    for step in itertools.count(1):
        yield ev.StepStarted(step=step)
        shown = tuple(normalise(template) for template in known[-5:])
        user = "\n".join(["Write better templates than these:", *known[-10:]])
        messages: tuple[Message, ...] = (
            {"role": "system", "content": "You write prompts."},
            {"role": "user", "content": user},
        )
        yield ev.MetaPromptComposed(
            step=step, attempt=1, messages=messages, best=shown, worst=shown
        )
        yield ev.SteeringPrepared(
            step=step,
            positive=normalise(best[1]),
            negative=normalise(seed_template),
            mode="last-token",
            pool=config.steering.pool,
            layers=(12,),
            alpha=0.5,
            norms=tuple(pick.uniform(1, 9) for _ in range(LAYERS)),
            ratios=tuple(pick.uniform(0.01, 0.2) for _ in range(LAYERS)),
        )
        for done in range(TOKENS):
            texts = tuple(f" {pick.choice(WORDS)}" for _ in range(CANDIDATES))
            yield ev.TokensStreamed(step=step, attempt=1, texts=texts)
            if done % 4 == 0:
                yield ev.Progress(phase="proposing", done=done, total=TOKENS)
        shares = []
        for candidate in range(CANDIDATES):
            template = " ".join(pick.choices(WORDS, k=6)) + f" <category> {step}.{candidate}"
            yield ev.CandidateProposed(
                step=step,
                attempt=1,
                candidate=candidate,
                reply=f"1. {template}",
                tokens=TOKENS,
                finish="stop",
                outcome="new",
                template=template,
            )
            for done in range(10):
                yield ev.Progress(phase="scoring", done=10 * candidate + done, total=80)
            share = min(0.95, 0.35 + 0.005 * step + pick.uniform(0, 0.1))
            known.append(template)
            shares.append(share)
            yield _scored(pick, step, candidate, template, "llm", share)
            if share > best[0]:
                best = (share, template)
                yield ev.AnchorsMoved(
                    step=step, positive=normalise(template), negative=normalise(seed_template)
                )
        yield ev.StepFinished(
            step=step,
            attempts=1,
            new=CANDIDATES,
            duplicates=0,
            rejected=0,
            tokens=TOKENS * CANDIDATES,
            step_best=max(shares),
            step_mean=sum(shares) / len(shares),
            best=best[0],
            seconds=2.0,
        )


def _scored(
    pick: random.Random, step: int, candidate: int, template: str, origin: ev.Origin, share: float
) -> ev.TemplateScored:
    return ev.TemplateScored(
        step=step,
        attempt=1,
        candidate=candidate,
        template=template,
        origin=origin,
        hits=int(share * TRAIN),
        n=TRAIN,
        margin=-pick.uniform(0.5, 2),
        class_hits=tuple(pick.randint(0, 20) for _ in CLASSES),
    )


class ScriptedSession:
    """A ``Session`` whose engine makes its events up, at a steady rate."""

    def __init__(self, folder: Path, rate: float) -> None:
        """``rate`` is in events a second; 0 means that nothing happens after two steps."""
        self._folder, self._rate = folder, rate
        self._journal = Journal.create(folder)
        self.published = Published(0, RunState())
        self._commands: queue.SimpleQueue[Command] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._main, name="glov-engine", daemon=True)
        self.emits: list[tuple[float, float]] = []

    @property
    def state(self) -> RunState:
        """The latest state."""
        return self.published.state

    @property
    def folder(self) -> Path:
        """A folder for what the run writes."""
        return self._folder

    @property
    def ended(self) -> bool:
        """Whether the engine thread has ended."""
        return self._thread.ident is not None and not self._thread.is_alive()

    def start(self) -> None:
        """Start the engine thread."""
        self._thread.start()

    def send(self, command: Command) -> None:
        """Queue a command."""
        self._commands.put(command)

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for the engine's end; returns whether it has ended."""
        self._thread.join(seconds)
        return self.ended

    def _publish(self, event: ev.Event) -> None:
        begun = time.perf_counter()
        if event.is_fact:
            self._journal.append(event)
        self.published = Published(self._journal.size, self.state.apply(event))
        self.emits.append((time.monotonic(), time.perf_counter() - begun))

    def _main(self) -> None:
        events = scripted_events()
        if not self._rate:  # a state to show, then nothing
            for event in events:
                self._publish(event)
                if self.state.steps_done == 2:
                    break
            while self._obey(block=True):
                pass
            return
        due = time.monotonic()
        for event in events:
            self._publish(event)
            due = max(due + 1 / self._rate, time.monotonic() - 1)
            time.sleep(max(0.0, due - time.monotonic()))
            if not self._obey(block=False):
                return

    def _obey(self, block: bool) -> bool:
        """Do what was asked; returns whether to go on."""
        while True:
            try:
                command = self._commands.get(block)
            except queue.Empty:
                return True
            match command:
                case Stop():
                    self._publish(ev.RunStopped(step=self.state.step))
                    return False
                case Pause():
                    self._publish(ev.RunPaused(step=self.state.step))
                    block = True
                case Resume() | StepOnce():
                    self._publish(ev.RunResumed(step=self.state.step))
                    block = not self._rate
                case MakeEdit():
                    number = self.state.edits_made + 1
                    step = self.state.next_step
                    self._publish(ev.Edited(number=number, step=step, edit=command.edit))
                case InjectTemplate():
                    pick = random.Random(command.text)
                    step = self.state.step
                    self._publish(_scored(pick, step, 0, command.text, "human", 0.5))


def serve(folder: Path, rate: float) -> None:
    """Be the engine's process."""
    session = ScriptedSession(folder / RUN, rate)
    with ControlServer(cast(Any, session)):
        session.start()
        session.wait()
    (folder / "emits.json").write_text(json.dumps(session.emits))


def attach(folder: Path, rate: float) -> None:
    """Start the engine's process, and be the screen."""
    shutil.rmtree(folder / RUN, ignore_errors=True)
    command = [sys.executable, __file__, str(folder), "--rate", str(rate), "--serve"]
    with subprocess.Popen(command) as engine:
        while not (folder / RUN / SOCKET).exists():
            assert engine.poll() is None, "the scripted engine ended"
            time.sleep(0.01)
        from glov_tui.commands.on_screen import drive_on_screen

        session = RemoteSession.attach(folder / RUN, "benchmark")
        session.starts_engine = True  # SIGTERM ends both
        drive_on_screen(session)


def main() -> None:
    """Run until told to stop."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rate", type=float, default=300.0)
    parser.add_argument("--no-screen", action="store_true")
    parser.add_argument("--serve", action="store_true", help="without a screen, to be attached to")
    parser.add_argument("--seconds", type=float, default=10.0, help="without a screen")
    options = parser.parse_args()
    if options.serve:
        serve(options.folder, options.rate)
    elif options.no_screen:
        session = ScriptedSession(options.folder / "alone", options.rate)
        session.start()
        session.wait(options.seconds)
        session.send(Stop())
        session.wait()
        (options.folder / "emits.json").write_text(json.dumps(session.emits))
    else:
        attach(options.folder, options.rate)


if __name__ == "__main__":
    main()
