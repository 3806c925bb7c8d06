"""From folders' names to class names, and what of them a VLM can make nothing of.

The class name goes into the template as it is, so a VLM that is asked for ``n01440764``, ``7`` or
``AnnualCrop`` answers another question than the person meant.
"""

from __future__ import annotations

import contextlib
import html
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from urllib.parse import unquote

from engine.common.errors import DataError
from engine.common.names import quoted, readable_name, same_name, some_names
from engine.common.wording import counted
from engine.data.readers.folder_settings import SETTINGS_FILE
from engine.prompts.reply_text import is_visible

_CODE = re.compile(r"n\d{8}|\W*\d*\W*|(?:class|label|cls|id|category)[-_ ]?\d+", re.I)
_SHORT_CODE = re.compile(r"[a-z][-_ ]?\d+", re.I)
_ENTITY = re.compile(r"&(?:[a-z]{2,8}|#\d{1,6}|#x[0-9a-f]{1,5});|%[0-9a-f]{2}", re.I)
_NUMBERING = re.compile(
    r"(?:n\d{8}[-_. ]+|(?!(?:19|20)\d\d\b)\d{1,5}(?:[._)-]| )\s*)(?=.*[^\W\d_])"
)
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_FIRST_OF_CAMEL = re.compile(r"[^\W\d_][a-z]{2,}")
_CAPITAL = re.compile(r"\b[^\W\d_](?=[a-z])")


def class_names(folders: Sequence[str], given: Mapping[str, str], clean: bool) -> list[str]:
    """A class name for each folder: the one that is given for it, or its own.

    Args:
        folders: distinct names, as they are on the disk.
        given: by ``same_name`` of the folder's name: ``[classes]`` of dataset.toml.
        clean: write the others as words (``cleaned``), else with spaces for underscores only.
    """
    own = [same_name(readable_name(folder)) for folder in folders]
    numbered = _are_numbered([name for name in own if name not in given])
    names = []
    for folder in own:
        name = given.get(folder)
        if name is None:
            name = cleaned(folder, numbered) if clean else folder.replace("_", " ")
        # A folder's name may hold tabs, line breaks and what can't be seen; a class name is one
        # line of text that is read as it looks.
        words = " ".join(name.split())
        names.append(same_name("".join(filter(is_visible, words)).strip()))
    return names


def cleaned(name: str, numbered: bool = True) -> str:
    """``name`` as words, or as it was where nothing would be left.

    With ``numbered``, numbers and WordNet ids in front go (``001.Black_footed_Albatross``,
    ``n02085620-Chihuahua``). Entities are read (``&amp;``, ``%20``), ``_`` and ``+`` are spaces,
    and ``AnnualCrop`` becomes ``annual crop``; ``McDonald`` and ``MITcoast`` stay.
    """
    text = html.unescape(name)
    with contextlib.suppress(UnicodeDecodeError):  # a percent sign may be one
        text = unquote(text, errors="strict")
    found = _NUMBERING.match(text) if numbered else None
    text = text[found.end() :] if found else text
    text = re.sub(r"(?<=\w)\+(?=\w)", " ", text.replace("_", " ")).strip()
    parts = _camel_parts(text)
    if len(parts) > 1:
        text = _CAPITAL.sub(lambda found: found[0].lower(), " ".join(parts))
    text = " ".join(text.split())
    return text or " ".join(name.replace("_", " ").split())


def _camel_parts(text: str) -> list[str]:
    """``AnnualCrop`` has two parts; ``McDonald`` and ``TVMonitor``, where it is unsure, one."""
    parts = _CAMEL.split(text)
    return parts if _FIRST_OF_CAMEL.fullmatch(parts[0]) else [text]


def _are_numbered(names: Sequence[str]) -> bool:
    """Whether numbers in front are a scheme: one class among others may well be ``8 ball``."""
    return 2 * sum(bool(_NUMBERING.match(name)) for name in names) > len(names)


def check_distinct(root: str, folders: Sequence[str], names: Sequence[str], clean: bool) -> None:
    """See that no two folders have one class name, and none has an empty one.

    Raises:
        DataError: naming the folders.
    """
    for name, count in Counter(names).items():
        if count > 1 or not name:
            same = [folder for folder, own in zip(folders, names, strict=True) if own == name]
            shown = some_names(same)
            if len({same_name(folder) for folder in same}) < len(same):
                shown = ", ".join(ascii(folder) for folder in same)
                shown += " (the same letters, composed and decomposed: NFC and NFD)"
            because = " with data.clean_names" if clean else ""
            raise DataError(
                f"{root}: the folders {shown} have the class name {quoted(name)}{because}; "
                f"give each class a name of its own in {SETTINGS_FILE} ([classes])"
            )


def remarks(folders: Sequence[str], names: Sequence[str], given: Mapping[str, str]) -> list[str]:
    """A sentence for each kind of class names that are no words, with the key that mends it."""
    own = [
        (readable_name(folder), name)
        for folder, name in zip(folders, names, strict=True)
        if same_name(readable_name(folder)) not in given
    ]
    said = []
    undecoded = [readable_name(folder) for folder in folders if readable_name(folder) != folder]
    undecoded = [folder for folder in undecoded if same_name(folder) not in given]
    if undecoded:
        said.append(
            f"names of class folders that are no UTF-8 text: {', '.join(undecoded)}; "
            f"{_how_to_name(undecoded[0])}"
        )
    codes = _codes(own)
    if codes:
        said.append(
            f"{_of(codes, own)} not made of words ({some_names([name for _, name in codes])}); "
            f"where they stand for something, {_how_to_name(codes[0][0])}"
        )
    numbered = _are_numbered([same_name(folder) for folder, _ in own])
    mendable = [
        (folder, name)
        for folder, name in own
        if (folder, name) not in codes and _needs_cleaning(folder, name, numbered)
    ]
    if mendable:
        folder, name = mendable[0]
        others = some_names([name for _, name in mendable])
        words = cleaned(same_name(folder), numbered)
        said.append(
            f"{_of(mendable, own)} not written as words ({others}); data.clean_names = true "
            f"reads {quoted(name)} as {quoted(words)}, or name them in {SETTINGS_FILE} ([classes])"
        )
    return said


def _of(some: Sequence[object], everything: Sequence[object]) -> str:
    names = counted(len(everything), "class name")
    return f"{len(some)} of {names} {'is' if len(some) == 1 else 'are'}"


def _how_to_name(folder: str) -> str:
    key = folder if re.fullmatch(r"[A-Za-z0-9_-]+", folder) else f"'{folder}'"
    return f'say in {SETTINGS_FILE} what they are, under [classes]: {key} = "..."'


def _codes(own: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Folders with names that are numbers, ids, or (where most are so) a letter with a number."""
    many = 2 * sum(bool(_SHORT_CODE.fullmatch(name)) for _, name in own) > len(own)
    return [
        (folder, name)
        for folder, name in own
        if _CODE.fullmatch(name) or (many and _SHORT_CODE.fullmatch(name))
    ]


def _needs_cleaning(folder: str, name: str, numbered: bool) -> bool:
    """Whether ``data.clean_names`` would do more than write spaces for underscores."""
    plain = " ".join(same_name(folder).replace("_", " ").split())
    return name == plain and cleaned(same_name(folder), numbered) != plain
