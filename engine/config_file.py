"""Configurations as TOML: presets, files, ``--set`` overrides, and messages for what is wrong.

Relative paths in a file are relative to that file, so that a folder with a configuration and its
data can be moved as one; a model name is a path when it starts with ``.``, ``/`` or ``~``, or is a
GGUF file that is there.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from engine.config import RunConfig, names_gguf
from engine.errors import ConfigError

PRESETS = Path(__file__).parent / "presets"

_PATHS = ("data.path", "proposal.template_file")
_NAMES_OR_PATHS = ("llm.model", "vlm.model", "vlm.pretrained")


def preset_names() -> list[str]:
    """Names that `glov run NAME` and ``load_config`` take in place of a file."""
    return sorted(path.stem for path in PRESETS.glob("*.toml"))


def load_config(
    source: str | Path,
    overrides: Iterable[str] = (),
    values: Mapping[str, Any] | None = None,
) -> RunConfig:
    """Read a TOML file, or a preset by name, and apply ``key.path=value`` overrides.

    ``values`` by dotted key come after them.

    Raises:
        ConfigError: naming the file or key, what was found and what is allowed.
    """
    path = Path(source).expanduser()
    if not path.is_file() and str(source) in preset_names():
        path = PRESETS / f"{source}.toml"
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        near = difflib.get_close_matches(str(source), preset_names(), n=1)
        hint = f" Did you mean the preset {near[0]}?" if near else ""
        raise ConfigError(
            f"{source}: no such file, and no preset of that name "
            f"(presets: {', '.join(preset_names())}).{hint}"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} can't be read: {error}") from error
    try:
        read = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is no valid TOML: {error}") from error
    _resolve_paths(read, path.resolve().parent)
    given: dict[str, Any] = {}
    for override in overrides:
        _set(given, override)
    for key, value in (values or {}).items():
        _put(given, key, value, f"{key}={value}")
    _resolve_paths(given, Path.cwd())
    return validate(_merged(read, given), where=str(path))


def with_value(config: RunConfig, key: str, value: Any, where: str) -> RunConfig:
    """``config`` with the dotted ``key`` set as ``--set`` does; ``where`` as in ``validate``.

    Raises:
        ConfigError: if there is no such key or the value is not allowed.
    """
    given: dict[str, Any] = {}
    _put(given, key, value, where)
    _resolve_paths(given, Path.cwd())
    return validate(_merged(config.model_dump(), given), where)


def validate(values: Mapping[str, Any], where: str) -> RunConfig:
    """Check nested values; ``where`` names their source in messages.

    Raises:
        ConfigError: listing every wrong key with its value and what is allowed.
    """
    try:
        return RunConfig.model_validate(values)
    except ValidationError as error:
        lines = [_explain(detail) for detail in error.errors()]
        raise ConfigError(f"{where}: " + "\n".join(lines)) from None


def format_config(config: RunConfig, comments: bool = False) -> str:
    """The configuration as TOML; with ``comments`` each key is preceded by what it means."""
    import tomlkit  # for writing only: not before the first paint

    document = tomlkit.document()
    _write_section(document, config, comments)
    return tomlkit.dumps(document)


def _write_section(table: Any, section: BaseModel, comments: bool) -> None:
    import tomlkit

    fields = type(section).model_fields
    nested = [name for name in fields if isinstance(getattr(section, name), BaseModel)]
    for name in fields:
        value = getattr(section, name)
        if name in nested:
            continue
        description = fields[name].description
        if comments and description:
            table.add(tomlkit.comment(description))
        if value is not None:
            table.add(name, list(value) if isinstance(value, tuple) else value)
        elif comments:
            table.add(tomlkit.comment(f'{name} = "..."'))
    for name in nested:
        inner = tomlkit.table()
        _write_section(inner, getattr(section, name), comments)
        table.add(tomlkit.nl())
        table.add(name, inner)


def _set(values: dict[str, Any], override: str) -> None:
    key, value = parse_override(override)
    _put(values, key, value, f"--set {override}")


def parse_override(override: str) -> tuple[str, Any]:
    """The dotted key and the value of ``key.path=value``.

    Raises:
        ConfigError: if it is not written so.
    """
    key, separator, text = override.partition("=")
    key = key.strip()
    if not separator or not key:
        raise ConfigError(f"--set {override}: write it as key.path=value, e.g. steering.alpha=0.5")
    return key, parse_value(text)


def parse_value(text: str) -> Any:
    """A value as the command line has it: TOML, or else a string that needs no quotes."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text.strip()


def _put(values: dict[str, Any], key: str, value: Any, said: str) -> None:
    target = values
    *parents, last = key.split(".")
    for parent in parents:
        target = target.setdefault(parent, {})
        if not isinstance(target, dict):
            raise ConfigError(f"{said}: {parent} was set to a value before")
    target[last] = value


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(base)
    for key, value in over.items():
        known = result.get(key)
        both = isinstance(known, Mapping) and isinstance(value, Mapping)
        result[key] = _merged(known, value) if both else value  # type: ignore[arg-type]
    return result


def _resolve_paths(values: dict[str, Any], base: Path) -> None:
    for dotted in (*_PATHS, *_NAMES_OR_PATHS):
        section, key = dotted.split(".")
        table = values.get(section)
        if not isinstance(table, dict):
            continue
        text = table.get(key)
        if not isinstance(text, str) or not text:
            continue
        if dotted in _PATHS or _names_path(text, base):
            table[key] = str((base / Path(text).expanduser()).resolve())


def _names_path(text: str, base: Path) -> bool:
    """Whether the name of a model is a path: written as one, or to a GGUF file.

    ``org/name/file.gguf`` is a file of the hub where there is no such file here.
    """
    if text.startswith((".", "/", "~")):
        return True
    return names_gguf(text) and (text.count("/") < 2 or (base / text).is_file())


def _all_keys(model: type[BaseModel], prefix: str = "") -> list[str]:
    keys = []
    for name, info in model.model_fields.items():
        kind = info.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            keys += [prefix + name, *_all_keys(kind, f"{prefix}{name}.")]
        else:
            keys.append(prefix + name)
    return keys


def _explain(detail: ErrorDetails) -> str:
    key = ".".join(str(part) for part in detail["loc"] if not _is_union_tag(part))
    if detail["type"] == "extra_forbidden":
        known = _all_keys(RunConfig)
        near = difflib.get_close_matches(key, known, n=1) or difflib.get_close_matches(
            key.rpartition(".")[2], [k.rpartition(".")[2] for k in known], n=1
        )
        hint = f"; did you mean {near[0]}?" if near else ""
        return f"{key}: there is no such key{hint}"
    message = detail["msg"].removeprefix("Value error, ")
    if not key:
        return message
    return f"{key} = {detail['input']!r}: {message[0].lower()}{message[1:]}"


def _is_union_tag(part: int | str) -> bool:
    """Pydantic adds the name of the tried union member to a location; users never wrote that."""
    return isinstance(part, str) and ("[" in part or part.startswith("literal"))
