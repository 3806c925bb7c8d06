"""Whose a file is: who else could have written it, and whom to ask where it can't be used.

Root is trusted by everybody, as it can do anything anyway; so is a group of the user's own (of the
same name, as many systems make one for each user).
"""

from __future__ import annotations

import contextlib
import errno
import grp
import os
import pwd
import shlex
import stat
from pathlib import Path

ROOT = 0
_OTHERS, _GROUP = stat.S_IWOTH, stat.S_IWGRP


def user_name(number: int) -> str:
    """The name of a user, or ``user`` and the number where there is none."""
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"user {number}"


def login_name() -> str:
    """The name of whoever this process works for: what they call themselves to glov, or the
    system's.
    """
    named = os.environ.get("GLOV_AUTHOR", "").strip()
    return (named or user_name(os.geteuid()))[:80]


def why_foreign(*paths: Path) -> str | None:
    """Why somebody else may have written one of these files or folders; None where nobody could.

    A file that is not there is nobody's.
    """
    for path in paths:
        try:
            found = path.stat()
        except OSError:
            continue
        if found.st_uid not in (os.geteuid(), ROOT):
            return f"{path} belongs to {user_name(found.st_uid)}"
        # In a sticky folder, such as /tmp, nobody can replace what others have there.
        if stat.S_ISDIR(found.st_mode) and found.st_mode & stat.S_ISVTX:
            continue
        if found.st_mode & _OTHERS:
            return f"everybody can write {path}"
        if found.st_mode & _GROUP and not _is_own_group(found.st_gid):
            return f"the group {_group_name(found.st_gid)} can write {path}"
    return None


def why_denied(error: OSError, path: Path) -> str:
    """What the system said of ``path``; and, where the user may not, whose it is and what to do."""
    reason = error.strerror or str(error)
    if error.errno not in (errno.EACCES, errno.EPERM):
        return reason
    path = path.absolute()
    for place in (path, *path.parents):
        with contextlib.suppress(OSError):
            owner = place.lstat().st_uid
            if owner != os.geteuid():
                return f"{reason}, {_of_another(place, owner)}"
            if not os.access(place, os.W_OK | (os.X_OK if place.is_dir() else 0)):
                return f"{reason}, the mode of {place} is {stat.S_IMODE(place.lstat().st_mode):o}"
    return reason


def _of_another(place: Path, owner: int) -> str:
    top = place
    for parent in place.parents:  # all that was made by the same user
        if parent.lstat().st_uid != owner:
            break
        top = parent
    said = f"{top} belongs to {user_name(owner)}"
    if owner != ROOT or top == Path(top.anchor):
        return said
    me = user_name(os.geteuid()).removeprefix("user ")
    return (
        f"{said}, as what is made with sudo or in a container; "
        f"`sudo chown -R {shlex.quote(me)} {shlex.quote(str(top))}` gives it to you"
    )


def _is_own_group(number: int) -> bool:
    try:
        me = pwd.getpwuid(os.geteuid())
        group = grp.getgrgid(number)
    except KeyError:
        return False
    return number == me.pw_gid and group.gr_name == me.pw_name and set(group.gr_mem) <= {me.pw_name}


def _group_name(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)
