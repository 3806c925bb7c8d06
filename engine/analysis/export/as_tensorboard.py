"""Event files for TensorBoard: accuracies, steering and texts by step, at the times of the run."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from engine.analysis.export.as_markdown import code
from engine.analysis.export.exported import Exported
from engine.analysis.export.history import StepFacts, steps_of, tests_of
from engine.common.errors import ModelError
from engine.run import events as ev
from engine.run.step_times import STEP_PHASES

Scalar = tuple[str, float, int, float]  # tag, value, step, Unix time


def write(run: Exported) -> Mapping[str, bytes]:
    """The event files of a folder, by name.

    Raises:
        UserError: if the package ``tensorboard`` is not installed.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise ModelError(
            "event files are written by the package tensorboard, which is not installed: "
            "pip install 'glov-tui[tensorboard]' (or tensorboard)"
        ) from error
    with tempfile.TemporaryDirectory() as folder:
        writer: Any = SummaryWriter(folder)
        for tag, value, step, time in scalars(run):
            writer.add_scalar(tag, value, step, walltime=time)
        for tag, text, step, time in texts(run):
            writer.add_text(tag, text, step, walltime=time)
        writer.close()
        return {path.name: path.read_bytes() for path in sorted(Path(folder).iterdir())}


def scalars(run: Exported) -> Iterator[Scalar]:
    """All numbers, with accuracies as shares, 0 to 1."""
    begin = run.state.best_at_begin
    if begin is not None:
        yield "train/best", begin, 0, run.state.started_at
    for step in steps_of(run):
        yield from _step(step)
    for test in tests_of(run):
        yield f"test/{test.subject}", test.hits / test.n, test.step, test.time
        if test.probability is not None:
            yield f"test_probability/{test.subject}", test.probability, test.step, test.time


def _step(facts: StepFacts) -> Iterator[Scalar]:
    done, prepared, measured = facts.finished, facts.prepared, facts.measured
    at = done.step, done.time
    yield "train/best", done.best, *at
    for tag, share in (("train/step_best", done.step_best), ("train/step_mean", done.step_mean)):
        if share is not None:
            yield tag, share, *at
    for tag, count in (
        ("replies/new", done.new),
        ("replies/repeated", done.duplicates),
        ("replies/rejected", done.rejected),
        ("replies/tokens", done.tokens),
    ):
        yield tag, float(count), *at
    yield "seconds_per_step", done.seconds, *at
    if done.times is not None:
        for phase in STEP_PHASES:
            yield f"seconds/{phase}", done.times.seconds(phase), *at
    if prepared is not None:
        yield "steering/alpha", prepared.alpha, *at
        for layer, norm in enumerate(prepared.norms):
            yield f"steering_norm/layer_{layer:02}", norm, *at
        for layer in prepared.layers:
            if layer < len(prepared.ratios):
                yield f"steering_ratio/layer_{layer:02}", prepared.ratios[layer], *at
    if measured is not None:
        yield "steering/kl_nats", measured.kl, *at
        yield "steering/changed_tokens", measured.changed, *at


def texts(run: Exported) -> Iterator[tuple[str, str, int, float]]:
    """The best template whenever there is a new one, and the ensemble; as Markdown."""
    best: tuple[float, float] | None = None
    images = run.state.models.train_size if run.state.models is not None else 0
    for event in run.events:
        if isinstance(event, ev.TemplateScored) and event.n >= images:  # with racing, some are not
            reached = event.hits / event.n, event.margin
            if best is None or reached > best:
                best = reached
                yield "best_template", code(event.template), event.step, event.time
    ensemble = run.state.test("ensemble")
    if ensemble is not None:
        members = "\n".join(f"- {code(template)}" for template in ensemble.templates)
        yield "ensemble", members, ensemble.step, ensemble.time
