"""Editing in $EDITOR: private files, plain messages, nothing lost. Editors are scripts here."""

import stat
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from glov_tui.terminal.external_editor import EditorError, edit_with, editor_command

Editor = Callable[[Sequence[str]], int]


def editor(change: Callable[[Path], int | None]) -> Editor:
    return lambda argv: change(Path(argv[-1])) or 0


def writing(data: bytes) -> Editor:
    return editor(lambda path: path.write_bytes(data) and 0)


def test_the_new_text_comes_back() -> None:
    assert edit_with("old", ["ed"], writing("nëw ✓\n".encode())) == "nëw ✓"


@pytest.mark.parametrize("data", [b"old", b"old\n", b"old\r\n", b"\xef\xbb\xbfold\n"])
def test_only_a_changed_text_counts(data: bytes) -> None:
    assert edit_with("old", ["ed"], writing(data)) is None


def test_line_ends_of_the_text_itself_stay() -> None:
    seen = []
    run = editor(lambda path: seen.append(path.read_bytes()))
    assert edit_with("a\n\nb\n", ["ed"], run) is None
    assert seen == [b"a\n\nb\n\n"]
    assert edit_with("a\r\nb", ["ed"], run) is None


def test_an_editor_that_fails_changes_nothing() -> None:
    assert edit_with("old", ["ed"], editor(lambda path: path.write_text("new") and 1)) is None
    assert edit_with("old", ["ed"], editor(lambda path: -15)) is None


def test_a_file_that_the_editor_removed_changes_nothing() -> None:
    assert edit_with("old", ["ed"], editor(lambda path: path.unlink())) is None


def test_only_the_user_can_read_the_file_and_it_is_gone_afterwards() -> None:
    seen: list[tuple[Path, int, int]] = []

    def look(path: Path) -> None:
        mode = stat.S_IMODE(path.stat().st_mode)
        seen.append((path, mode, stat.S_IMODE(path.parent.stat().st_mode)))

    edit_with("old", ["ed"], editor(look), suffix=".md")
    ((path, mode, folder_mode),) = seen
    assert (mode, folder_mode, path.suffix) == (0o600, 0o700, ".md")
    assert not path.parent.exists()


@pytest.mark.parametrize(
    ("data", "message"),
    [(b"ok\n\xff\xfe", "not UTF-8 in line 2"), (b"x" * (1 << 21), "larger than 1 MiB")],
)
def test_what_cannot_be_used_is_kept(data: bytes, message: str) -> None:
    with pytest.raises(EditorError, match=message) as caught:
        edit_with("old", ["ed"], writing(data))
    kept = Path(str(caught.value).rpartition(" kept in ")[2])
    assert kept.read_bytes() == data
    kept.unlink()
    kept.parent.rmdir()


def test_a_shell_that_does_not_find_the_editor_is_told_from_an_abandoned_edit() -> None:
    with pytest.raises(EditorError, match="'my editor' -w ended with status 127"):
        edit_with("old", ["my editor", "-w"], lambda argv: 127)


def test_an_editor_that_cannot_be_started_is_named() -> None:
    with pytest.raises(EditorError, match="/no/such/ed can't be started: No such file"):
        edit_with("old", ["/no/such/ed"], subprocess.call)


def test_visual_comes_before_editor_and_may_have_arguments(tmp_path: Path) -> None:
    program = tmp_path / "my ed"
    program.touch(mode=0o755)
    environ = {"VISUAL": f"'{program}' -w --n=2", "EDITOR": "vi", "PATH": str(tmp_path)}
    assert editor_command(environ) == [str(program), "-w", "--n=2"]


def test_without_variables_an_installed_editor_is_found(tmp_path: Path) -> None:
    (tmp_path / "vi").touch(mode=0o755)
    assert editor_command({"EDITOR": " ", "PATH": str(tmp_path)}) == [str(tmp_path / "vi")]


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"EDITOR": "no-such-editor -w"}, "no program 'no-such-editor'"),
        ({"VISUAL": "vi 'open"}, r"\$VISUAL is .* no command: No closing quotation"),
        ({}, r"no editor found: set \$EDITOR"),
    ],
)
def test_a_missing_editor_is_explained(environ: dict[str, str], message: str) -> None:
    with pytest.raises(EditorError, match=message):
        editor_command({"PATH": "/nowhere", **environ})
