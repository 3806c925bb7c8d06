"""Where exports go: never over what is there unless that was said, whole or not at all."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from engine.analysis.export.exported import Exported, read_exported
from engine.analysis.export.formats import FORMATS, Format, find_format
from engine.analysis.export.writing import ExistsError, export, target
from engine.common.errors import ConfigError, UserError
from engine.common.files import write_atomic
from engine.run.events import StepFinished
from engine.run.state import RunState
from engine.storage.check import check_run
from engine.storage.run_folder import EXPORTS
from tests.support.privileges import sealed
from tests.support.written_runs import write_run


@pytest.fixture
def run(tmp_path: Path) -> Exported:
    return read_exported(write_run(tmp_path / "runs" / "one"))


def test_by_itself_it_goes_into_the_run(run: Exported) -> None:
    path = export(run, "csv")
    assert path == run.folder / EXPORTS / "one.csv"
    assert sorted(entry.name for entry in path.parent.iterdir()) == ["one.csv"]
    assert not [f for f in check_run(run.folder).findings if Path(f.where).name == EXPORTS]


def test_a_file_or_a_folder_can_be_named(run: Exported, tmp_path: Path) -> None:
    assert export(run, "md", tmp_path / "x.txt") == tmp_path / "x.txt"
    assert export(run, "md", tmp_path) == tmp_path / "one.md"


def test_a_path_that_ends_in_a_slash_is_a_folder_that_is_made(
    run: Exported, tmp_path: Path
) -> None:
    for end in ("/", "//", "/."):
        assert export(run, "md", f"{tmp_path}/a/b{end}", force=True) == tmp_path / "a/b/one.md"
    made = export(run, "tensorboard", f"{tmp_path}/events/")
    assert made == tmp_path / "events" / "one-tensorboard"
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UserError, match="file/one.md can't be written: it is no folder"):
        export(run, "md", f"{tmp_path}/file/")
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_others_may_read_it_as_the_umask_says(run: Exported, tmp_path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        file, folder = export(run, "md", tmp_path), export(run, "tensorboard", tmp_path)
        file.chmod(0o640)
        export(run, "md", tmp_path, force=True)
        assert file.stat().st_mode & 0o777 == 0o640  # as it was
        found = export(run, "csv", tmp_path)
    finally:
        os.umask(before)
    assert found.stat().st_mode & 0o777 == 0o666 & ~mask
    assert folder.stat().st_mode & 0o777 == 0o777 & ~mask
    assert {entry.stat().st_mode & 0o777 for entry in folder.iterdir()} == {0o666 & ~mask}


def test_a_place_that_can_not_be_written_is_said_before_anything_is_made(
    run: Exported, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Format, "load", lambda _: pytest.fail("it was made"))
    for out in ("/proc/x.safetensors", "/proc/x/"):  # root can't write there, either
        with pytest.raises(UserError, match=r"/proc/.*can't be written.*--out"):
            export(run, "head", out)


def test_nothing_is_replaced_unless_it_is_said(run: Exported, tmp_path: Path) -> None:
    path = tmp_path / "x.md"
    path.write_text("mine")
    with pytest.raises(ExistsError, match="--force"):
        export(run, "md", path)
    assert path.read_text() == "mine"
    export(run, "md", path, force=True)
    assert path.read_text().startswith("# Prompts")


def test_a_link_is_not_followed(run: Exported, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.write_text("mine")
    for name, to in (("link.md", mine), ("loose.md", tmp_path / "nowhere")):
        link = tmp_path / name
        link.symlink_to(to)
        with pytest.raises(ExistsError):
            export(run, "md", link)
        export(run, "md", link, force=True)
        assert not link.is_symlink() and not (tmp_path / "nowhere").exists()
    assert mine.read_text() == "mine"


def test_the_folder_in_the_run_is_no_link_to_elsewhere(run: Exported, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (run.folder / EXPORTS).symlink_to(elsewhere)
    with pytest.raises(UserError, match="is a link"):
        export(run, "md")
    assert not list(elsewhere.iterdir())


def test_no_folder_is_made_that_was_not_named(run: Exported, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no folder"):
        export(run, "md", tmp_path / "a" / "b.md")
    assert not (tmp_path / "a").exists()


def test_a_name_that_was_taken_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text("mine")
    with pytest.raises(FileExistsError):
        write_atomic(path, "other", replace=False)
    assert path.read_text() == "mine" and list(tmp_path.iterdir()) == [path]
    write_atomic(tmp_path / "y", "new", replace=False)
    assert (tmp_path / "y").read_text() == "new" and (tmp_path / "y").stat().st_nlink == 1


def test_without_hard_links_it_is_written_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(*_: object, **__: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "link", denied)
    write_atomic(tmp_path / "y", "new", replace=False)
    assert (tmp_path / "y").read_text() == "new"
    with pytest.raises(FileExistsError):
        write_atomic(tmp_path / "y", "other", replace=False)
    assert len(list(tmp_path.iterdir())) == 1


def test_a_folder_of_others_is_named(run: Exported, tmp_path: Path) -> None:
    with (
        sealed(tmp_path, stat.S_IRUSR | stat.S_IXUSR),
        pytest.raises(UserError, match="can't be written: Permission denied"),
    ):
        export(run, "md", tmp_path / "x.md")


def test_a_folder_is_replaced_only_if_an_export_made_it(run: Exported, tmp_path: Path) -> None:
    form = find_format("tensorboard")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "work.txt").write_text("mine")
    assert target(run, form, tmp_path / "mine")[0] == tmp_path / "mine" / "one-tensorboard"
    inner = tmp_path / "mine" / "one-tensorboard"
    inner.mkdir()
    (inner / "work.txt").write_text("mine")
    (inner.parent / "one.md").mkdir()
    with pytest.raises(UserError, match="not what an export made"):
        export(run, "tensorboard", tmp_path / "mine", force=True)
    with pytest.raises(UserError, match="not what an export made"):
        export(run, "md", inner.parent, force=True)


def test_what_is_no_file_is_not_replaced(run: Exported, tmp_path: Path) -> None:
    pipe, link = tmp_path / "pipe", tmp_path / "link"
    os.mkfifo(pipe)
    link.symlink_to(pipe)  # as /dev/stdout is one
    for path in (pipe, link):
        for name in ("md", "tensorboard"):
            with pytest.raises(UserError, match="not what an export made"):
                export(run, name, path, force=True)
    assert pipe.is_fifo() and link.is_symlink()


def test_a_name_that_no_file_can_have_is_said(run: Exported, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="can't be looked for"):
        export(run, "md", tmp_path / ("n" * 300))


def test_an_earlier_place_has_a_name_of_its_own(run: Exported) -> None:
    first = next(n for n, event in enumerate(run.events, 1) if isinstance(event, StepFinished))
    for count, name in ((first, "one-at-step-1"), (first + 1, "one-in-step-2")):
        events = run.events[:count]
        past = Exported(run.folder, events, RunState().apply_all(events), is_all=False)
        assert past.stem == name


def test_formats_are_named_where_there_is_none() -> None:
    with pytest.raises(ConfigError, match="'xls': there are html, md, csv"):
        find_format("xls")


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_has_its_writer(name: str) -> None:
    assert callable(FORMATS[name].load())
