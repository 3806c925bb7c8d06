"""What a terminal can be told beside what it shows: a notification, and a progress in its tab.

Which one takes what is known by its name only, from the environment or from tmux, and nothing is
written to one that is not known: what others make of such sequences ranges from nothing to text in
the middle of the screen. Pure, but for ``ask_tmux``.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from glov_tui.common.text import clean

Dialect = Literal["osc9", "osc777", "osc99"]
Multiplexer = Literal["tmux", "screen"]

LONGEST_TITLE, LONGEST_BODY = 80, 240  # characters
SCREEN_BYTES = 200  # GNU screen passes no more on at once
TMUX_SECONDS = 2.0

_BELL = "\x07"  # ends a sequence for all of them, also inside of another one
_DIALECTS: Mapping[str, Dialect] = {
    "iterm2": "osc9",
    "ghostty": "osc777",
    "wezterm": "osc777",
    "urxvt": "osc777",
    "kitty": "osc99",
}
_BY_PROGRAM = {"iTerm.app": "iterm2", "WezTerm": "wezterm", "ghostty": "ghostty"}  # TERM_PROGRAM
_BY_TERM = (
    ("xterm-kitty", "kitty"),
    ("xterm-ghostty", "ghostty"),
    ("wezterm", "wezterm"),
    ("rxvt-unicode", "urxvt"),
)
_PROGRESS_SINCE: Mapping[str, tuple[int, ...]] = {"ghostty": (1, 2), "iterm2": (3, 6, 6)}
_PROGRESS_STATES = {"clear": 0, "normal": 1, "error": 2, "busy": 3, "held": 4}
ProgressState = Literal["clear", "normal", "error", "busy", "held"]


@dataclass(frozen=True, slots=True)
class TmuxClient:
    """What tmux says of the terminal that it is shown on, and of its options."""

    name: str = ""  # as the terminal gives it with its version, such as ``ghostty 1.2.3``
    term: str = ""  # its TERM
    passes: bool = True  # allow-passthrough
    tells_focus: bool = True  # focus-events


@dataclass(frozen=True, slots=True)
class Told:
    """What this terminal takes; ``None`` and false where nothing is to be written to it."""

    dialect: Dialect | None = None
    progress: bool = False
    through: Multiplexer | None = None
    name: str = ""  # of the terminal, where it is known
    layers: int = 1  # of ``through``: one tmux may be shown in another


def multiplexer(environ: Mapping[str, str]) -> Multiplexer | None:
    """What lies between: over SSH only TERM says so, as $TMUX does not travel."""
    term = environ.get("TERM", "")
    if environ.get("TMUX") or environ.get("TERM_PROGRAM") == "tmux" or term.startswith("tmux"):
        return "tmux"
    if term.startswith("screen"):
        return "screen" if environ.get("STY") else "tmux"
    return None


def what_it_takes(
    environ: Mapping[str, str],
    chosen: Literal["auto", "osc9", "osc777", "osc99", "off"] = "auto",
    progress: Literal["auto", "on", "off"] = "auto",
    client: TmuxClient | None = None,
) -> Told:
    """What the terminal of this environment takes.

    Args:
        environ: of this process.
        chosen: ``notify.terminal`` of the user's file.
        progress: ``notify.progress`` of the user's file.
        client: what tmux says, if it was asked.
    """
    if environ.get("TERM", "") in ("", "dumb"):
        return Told()
    through = multiplexer(environ)
    name, version = _terminal(environ, through, client or TmuxClient())
    dialect = None if chosen == "off" else _DIALECTS.get(name) if chosen == "auto" else chosen
    # Through tmux a progress could not be cleared from a window that is not in view.
    takes_progress = through is None and (
        progress == "on" or (progress == "auto" and _shows_progress(environ, name, version))
    )
    inside = through == "tmux" and client is not None and _is_multiplexer(client)
    return Told(dialect, takes_progress, through, name, 2 if inside else 1)


def _terminal(
    environ: Mapping[str, str], through: Multiplexer | None, client: TmuxClient
) -> tuple[str, str]:
    """Name and version of the terminal itself, empty where not known."""
    if through is not None and client.name and not _is_multiplexer(client):
        found = re.match(r"\s*([A-Za-z0-9_.-]+?)[ (]+([0-9][0-9.]*)?", f"{client.name} ")
        return (found[1].lower(), found[2] or "") if found else ("", "")
    if through is not None and _by_term(client.term):
        return _by_term(client.term), ""
    if environ.get("LC_TERMINAL") == "iTerm2":  # travels over SSH, and into tmux
        return "iterm2", environ.get("LC_TERMINAL_VERSION", "")
    program = environ.get("TERM_PROGRAM", "")
    if program and program != "tmux":  # others' variables may be left over from where it began
        return _BY_PROGRAM.get(program, ""), environ.get("TERM_PROGRAM_VERSION", "")
    return _by_term(environ.get("TERM", "")), ""


def _is_multiplexer(client: TmuxClient) -> bool:
    """Whether what tmux is shown on is another tmux, of which nothing more is known."""
    return client.name.startswith("tmux") or client.term.startswith(("tmux", "screen"))


def _by_term(term: str) -> str:
    return next((name for begin, name in _BY_TERM if term.startswith(begin)), "")


def _shows_progress(environ: Mapping[str, str], name: str, version: str) -> bool:
    since = _PROGRESS_SINCE.get(name)
    if since is not None:  # older ones make a notification of it
        return _numbers(version) >= since
    if environ.get("TERM_PROGRAM"):
        return False
    return bool(environ.get("WT_SESSION")) or environ.get("ConEmuANSI") == "ON"


def _numbers(version: str) -> tuple[int, ...]:
    found = re.match(r"\d{1,9}(\.\d{1,9}){0,3}", version)
    return tuple(map(int, found[0].split("."))) if found else ()


def notification(told: Told, title: str, body: str, identity: str = "glov") -> str:
    """The sequence that notifies, empty where the terminal takes none.

    ``title`` and ``body`` may be anybody's: nothing of them can end the sequence or be another one.
    """
    title, body = _plain(title, LONGEST_TITLE), _plain(body, LONGEST_BODY)
    if told.through == "screen":
        title = _cut(title, SCREEN_BYTES // 2)
        body = _cut(body, SCREEN_BYTES - len(title.encode()))
    match told.dialect:
        case "osc9":  # begins with letters: 9;4;... is a progress
            return _passed(f"\x1b]9;glov {title}: {body}{_BELL}", told)
        case "osc777":
            return _passed(f"\x1b]777;notify;glov {title};{body}{_BELL}", told)
        case "osc99":
            return "".join(
                _passed(f"\x1b]99;i={_identifier(identity)}:{part}{_BELL}", told)
                for part in (f"d=0;glov {title}", f"d=1:p=body;{body}")
            )
    return ""


def progress_sequence(state: ProgressState, percent: int = 0) -> str:
    """The sequence (OSC 9;4) for a progress of 0 to 100 percent."""
    shown = 0 if state in ("clear", "busy") else min(100, max(0, percent))
    return f"\x1b]9;4;{_PROGRESS_STATES[state]};{shown}{_BELL}"


def _plain(text: str, most: int) -> str:
    """One short line without control characters, nor what separates fields."""
    line = " ".join(clean(text).replace(";", ",").split())
    return line if len(line) <= most else f"{line[: most - 3]}..."


def _identifier(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_+.-]", "-", text)[:40] or "glov"


def _cut(text: str, most: int) -> str:
    """So many bytes of it at most, and no half letter."""
    return text.encode()[:most].decode(errors="ignore")


def _passed(sequence: str, told: Told) -> str:
    if told.through == "screen":
        return f"\x1bP{sequence}\x1b\\"
    for _ in range(told.layers if told.through == "tmux" else 0):
        sequence = "\x1bPtmux;" + sequence.replace("\x1b", "\x1b\x1b") + "\x1b\\"
    return sequence


def what_tmux_lacks(client: TmuxClient | None) -> str:
    """What keeps tmux from passing notices on, and how to have it; empty if nothing does."""
    if client is None:
        return ""
    wanted = [] if client.passes else ["allow-passthrough all"]
    wanted += [] if client.tells_focus else ["focus-events on"]
    return f"It takes: {' and '.join(f'tmux set -g {w}' for w in wanted)}" if wanted else ""


def ask_tmux(environ: Mapping[str, str]) -> TmuxClient | None:
    """What the tmux of this machine says of its terminal; None where there is none to ask.

    It takes a moment: not on the thread of a screen.
    """
    if not environ.get("TMUX"):
        return None
    asked = "#{client_termtype}\t#{client_termname}\t#{allow-passthrough}\t#{focus-events}"
    try:
        done = subprocess.run(
            ["tmux", "display-message", "-p", asked],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=TMUX_SECONDS,
            env=dict(environ),
        )
    except (OSError, subprocess.SubprocessError):
        return None
    fields = done.stdout.decode(errors="replace").rstrip("\n").split("\t")
    if done.returncode or len(fields) != 4:
        return None
    name, term, passes, focus = fields
    return TmuxClient(name, term, passes not in ("0", "off"), focus not in ("0", "off"))
