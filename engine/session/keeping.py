"""What templates made of each image, kept in the folder of the run that is driven."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from engine.vlm.interface import Fitness


def keep_predictions(
    folder: Path, fitness: Fitness, room_mib: int, report: Callable[[str], None]
) -> None:
    """Have the fitness hand what it makes of the training images to the run in ``folder``.

    Args:
        folder: of the run.
        fitness: with the run's images.
        room_mib: what may be taken of the disk, in MiB; with 0 nothing is kept.
        report: gets a sentence where something can't be kept, or is not what was; at any time, on
            the thread that scores.
    """
    if not room_mib:
        return
    from engine.storage.prediction_keeper import PredictionKeeper
    from engine.storage.predictions import ImageIndex

    keeper = PredictionKeeper(folder, room_mib * 2**20, report)
    keeper.begin(
        "train",
        ImageIndex(
            fitness.dataset_root.absolute(),
            fitness.images("train"),
            len(fitness.class_names),
            fitness.fingerprint("train"),
        ),
    )
    fitness.kept.store = keeper
