"""What is wrong with a configuration, as far as it is known before anything is loaded.

Every run begins with it, before the first paint: nothing is imported here that it can do without.
"""

from __future__ import annotations

from pathlib import Path

from engine.common.errors import ConfigError
from engine.common.user_path import why_not_there
from engine.config import RunConfig
from engine.data.registry import find_dataset
from engine.search.begun import as_begun
from engine.vlm.families import task_of


def check_config(config: RunConfig) -> RunConfig:
    """Find what can be known to be wrong before anything is loaded and before there is a run.

    Returns the configuration with what its VLM and its search add to it.

    Raises:
        ConfigError: naming the key, what was found and what is allowed.
    """
    find_dataset(config.data)
    config = as_begun(config)
    problem = config.llm.price_problem()
    if problem is not None:
        raise ConfigError(problem)
    paths = {
        "data.path": config.data.path,
        "data.options": config.data.options,
        "llm.model": None if config.llm.is_served else config.llm.model,
        "vlm.model": config.vlm.model,
        "vlm.pretrained": config.vlm.pretrained,
        "vlm.embedder": config.vlm.embedder,
        "vlm.judge_model": config.vlm.judge_model,
    }
    for key, text in paths.items():
        if text is not None and text.startswith("/"):
            problem = why_not_there(Path(text))
            if problem is not None:
                raise ConfigError(f"{key} = {text}: {problem}")
    if config.proposal.template_file is not None:
        from engine.search.meta_prompt import load_meta_prompt  # with Jinja

        load_meta_prompt(config.proposal.template_file, task_of(config.vlm))
    return config
