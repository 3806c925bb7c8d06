"""The same templates on other models: whether what was found on one helps others (the paper's
table 7). Nothing is chosen anew: ensembles are those of the model that the search was run on.
"""

from __future__ import annotations

from pathlib import Path

from engine.common.errors import ConfigError, ModelError, UserError
from engine.common.user_path import why_not_there
from engine.config import RunConfig
from engine.config.toml_file import with_value
from engine.models import threads
from engine.vlm.dual_encoder.naming import HUB, local_folder


def with_backbone(config: RunConfig, name: str) -> RunConfig:
    """The configuration with another VLM of the same family, and all else as it is; but code that
    comes with a model is not run because it may be of the first one.

    Args:
        config: of a run or of whoever evaluates.
        name: as ``vlm.model`` takes it: an open_clip name with a pretrained tag or a file of
            weights behind a colon (``ViT-B-16:openai``), ``hf-hub:org/name`` or a folder; of an
            encoder-decoder a hub name or a folder.

    Raises:
        ConfigError: naming what is wrong.
    """
    where = f"--backbone {name}"
    model, pretrained = name.strip(), None
    if config.vlm.kind == "dual-encoder" and not _is_whole(model):
        model, colon, tag = model.partition(":")
        pretrained = tag or None
        if colon and not tag:
            raise ConfigError(f"{where}: behind the colon belongs a pretrained tag, or a file")
    if not model:
        raise ConfigError(f"{where}: give a model, such as ViT-B-16:openai or ./folder")
    config = with_value(config, "vlm.trust_remote_code", False, where)
    config = with_value(config, "vlm.pretrained", pretrained, where)
    return with_value(config, "vlm.model", model, where)


def _is_whole(model: str) -> bool:
    """Whether it is a name that has no tag behind it."""
    folder = model if local_folder(model) is None else "."
    return model.startswith(HUB) or why_not_there(Path(folder)) is None


def check_backbone(config: RunConfig, name: str) -> None:
    """See that there is such a model, before hours are spent on another one; as far as that can be
    known without loading it.

    Raises:
        ModelError: naming what is wrong.
    """
    if config.vlm.kind != "dual-encoder":
        return
    threads.prepare()
    from engine.vlm.dual_encoder.model import check_name

    try:
        check_name(config.vlm)
    except UserError as error:
        raise ModelError(f"--backbone {name}: {error}") from None
