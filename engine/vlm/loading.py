"""From a configuration to a loaded VLM of any family, ready to score. No heavy import here."""

from __future__ import annotations

from collections.abc import Callable
from pkgutil import resolve_name
from typing import Protocol

from engine.common.collecting import uncollected
from engine.common.kept import Kept
from engine.config import RunConfig
from engine.data.dataset import Dataset
from engine.data.registry import load_dataset
from engine.vlm.families import FAMILIES
from engine.vlm.interface import Fitness

OnProgress = Callable[[str, int, int], None]
Report = Callable[[str], None]


class FamilyLoader(Protocol):
    """Loads a VLM of one family, with the images of a data set."""

    def __call__(
        self, config: RunConfig, dataset: Dataset, progress: OnProgress, report: Report, kept: Kept
    ) -> Fitness:
        """As ``load_fitness``, with the data set read; a model that may be used again for another
        run goes through ``kept``, by its section of the configuration.
        """
        ...


def load_fitness(
    config: RunConfig, progress: OnProgress, report: Report, kept: Kept | None = None
) -> Fitness:
    """Load the data set and the VLM, and encode the images that the run is scored on.

    Args:
        config: of the run; ``data``, ``vlm`` and ``seed`` are used.
        progress: called on this thread with what is being done, how much of it is done, and the
            total (0 of 0: not countable). An exception from it ends the loading.
        report: called with a sentence on each problem that was worked around: images skipped
            because they can't be read, classes with fewer images than asked for.
        kept: data set and VLM of an earlier run, used again where their sections are equal.

    Raises:
        ConfigError, DataError, ModelError: naming the key, file, class or model that can't be
            used and what to do about it.
    """
    progress("data set", 0, 0)
    kept = kept or Kept()
    dataset = kept.get("data set", config.data, lambda: load_dataset(config.data))
    progress("VLM", 0, 0)
    # Its libraries take seconds to import: not before the data set is known to be good.
    with uncollected():
        load: FamilyLoader = resolve_name(FAMILIES[config.vlm.kind].loader)
    return load(config, dataset, progress, report, kept)
