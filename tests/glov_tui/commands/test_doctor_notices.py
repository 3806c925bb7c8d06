"""What `glov doctor` says of the user's file and of notices: all of it, and no secret."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from engine.config.user_file import user_file
from glov_tui.commands.doctor_notices import notices
from glov_tui.terminal.telling import TmuxClient

SECRET = "https://me.example/t0k3n-secret"


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GLOV_CONFIG_DIR", str(tmp_path / "settings"))
    user_file().parent.mkdir(mode=0o700)
    return user_file()


@pytest.fixture
def ghostty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    for name, value in {"TERM": "xterm-ghostty", "TERM_PROGRAM": "ghostty"}.items():
        monkeypatch.setenv(name, value)
    for name in ("TMUX", "STY", "LC_TERMINAL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM_PROGRAM_VERSION", "1.2.3")


def test_without_a_file_it_says_where_that_would_be(file: Path) -> None:
    found = notices()
    assert found["file"] == f"{file}, which is not there"
    assert found["terminal"] == "not told: standard output is no terminal"
    assert (found["command"], found["webhook"], found["progress"]) == ("none", "none", False)
    assert "problem" not in found and "new-best" in found["on"]


@pytest.mark.usefixtures("ghostty")
def test_what_the_terminal_takes_is_said(file: Path) -> None:
    found = notices()
    assert found["terminal"] == "OSC 777, while it has not the focus" and found["progress"]
    file.write_text('[notify]\nterminal = "off"\nalways = true')
    assert notices()["terminal"] == "not told: notify.terminal is off"
    file.write_text('[notify]\nterminal = "osc9"\nalways = true')
    assert notices()["terminal"] == "OSC 9, always"


@pytest.mark.usefixtures("ghostty")
def test_what_tmux_lacks_is_said(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "tmux-256color")
    monkeypatch.setattr(
        "glov_tui.commands.doctor_notices.ask_tmux",
        lambda _: TmuxClient("ghostty 1.2.3", "xterm-ghostty", passes=False),
    )
    found = notices()
    assert found["terminal"].startswith("OSC 777 through tmux")
    assert found["note"] == "It takes: tmux set -g allow-passthrough all"


def test_who_else_is_told_is_said_without_a_secret(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text(f'[notify]\ncommand = ["sh", "{SECRET}"]\nwebhook = "{SECRET}"')
    found = notices()
    assert (found["command"], found["webhook"]) == ("sh", "yes")
    assert "t0k3n" not in str(found)
    (file.parent / "tell").write_text("x")
    file.write_text('[notify]\ncommand = "./tell"\nwebhook_env = "MY_HOOK"')
    monkeypatch.delenv("MY_HOOK", raising=False)
    found = notices()
    assert found["command"].endswith("is no program (`chmod +x` makes a file one)")
    assert found["webhook"] == "notify.webhook_env: MY_HOOK is not set in the environment"
    file.write_text('[notify]\ncommand = "no-such-program"')
    assert notices()["command"] == "no-such-program is not there"


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"[notify]\nevery = 'x'", "notify.every"),
        (b"[notify]\nevrey = 3", "notify.evrey"),
        (b"[notify]\non = ['\xff']", "UTF-8"),
        (b"[notify", "no valid TOML"),
        (None, "Is a directory"),
    ],
)
def test_what_is_wrong_in_the_file_is_said(file: Path, data: bytes | None, says: str) -> None:
    if data is None:
        file.mkdir()
    else:
        file.write_bytes(data)
    found = notices()
    assert says in found["problem"] and str(file) in found["problem"]
    assert found["on"] == [] and not found["progress"]


def test_an_empty_file_is_as_good_as_none(file: Path) -> None:
    file.write_bytes(b"")
    assert "problem" not in notices()
