"""Configurations as TOML: presets, files, ``--set`` overrides, and messages for what is wrong.

Relative paths in a file are relative to that file, so that a folder with a configuration and its
data can be moved as one, and those of ``--set`` to where glov was called; a configuration holds
none, so that a run can be resumed from anywhere. A model name is a path when it starts with ``.``,
``/`` or ``~``, or where there is such a folder or file.
"""

from __future__ import annotations

import shlex
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from engine.common.errors import ConfigError, UserError
from engine.common.names import nearest, quoted, readable_name
from engine.common.toml_reading import read_toml
from engine.common.user_path import user_path
from engine.common.validation import shown
from engine.config import RunConfig, is_one_line, names_gguf
from engine.config.keys import is_text
from engine.config.messages import explain
from engine.config.run_name import check_name
from engine.config.schema import PATH_KEYS

PRESETS = Path(__file__).parent / "presets"

_MOST_DOTS = 20  # in a key; those that there are have one at most

# Names, or paths: a folder is a model's that has such a file in it, None: it is a file itself.
_NAMES_OR_PATHS = {
    "llm.model": "config.json",
    "vlm.model": "*config.json",
    "vlm.pretrained": None,
    "vlm.embedder": "modules.json",
    "vlm.judge_model": "config.json",
}


def preset_names() -> list[str]:
    """Names that `glov run NAME` and ``load_config`` take in place of a file."""
    return sorted(path.stem for path in PRESETS.glob("*.toml"))


def preset_file(name: str) -> Path:
    """The file of a preset, whatever the folder that one is in holds of its name."""
    return PRESETS / f"{name}.toml"


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
    try:
        path = user_path(str(source))
    except UserError as error:
        raise ConfigError(str(error)) from None
    if str(source) in preset_names():
        if path.is_file():
            raise ConfigError(
                f"{source}: there is a preset of this name and a file; write ./{source} for the "
                "file, or go to another folder for the preset"
            )
        path = preset_file(str(source))
    else:
        try:
            path.stat()
        except (FileNotFoundError, NotADirectoryError):
            raise ConfigError(_no_such_configuration(str(source))) from None
        except OSError as error:  # a name that is too long, a link to itself, another's folder
            raise ConfigError(f"{source} can't be read: {error.strerror}") from None
    read = read_toml(path, ConfigError)
    given: dict[str, Any] = {}
    for override in overrides:
        _set(given, override)
    for key, value in (values or {}).items():
        _put(given, key, value, f"{key}={value}")
    served = _is_served(_merged(read, given))
    _resolve_paths(read, path.resolve().parent, served)
    _resolve_paths(given, Path.cwd(), served)
    merged = _merged(read, given)
    config = validate(merged, where="command line" if given and _is_valid(read) else str(path))
    check_name(config.name)
    # Of a new run only: a journal that has such a template can still be read.
    if config.seed_template is not None and not is_one_line(config.seed_template):
        raise ConfigError(
            f"seed_template = {shown(config.seed_template)}: should be one line of text, without "
            "what can't be seen"
        )
    return config


def _is_valid(values: Mapping[str, Any]) -> bool:
    """Whether a file needs no change: what is wrong then came with what was set over it."""
    try:
        RunConfig.model_validate(values)
    except ValidationError:
        return False
    return True


def _no_such_configuration(source: str) -> str:
    near = nearest(source, preset_names())
    hint = f" Did you mean the preset {near}?" if near is not None else ""
    return (
        f"{source}: no such file, and no preset of that name "
        f"(presets: {', '.join(preset_names())}).{hint}"
    )


def with_value(config: RunConfig, key: str, value: Any, where: str) -> RunConfig:
    """``config`` with the dotted ``key`` set as ``--set`` does; ``where`` as in ``validate``.

    Raises:
        ConfigError: if there is no such key or the value is not allowed.
    """
    given: dict[str, Any] = {}
    _put(given, key, value, where)
    values = _merged(config.model_dump(), given)
    _resolve_paths(given, Path.cwd(), _is_served(values))
    return validate(_merged(values, given), where)


def validate(values: Mapping[str, Any], where: str = "") -> RunConfig:
    """Check nested values; ``where`` names their source in messages, where there is one to name.

    Raises:
        ConfigError: listing every wrong key with its value and what is allowed.
    """
    try:
        return RunConfig.model_validate(values)
    except ValidationError as error:
        raise ConfigError(f"{where}: {explain(error)}" if where else explain(error)) from None


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
    key = readable_name(key.strip())
    if not separator or not all(part.strip() for part in key.split(".")):
        raise ConfigError(f"--set {override}: write it as key.path=value, e.g. steering.alpha=0.5")
    if key.count(".") > _MOST_DOTS:  # what goes through tables by recursion must come to an end
        raise ConfigError(f"--set {key[:_MOST_DOTS]}...: there is no such key")
    return key, parse_value(text, key)


def as_typed(override: str) -> str:
    """``key.path=value`` as one types it in a shell."""
    key, _, value = override.partition("=")
    return f"--set {key.strip()}={shlex.quote(value)}"


def parse_value(text: str, key: str) -> Any:
    """A value of ``key`` as the command line has it.

    Where the key takes text it is the text as typed, without quotes around it: ``2024-05-01`` is no
    date there. Else it is TOML, or a text where it is none.
    """
    typed = text.strip()
    in_quotes = len(typed) > 1 and typed[0] in "\"'" and typed[-1] == typed[0]
    if is_text(key) and not in_quotes:
        return typed
    try:
        values = tomllib.loads(f"value = {typed}")
    except (ValueError, RecursionError):  # also of a number with thousands of digits
        return typed
    return values["value"] if len(values) == 1 else typed  # a second line is no other key


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


def _is_served(values: Mapping[str, Any]) -> bool:
    """Whether ``llm.model`` is a name that a server knows, which is never a path here."""
    llm = values.get("llm")
    return isinstance(llm, Mapping) and llm.get("kind") == "openai"


def _resolve_paths(values: dict[str, Any], base: Path, served: bool) -> None:
    for dotted in PATH_KEYS:
        if served and dotted == "llm.model":
            continue
        section, key = dotted.split(".")
        table = values.get(section)
        if not isinstance(table, dict):
            continue
        text = table.get(key)
        if not isinstance(text, str) or not text:
            continue
        if dotted not in _NAMES_OR_PATHS or _is_path(text, base, _NAMES_OR_PATHS[dotted]):
            try:
                table[key] = str((base / user_path(text)).resolve())
            except (UserError, OSError, RuntimeError, ValueError) as error:  # a loop, a zero byte
                raise ConfigError(f"{dotted} = {quoted(text)} is no path: {error}") from None


def _is_path(text: str, base: Path, file: str | None) -> bool:
    if text.startswith((".", "/", "~")):
        return True
    if file == "config.json" and names_gguf(text) and text.count("/") < 2:
        return True  # with more it may be a file of the hub, org/name/file.gguf
    try:  # libraries take a name for a folder that is there, where they happen to be started
        if file is not None and any(path.is_file() for path in (base / text).glob(file)):
            return True
        return bool(Path(text).suffix) and (base / text).is_file()
    except (OSError, ValueError):
        return False
