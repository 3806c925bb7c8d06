"""The configuration that a run begins with: what its VLM and its search add to what was written."""

from __future__ import annotations

from engine.config import RunConfig
from engine.search.registry import find_search
from engine.vlm.families import with_seed_template


def as_begun(config: RunConfig) -> RunConfig:
    """With the seed template, no steps where no LLM is asked, and the templates of ds-temp.

    An LLM on a server is not steered: whatever steering.mode was, it is off.

    The templates are part of the run from then on: nothing has to be found again to go on with it.

    Raises:
        ConfigError: if a template can't be one of the VLM, or the data set has none of its own.
    """
    config = with_seed_template(config)
    if config.llm.is_served and config.steering.mode != "off":
        off = config.steering.model_copy(update={"mode": "off"})
        config = config.model_copy(update={"steering": off})
    if find_search(config).asks:
        return config
    if config.search.kind == "ds-temp":
        from engine.search.dataset_templates import with_dataset_templates

        config = with_dataset_templates(config)
    return config.model_copy(update={"steps": 0})
