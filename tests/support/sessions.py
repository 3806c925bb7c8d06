"""A session without an engine, for Pilot tests: states come from events, commands are kept."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from textual.pilot import Pilot

from engine.config import RunConfig
from engine.config.toml_file import load_config
from engine.prompts.template import normalise
from engine.run import events as ev
from engine.run.commands import (
    Command,
    MakeEdit,
)
from engine.run.experiment import CellMeasured, Experiment, Finding, LensRead, RepliesCompared
from engine.run.state import RunState
from engine.steering.measures import LayerLens, TracedReply
from glov_tui.cockpit.app import GlovApp
from tests.support.patience import until


async def settle(pilot: Pilot) -> None:
    """Until the pump has drawn the state, in every pane."""
    app: Any = pilot.app
    await until(lambda: app._drawn is app.shown, "the state on the screen")
    await pilot.pause()


class HeldSession:
    """`engine.session.interface.Session` whose state changes only by ``apply``."""

    def __init__(self, folder: Path, *events: ev.Event) -> None:
        self.state = RunState()
        self.folder = folder
        self.ended = False
        self.started = False
        self.sent: list[Command] = []
        self.apply(*events)

    def apply(self, *events: ev.Event) -> None:
        self.state = self.state.apply_all(events)

    def start(self) -> None:
        self.started = True

    def send(self, command: Command) -> None:
        self.sent.append(command)

    def wait(self, seconds: float | None = None) -> bool:
        return self.ended


def loaded(config: RunConfig | None = None) -> list[ev.Event]:
    """A run whose models are ready and whose seed template is scored."""
    config = config or load_config("demo")
    return [
        ev.RunStarted(run="tested", config=config.model_dump(mode="json"), versions={}),
        ev.ModelsLoaded(
            llm="a-llm",
            llm_layers=6,
            vlm="a-vlm",
            dataset_name="things",
            dataset_description="Things.",
            dataset_fingerprint="00",
            class_names=("cup", "bell"),
            class_sizes=(5, 5),
            train_size=10,
            test_size=100,
            seconds=1.0,
        ),
        scored("a photo of a <category>.", 4, 0, "seed"),
        ev.TestMeasured(
            step=0,
            subject="seed",
            templates=("a photo of a <category>.",),
            hits=45,
            n=100,
            seconds=0.1,
        ),
    ]


def scored(
    template: str, hits: int, step: int, origin: ev.Origin = "llm", candidate: int = 0
) -> ev.TemplateScored:
    return ev.TemplateScored(
        step=step,
        attempt=1,
        candidate=candidate,
        template=template,
        origin=origin,
        hits=hits,
        n=10,
        margin=-1.0,
        class_hits=(hits // 2, hits - hits // 2),
    )


def one_step(step: int, templates: dict[str, int], positive: str | None = None) -> list[ev.Event]:
    """The events of a step in which these templates were proposed, with their hits of 10."""
    messages = (
        {"role": "system", "content": "Write templates."},
        {"role": "user", "content": f"Best so far at step {step}:\na photo of a <category>."},
    )
    events: list[ev.Event] = [
        ev.StepStarted(step=step),
        ev.MetaPromptComposed(
            step=step, attempt=1, messages=messages, best=("a photo of a <category>",), worst=()
        ),
    ]
    for i, text in enumerate(templates):
        events.append(
            ev.CandidateProposed(
                step=step,
                attempt=1,
                candidate=i,
                reply=f'Here: "{text}"',
                tokens=9,
                finish="stop",
                outcome="new",
                template=text,
            )
        )
    for i, (text, hits) in enumerate(templates.items()):
        events.append(scored(text, hits, step, candidate=i))
    if positive is not None:
        negative = normalise("a photo of a <category>.")
        events.append(ev.AnchorsMoved(step=step, positive=normalise(positive), negative=negative))
    accuracies = [hits / 10 for hits in templates.values()]
    events.append(
        ev.StepFinished(
            step=step,
            attempts=1,
            new=len(templates),
            duplicates=0,
            rejected=0,
            tokens=90,
            step_best=max(accuracies),
            step_mean=sum(accuracies) / len(accuracies),
            best=max(0.4, *accuracies),
            seconds=1.5,
        )
    )
    return events


def steering_prepared(
    step: int, alpha: float, positive: str, layers: int = 6
) -> ev.SteeringPrepared:
    first = step == 2
    return ev.SteeringPrepared(
        step=step,
        positive=normalise(positive),
        negative=normalise("a photo of a <category>."),
        mode="last-token",
        pool="no-bos",
        layers=(3,),
        alpha=alpha,
        norms=tuple(10.0 + layer + step for layer in range(layers)),
        ratios=tuple(0.1 * (layer + 1) for layer in range(layers)),
        neighbour_cosines=(0.0, *[0.87] * (layers - 1)),
        previous_cosines=() if first else (0.93,) * layers,
    )


def steering_measured(step: int) -> ev.SteeringMeasured:
    return ev.SteeringMeasured(
        step=step,
        attempt=1,
        tokens=480,
        kl=0.314,
        changed=0.12,
        raised=((" blue", 0.12), ("   ", 0.05), ("\n", 0.034), ("\x1b[2J\u202e", 0.01)),
        lowered=((" photo", -0.21), ("[b]", -0.1)),
    )


def traced(tokens: Sequence[str], kl: float = 0.5, likelihood: float = -2.0) -> TracedReply:
    """A reply whose tokens all have the same KL and log-likelihood."""
    n = len(tokens)
    return TracedReply(
        text="".join(tokens),
        tokens=tuple(tokens),
        kl=(kl,) * n,
        log_likelihoods=(likelihood,) * n,
    )


def tried(experiment: Experiment, *found: ev.Event) -> list[ev.Event]:
    """The events of an experiment from its beginning to its end."""
    return [ev.ExperimentStarted(experiment=experiment), *found, ev.ExperimentEnded(seconds=1.0)]


def measured(layer: int, alpha: float, accuracy: float | None = None) -> ev.ExperimentProgress:
    cell = CellMeasured(
        layer=layer,
        alpha=alpha,
        kl=alpha * (layer + 1) / 4,
        fluency=-1 - alpha,
        templates=3,
        accuracy=accuracy,
    )
    return _found(cell)


def lens_read(layers: int = 6, token: str = " soft") -> ev.ExperimentProgress:
    return _found(
        LensRead(
            layers=tuple(
                LayerLens(
                    layer=n, raised=((token, 3.5 - n / 2), ("\n", 1.0)), lowered=((" hard", -2.5),)
                )
                for n in range(layers)
            )
        )
    )


def compared(
    left: tuple[TracedReply, ...], right: tuple[TracedReply, ...]
) -> ev.ExperimentProgress:
    return _found(RepliesCompared(left=left, right=right))


def _found(finding: Finding) -> ev.ExperimentProgress:
    return ev.ExperimentProgress(done=0, total=0, found=finding)


BEST = "a <category> in blue light."


@asynccontextmanager
async def cockpit(session: HeldSession, size: tuple[int, int] = (120, 40)):
    app = GlovApp(session)
    async with app.run_test(size=size) as pilot:
        await settle(pilot)
        yield pilot, app


def edits(session: HeldSession) -> list:
    return [command.edit for command in session.sent if isinstance(command, MakeEdit)]
