"""Runs as journals that a test writes by itself, without models."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from engine.config.toml_file import load_config
from engine.run import events as ev
from engine.run.edits import SetOption
from engine.storage.journal import Journal

TRAIN_IMAGES, TEST_IMAGES = 80, 960


def write_run(
    folder: Path,
    *overrides: str,
    curve: Sequence[int] = (40, 60),
    test: int = 700,
    ensemble: int = 720,
    fingerprint: str = "f0",
    finished: bool = True,
    edited: bool = False,
    dataset: str = "cabinet",
    probability: float | None = None,
) -> Path:
    """A run with ``curve`` hits of 80 images after each step, and so many of 960 test images.

    ``probability``: mean of the true class, the same wherever something was measured.
    """
    config = load_config("demo", [f"steps={len(curve)}", *overrides])
    journal = Journal.create(folder)
    journal.write_config(config)
    events: list[ev.Event] = [
        ev.RunStarted(run=folder.name, config=config.model_dump(mode="json"), versions={}),
        ev.ModelsLoaded(
            llm="llm",
            llm_layers=6,
            vlm="clip",
            dataset_name=dataset,
            dataset_description="",
            dataset_fingerprint=fingerprint,
            class_names=("a", "b"),
            train_size=TRAIN_IMAGES,
            test_size=TEST_IMAGES,
            seconds=0.0,
        ),
        _scored(0, "a photo of a <category>.", 30, "seed"),
        _tested(0, "seed", 500),
    ]
    if edited:
        edit = SetOption(key="steering.alpha", value=0.1)
        events.append(ev.Edited(number=1, step=1, edit=edit))
    best = 30
    for step, hits in enumerate(curve, start=1):
        best = max(best, hits)
        events.append(ev.StepStarted(step=step))
        events.append(_scored(step, f"template {step} of <category>", hits, "llm"))
        events.append(
            ev.StepFinished(
                step=step,
                attempts=1,
                new=1,
                duplicates=0,
                rejected=0,
                tokens=9,
                step_best=hits / TRAIN_IMAGES,
                step_mean=hits / TRAIN_IMAGES,
                best=best / TRAIN_IMAGES,
                seconds=1.0,
            )
        )
        if not finished and step == 1:
            break
    if finished:
        events.append(_tested(len(curve), "best", test))
        measured = _tested(len(curve), "ensemble", ensemble)
        selection = config.evaluation.select
        events.append(measured.model_copy(update={"selection": selection}))
        events.append(ev.RunFinished(step=len(curve)))
    for event in events:
        if isinstance(event, ev.TemplateScored | ev.TestMeasured):
            event = event.model_copy(update={"probability": probability})
        journal.append(event)
    journal.close()
    return folder


def _scored(step: int, template: str, hits: int, origin: ev.Origin) -> ev.TemplateScored:
    return ev.TemplateScored(
        step=step,
        attempt=1,
        candidate=0,
        template=template,
        origin=origin,
        hits=hits,
        n=TRAIN_IMAGES,
        margin=-1.0,
        class_hits=(),
    )


def _tested(step: int, subject: ev.Subject, hits: int) -> ev.TestMeasured:
    return ev.TestMeasured(
        step=step, subject=subject, templates=("t",), hits=hits, n=TEST_IMAGES, seconds=0.0
    )
