"""The user's own configuration file, ``config.toml``: tables that hold for the person at any run.

It is no part of a run: nothing of it is journaled, and none of it can come with somebody else's
run or configuration. So what has programs run on the user's behalf belongs here and only here.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.common.config_folder import config_folder
from engine.common.errors import ConfigError
from engine.common.names import nearest
from engine.common.ownership import why_foreign
from engine.common.toml_reading import read_toml

FILE = "config.toml"
TABLES = ("notify", "screen", "keys")
"""The tables that there may be."""


def user_file() -> Path:
    """The user's file; it may not exist.

    Raises:
        UserError: as ``config_folder``.
    """
    return config_folder() / FILE


def read_user_file(file: Path | None = None) -> Mapping[str, Any]:
    """What the user's file says, by table; nothing where there is none.

    Raises:
        UserError: if it can't be read or has a table that there is none of, or if somebody else
            may have written it: none of it is used then.
    """
    path = user_file() if file is None else file
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise ConfigError(f"{path} can't be read: {error.strerror}") from None
    real = path.resolve()
    reason = why_foreign(path.parent, path, real.parent, real)
    if reason is not None:
        raise ConfigError(
            f"{path} is not used, as somebody else may have written it: {reason}. "
            f"`chmod go-w` it, if what it says is yours"
        )
    values = read_toml(path, ConfigError, has_secrets=True)
    for name, value in values.items():
        if name not in TABLES:
            near = nearest(name, TABLES)
            hint = f"did you mean [{near}]?" if near else f"there are [{'], ['.join(TABLES)}]"
            raise ConfigError(f"{path}: there is no table [{name}]; {hint}")
        if not isinstance(value, Mapping):
            raise ConfigError(f"{path}: {name} is a table: write [{name}], and its keys below")
    return values
