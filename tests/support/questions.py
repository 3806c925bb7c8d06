"""Runs whose templates are questions about images, of small encoder-decoder models."""

from __future__ import annotations

from pathlib import Path

from engine.config import RunConfig
from engine.config.toml_file import load_config
from engine.data.dataset import Split
from engine.vlm.encoder_decoder.fitness import EncoderDecoder
from engine.vlm.interface import Score

ONE_STEP = (
    "steps=1",
    "proposal.candidates=2",
    "proposal.attempts=1",
    "proposal.min_new=0",
    "steering.mode=off",
    "sampling.max_new_tokens=8",
)
"""Of two short replies, unsteered, whatever they are."""


def configured(folder: Path, *overrides: str) -> RunConfig:
    """One step of two questions, unsteered, asked of the encoder-decoder in a folder."""
    return load_config(
        "demo",
        [
            "vlm.kind=encoder-decoder",
            f"vlm.model={folder}",
            "data.shots=1",
            "seed_template=what is shown in this picture?",
            *ONE_STEP,
            *overrides,
        ],
    )


def scored(fitness: EncoderDecoder, *templates: str, split: Split = "train") -> list[Score]:
    """The scores of questions, with the progress looked at."""
    work = fitness.score(templates, split=split)
    progress = []
    try:
        while True:
            progress.append(next(work))
    except StopIteration as done:
        assert progress[-1].done == progress[-1].total
        return done.value
