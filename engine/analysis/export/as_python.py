"""A script that classifies images with what a run found, and needs nothing of glov.

It is put together from ``snippets``: what they import of each other is written into it, and their
settings are replaced. Text of the run is only ever in string literals, which Python writes itself.
"""

from __future__ import annotations

import ast
import re
import sys
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from engine.analysis.export.exported import Decision, Exported, decision
from engine.analysis.export.wording import percent, test_interval
from engine.common.errors import ModelError
from engine.common.harmless import clean
from engine.common.names import quoted
from engine.common.user_path import user_path
from engine.common.wording import counted
from engine.config.schema import VLMConfig
from engine.vlm.dual_encoder.naming import FOLDER, HUB, listed_name, local_folder

SNIPPETS = "engine.analysis.export.snippets"

_SETTINGS = re.compile(r"# --- settings\n.*# --- end of settings\n", re.DOTALL)

_OPENAI = {
    "ViT-B-32-quickgelu": "openai/clip-vit-base-patch32",
    "ViT-B-16-quickgelu": "openai/clip-vit-base-patch16",
    "ViT-L-14-quickgelu": "openai/clip-vit-large-patch14",
    "ViT-L-14-336-quickgelu": "openai/clip-vit-large-patch14-336",
}
_LAION = {
    ("ViT-B-32", "laion2b_s34b_b79k"): "laion/CLIP-ViT-B-32-laion2B-s34B-b79K",
    ("ViT-L-14", "laion2b_s32b_b82k"): "laion/CLIP-ViT-L-14-laion2B-s32B-b82K",
    ("ViT-H-14", "laion2b_s32b_b79k"): "laion/CLIP-ViT-H-14-laion2B-s32B-b79K",
    ("ViT-bigG-14", "laion2b_s39b_b160k"): "laion/CLIP-ViT-bigG-14-laion2B-39B-b160k",
}
IN_TRANSFORMERS = {(name, "openai"): hub for name, hub in _OPENAI.items()} | _LAION
"""By model and tag of open_clip: the same weights on the hub, as transformers reads them."""


def write(run: Exported) -> str:
    """With open_clip for a dual encoder, with transformers for a VLM that answers.

    Raises:
        UserError: if there is no script for the way in which its answers are read.
    """
    vlm = run.config.vlm
    if vlm.kind == "dual-encoder":
        return _script(run, "open_clip_ensemble", _open_clip(vlm))
    settings: dict[str, Any] = {
        "MODEL": _path_or_name(vlm.model),
        "PRECISION": vlm.precision,
        "TRUST_REMOTE_CODE": vlm.trust_remote_code,
    }
    if vlm.answer == "likelihood":
        return _script(run, "answers_by_likelihood", {**settings, "COMPARED": vlm.likelihood})
    if vlm.answer == "choice" and vlm.letters == "likelihood":
        return _script(run, "choices_by_likelihood", settings, has_classes=False)
    settings["MAX_NEW_TOKENS"] = vlm.max_new_tokens
    if vlm.answer == "embedding":
        own = {"EMBEDDER": _path_or_name(vlm.embedder)}
        return _script(run, "answers_by_embedding", {**settings, **own})
    if vlm.answer == "choice":
        return _script(run, "choices_by_letter", settings, has_classes=False)
    if vlm.judge == "patterns":
        return _script(run, "refusing", settings, has_classes=False)
    raise ModelError(
        f"there is no Python script for vlm.judge = {vlm.judge!r}: whether a request was declined "
        "is an LLM's to say; --format json has the templates"
    )


def write_transformers(run: Exported) -> str:
    """With transformers' own CLIP.

    Raises:
        UserError: if the VLM is none that it has.
    """
    vlm = run.config.vlm
    if vlm.kind != "dual-encoder":
        raise ModelError(
            "--format python-transformers is for models such as CLIP; the script of --format "
            "python is with transformers already, for a VLM that answers"
        )
    hub = IN_TRANSFORMERS.get((listed_name(vlm.model), vlm.pretrained or ""))
    name = vlm.model.removeprefix(HUB)
    if vlm.model.startswith(HUB) and name in IN_TRANSFORMERS.values():
        hub = name
    if hub is None:
        raise ModelError(
            f"transformers has no CLIP that is known to be {quoted(vlm.model)}"
            + (f" with {quoted(vlm.pretrained)}" if vlm.pretrained else "")
            + "; --format python writes a script with open_clip"
        )
    return _script(run, "clip_of_transformers", {"MODEL": hub})


