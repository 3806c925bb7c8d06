"""OpenAI's templates per data set (the paper's DS-TEMP), where the packages of others have them.

Nothing of them is kept here. ImageNet's 80 come with open_clip; those of other data sets with
clip-benchmark (``pip install --no-deps clip-benchmark``). One file of each is read, and no code of
clip-benchmark is run: both import torch. The demo's data sets have a few of our own.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

from engine.common.errors import ConfigError
from engine.common.names import quoted
from engine.config import RunConfig
from engine.data.demo_world import DEMO
from engine.data.registry import find_dataset
from engine.prompts.template import PLACEHOLDER, PLACEHOLDER_SPELLINGS
from engine.vlm.families import task_of

IMAGENET = "imagenet"
"""``Entry.templates`` of ImageNet and its variants."""

_INSTALL = "pip install --no-deps clip-benchmark"
_SOURCE = "https://github.com/openai/CLIP/blob/main/data/prompts.md"

# Written from a look at the images, as OpenAI's were: right in what anybody sees, and no more.
_DEMO: dict[str, tuple[str, ...]] = {
    "cabinet": (
        f"a photo of a {PLACEHOLDER}.",
        f"a photo of a {PLACEHOLDER} in blue light.",
        f"a sharp photo of a {PLACEHOLDER} under a blue lamp.",
    ),
    "darkroom": (
        f"a photo of a {PLACEHOLDER}.",
        f"a grainy photo of a {PLACEHOLDER} on a film negative.",
        f"a blurry photograph of a {PLACEHOLDER} as a colour negative.",
    ),
    "funfair": (
        f"a neon sign of a {PLACEHOLDER}.",
        f"a glowing neon tube of a {PLACEHOLDER} in red light.",
        f"a neon light sculpture of a {PLACEHOLDER} in a dim room.",
    ),
    "classroom": (
        f"a chalk drawing of a {PLACEHOLDER}.",
        f"a blackboard drawing of a {PLACEHOLDER} in red light.",
        f"a drawing in chalk of a {PLACEHOLDER} in a dim room.",
    ),
}


class NoTemplatesError(ConfigError):
    """There are no templates for a data set; ``why`` says it without its name."""

    def __init__(self, dataset: str, why: str) -> None:
        super().__init__(
            f"search.kind is ds-temp, and there are no templates for {dataset}: {why}. They can be "
            "listed in search.templates"
        )
        self.why = why


def with_dataset_templates(config: RunConfig) -> RunConfig:
    """``config`` of ``search.kind = ds-temp`` with the templates that it ensembles.

    Raises:
        ConfigError: if there are none for its data set, or one can't be a template of its VLM.
    """
    given = config.search.templates
    templates = as_templates(dataset_templates(config) if given is None else given)
    placeholders = task_of(config.vlm).placeholders
    for text in templates:
        problem = placeholders.problem(text)
        if problem is not None:
            raise ConfigError(f"search.templates has {quoted(text)}; {problem}")
    search = config.search.model_copy(update={"templates": templates})
    return config.model_copy(update={"search": search})


def as_templates(texts: Iterable[str]) -> tuple[str, ...]:
    """With our spelling of the placeholder, in place of ``{}`` or ``{c}``."""
    return tuple(PLACEHOLDER_SPELLINGS.sub(PLACEHOLDER, text) for text in texts)


def dataset_templates(config: RunConfig) -> tuple[str, ...]:
    """The data set's own templates, with any spelling of the placeholder.

    Raises:
        NoTemplatesError: if there are none, or they can't be read; says what can be done.
        ConfigError: if there is no such data set.
    """
    name = find_dataset(config.data).name
    if config.vlm.kind != "dual-encoder":
        raise NoTemplatesError(
            name, f"OpenAI's are for models such as CLIP, and vlm.kind is {config.vlm.kind}"
        )
    if name.startswith(DEMO):
        return _DEMO[name.removeprefix(DEMO)]
    from engine.data.catalogue.table import catalogue

    entry = catalogue().get(name)
    known_as = entry.templates if entry is not None else ""
    if not known_as:
        where = f", but {_SOURCE} has" if entry is not None and entry.table else ""
        raise NoTemplatesError(name, f"no package that glov reads has any{where}")
    return _imagenet() if known_as == IMAGENET else _clip_benchmark(name, known_as)


def _imagenet() -> tuple[str, ...]:
    path = _package("open_clip") / "zero_shot_metadata.py"
    spec = spec_from_file_location("open_clip_zero_shot_metadata", path)
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)  # by itself: the package would import torch
    return tuple(template("{}") for template in module.OPENAI_IMAGENET_TEMPLATES)


def _clip_benchmark(dataset: str, known_as: str) -> tuple[str, ...]:
    try:
        folder = _package("clip_benchmark")
    except ModuleNotFoundError:
        raise NoTemplatesError(
            dataset,
            f"OpenAI's come with clip-benchmark, which is not installed ({_INSTALL}; one file of "
            "it is read)",
        ) from None
    path = folder / "datasets" / "en_zeroshot_classification_templates.json"
    found: Any = None
    with contextlib.suppress(OSError, ValueError, LookupError, TypeError):
        found = json.loads(path.read_bytes())[known_as]
    if not (isinstance(found, list) and found and all(isinstance(t, str) for t in found)):
        raise NoTemplatesError(
            dataset, f"{path} has none; this clip-benchmark is another than glov knows (1.6)"
        )
    return tuple(found)


def _package(name: str) -> Path:
    """The folder of an installed package, which is not imported."""
    spec = find_spec(name)
    places = spec.submodule_search_locations if spec is not None else None
    if not places:
        raise ModuleNotFoundError(name)
    return Path(next(iter(places)))
