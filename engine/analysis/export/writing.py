"""Where an export goes: never over what is there unless that was said, whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from engine.analysis.export.exported import Content, Exported
from engine.analysis.export.formats import Format, find_format
from engine.common.errors import UserError
from engine.common.files import check_writable, make_folder, umask, write_atomic
from engine.common.ownership import why_denied
from engine.common.user_path import names_folder, reachable, user_path
from engine.storage.run_folder import EXPORTS


class ExistsError(UserError):
    """Something is there, and it was not said that it may be replaced."""


def make_content(run: Exported, name: str) -> Content:
    """The content of an export that is not written to a file.

    Raises:
        UserError: if there is no such format, or the run has nothing for it.
    """
    return find_format(name).load()(run)


def export(run: Exported, name: str, out: str | Path | None = None, force: bool = False) -> Path:
    """Write a run in a format; returns what was written, with the rights that the umask leaves.

    Args:
        run: what is exported.
        name: of the format.
        out: the file to write, or the folder to write it into, as a person types it; one that ends
            in a slash is a folder, which is made; None: ``exports`` in the run's.
        force: what is there may be replaced.

    Raises:
        ExistsError: if something is there and ``force`` is false.
        UserError: if it can't be made or written.
    """
    form = find_format(name)
    path, is_made = target(run, form, out)
    _check_place(path, form, force, is_made)  # before models are loaded for nothing
    content = form.load()(run)
    try:
        if out is None:
            _own_folder(path.parent)
        elif is_made:
            make_folder(path.parent)
        if isinstance(content, Mapping):
            _write_folder(path, content, force)
        else:
            write_atomic(path, content, replace=force, private=False)
    except FileExistsError as error:
        raise ExistsError(_exists(path)) from error
    except OSError as error:
        raise UserError(_denied(path, error)) from error
    return path


def target(run: Exported, form: Format, out: str | Path | None) -> tuple[Path, bool]:
    """What an export writes: ``out``, or a file in it where that is a folder; whether that is made.

    Raises:
        UserError: if ``out`` can't be looked for.
    """
    name = f"{run.stem}{form.ending}"
    if out is None:
        return run.folder / EXPORTS / name, True
    path = reachable(user_path(str(out)))
    if names_folder(str(out)):
        return path / name, True
    if not path.is_dir() or (form.is_folder and _is_ours(path)):
        return path, False
    return path / name, False


def _denied(path: Path, error: OSError) -> str:
    return f"{path} can't be written: {why_denied(error, path)}; --out names another place"


def _exists(path: Path) -> str:
    return f"{path} exists; give --force to replace it, or --out for another place"


def _check_place(path: Path, form: Format, force: bool, is_made: bool) -> None:
    if not is_made and not path.parent.is_dir():
        raise UserError(
            f"{path}: there is no folder {path.parent}; make it, or give another --out (with a "
            "slash at its end it is a folder, which is made)"
        )
    try:
        check_writable(path.parent)
    except OSError as error:
        raise UserError(_denied(path, error)) from error
    if not os.path.lexists(path):
        return
    if not force:
        raise ExistsError(_exists(path))
    # A rename would put a file in the place of a device or a pipe; root's in that of /dev/null.
    is_replaced = _is_ours(path) if form.is_folder else path.is_file() or not path.exists()
    if not is_replaced:
        raise UserError(
            f"{path} is not what an export made: it is not replaced; give another --out"
        )


def _is_ours(folder: Path) -> bool:
    """Whether it is a folder that has nothing but event files, and some."""
    if not folder.is_dir():
        return False
    names = [entry.name for entry in folder.iterdir()]
    return bool(names) and all(name.startswith("events.out.tfevents.") for name in names)


def _own_folder(folder: Path) -> None:
    """Make the folder of exports in a run's; what is there by that name must be one."""
    if folder.is_symlink():  # of somebody else's run, it could lead anywhere
        raise UserError(f"{folder} is a link, and nothing is written through it; give --out")
    make_folder(folder)


def _write_folder(path: Path, files: Mapping[str, bytes], force: bool) -> None:
    """All files of a folder, or none; what ``_check_place`` let pass is replaced."""
    made = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
    try:
        for name, content in files.items():
            (made / name).write_bytes(content)
        made.chmod(0o777 & ~umask())
        if not (force and path.is_dir()):
            made.rename(path)  # fails where there is something by now
            return
        before = made.with_name(f"{made.name}.before")
        path.rename(before)
        made.rename(path)
        shutil.rmtree(before)
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise
