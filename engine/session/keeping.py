"""What templates made of each image, kept in the folder of the run that is driven."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from engine.data.dataset import Split
from engine.vlm.interface import Fitness


def keep_predictions(
    folder: Path, fitness: Fitness, room_mib: int, report: Callable[[str], None]
) -> None:
    """Have the fitness hand what it makes of images to the run in ``folder``.

    Args:
        folder: of the run.
        fitness: with the run's images.
        room_mib: what may be taken of the disk by a split, in MiB; with 0 nothing is kept.
        report: gets a sentence where something can't be kept, or is not what was; at any time, on
            the thread that scores.
    """
    if not room_mib:
        return
    from engine.storage.prediction_keeper import PredictionKeeper  # with numpy
    from engine.storage.predictions import index_of

    keeper = PredictionKeeper(folder, room_mib * 2**20, report)
    splits: tuple[Split, ...] = ("train", "test")
    for split in splits:
        keeper.begin(split, index_of(fitness, split))
    fitness.kept.store = keeper
