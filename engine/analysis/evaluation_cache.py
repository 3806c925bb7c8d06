"""What templates of no run made of each image, kept in the cache: who was cut off goes on there.

Scores of a run are in its folder. Those of a list of templates, and those on other VLMs than the
run's, are here, by all that they rest on.
"""

from __future__ import annotations

import hashlib
import json

from engine.common.cache_folder import evaluations_folder
from engine.common.versions import own_versions
from engine.config import RunConfig
from engine.data.dataset import Split
from engine.storage.prediction_keeper import PredictionKeeper
from engine.storage.predictions import Report, index_of
from engine.vlm.interface import Fitness


def evaluation_cache(
    config: RunConfig, fitness: Fitness, split: Split, report: Report
) -> PredictionKeeper | None:
    """What was measured so on the images of the split, to be read and added to.

    None where nothing is to be kept: ``vlm.cache`` is off, or ``vlm.predictions_mib`` is 0.
    """
    room = config.vlm.predictions_mib * 2**20
    if not (config.vlm.cache and room):
        return None
    index = index_of(fitness, split)
    rests_on = {
        "vlm": config.vlm.model_dump(mode="json"),
        "weights": fitness.weights,
        "classes": list(fitness.class_names),
        "images": index.key,
        "glov": own_versions()["glov-tui"],
    }
    name = hashlib.sha256(json.dumps(rests_on, sort_keys=True).encode()).hexdigest()[:32]
    keeper = PredictionKeeper(evaluations_folder() / name, room, report)
    keeper.begin(split, index)
    return keeper