def _open_clip(vlm: VLMConfig) -> dict[str, Any]:
    folder, pretrained = local_folder(vlm.model), vlm.pretrained
    name = listed_name(vlm.model)
    if folder is not None:
        name, pretrained = f"{FOLDER}{folder.resolve()}", None
    elif vlm.model.startswith(HUB):
        name, pretrained = vlm.model, None
    elif pretrained is not None:
        pretrained = _path_or_name(pretrained)
    return {"MODEL": name, "PRETRAINED": pretrained, "PRECISION": vlm.precision}


def _path_or_name(text: str) -> str:
    """A path made absolute where there is something, for a script that is run from anywhere."""
    path = user_path(text)
    try:
        return str(path.resolve()) if path.exists() else text
    except OSError:
        return text


def _script(
    run: Exported, snippet: str, settings: Mapping[str, Any], has_classes: bool = True
) -> str:
    """A snippet with what it shares with others, and with the settings of the run."""
    models = run.state.models
    if models is None:
        raise ModelError(f"{run.folder.name}: its models were not loaded yet, nor its classes read")
    chosen = decision(run)
    *within, own = _with_shared(f"{SNIPPETS}.{snippet}")
    given = {**settings, "TEMPLATES": list(chosen.templates)}
    if has_classes:
        given["CLASSES"] = list(models.class_names)
    block = "\n".join(f"{name} = {literal(value)}" for name, value in given.items())
    body = _SETTINGS.sub("", own.body).strip()
    imports = _merged([own, *within])
    parts = [
        own.said,
        "",
        _head(run, chosen),
        "",
        "from __future__ import annotations",
        "",
        imports,
    ]
    whole = "\n".join([*parts, "", block])
    return "\n\n\n".join([whole, *(module.body.strip() for module in within), body]) + "\n"


def literal(value: Any) -> str:
    """A value as Python source: what can't be seen in a text is escaped."""
    if isinstance(value, list):
        return "[\n" + "".join(f"    {item!r},\n" for item in value) + "]"
    return repr(value)


def _head(run: Exported, chosen: Decision) -> str:
    """Comments on what the script has, each on one line."""
    models, test = run.state.models, run.state.test("ensemble")
    assert models is not None
    lines = [
        f"written by `glov export` of the run {run.folder.resolve().name}",
        f"VLM: {models.vlm}",
    ]
    if test is not None:
        lines.append(
            f"ensemble: test accuracy {percent(test.hits / test.n)} (95 %: {test_interval(test)}; "
            f"{counted(test.n, 'image')} of {models.dataset_name})"
        )
    if not chosen.is_ensemble:
        lines.append("the best template so far, alone: no ensemble was measured yet")
    return "\n".join(f"# {clean(line)}" for line in lines)


@dataclass(frozen=True, slots=True)
class _Module:
    said: str  # its docstring, with the quotes
    imports: tuple[tuple[str, str | None], ...]  # module, and what of it; None: all of it
    shared: tuple[str, ...]  # other modules of the engine, which are written into the script
    body: str


def _with_shared(name: str) -> list[_Module]:
    """A module behind those of the engine that it imports, each once."""
    found: dict[str, _Module] = {}

    def collect(name: str) -> None:
        if name not in found:
            module = _module(name)
            for other in module.shared:
                collect(other)
            found[name] = module

    collect(name)
    return list(found.values())


def _module(name: str) -> _Module:
    package, _, stem = name.rpartition(".")
    source = files(package).joinpath(f"{stem}.py").read_text(encoding="utf-8")
    lines = source.splitlines(keepends=True)
    nodes = ast.parse(source).body
    imports: list[tuple[str, str | None]] = []
    shared: list[str] = []
    last = nodes[0]
    for node in nodes[1:]:
        match node:
            case ast.ImportFrom(module="__future__"):
                pass
            case ast.ImportFrom(module=str(module)) if module.startswith("engine."):
                shared.append(module)
            case ast.ImportFrom(module=str(module)):
                imports += [(module, alias.name) for alias in node.names]
            case ast.Import():
                imports += [(alias.name, None) for alias in node.names]
            case _:
                break
        last = node
    said = "".join(lines[: nodes[0].end_lineno]).strip()
    return _Module(said, tuple(imports), tuple(shared), "".join(lines[last.end_lineno :]))


def _merged(modules: list[_Module]) -> str:
    """All their imports, the standard library's first."""
    found: dict[str, set[str]] = defaultdict(set)
    for module in modules:
        for name, what in module.imports:
            found[name] |= {what} if what else set()
    groups: list[list[str]] = [[], []]
    for name, whats in sorted(found.items(), key=lambda item: (bool(item[1]), item[0])):
        own = name.partition(".")[0] in sys.stdlib_module_names
        line = f"from {name} import {', '.join(sorted(whats))}" if whats else f"import {name}"
        groups[not own].append(line)
    return "\n\n".join("\n".join(group) for group in groups)
