"""Run folders of somebody else: what is in them may be a link or a lie, and is not trusted."""

from __future__ import annotations

import copy
import os
import socket
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from engine.common.errors import JournalError, UserError
from engine.common.files import append_private, append_traceback, read_small
from engine.common.ownership import why_foreign
from engine.remote.client import RemoteSession
from engine.remote.process import start_engine
from engine.run import events as ev
from engine.session.local import LocalSession
from engine.storage.fork import write_fork
from engine.storage.journal import Journal, read_journal
from engine.storage.lock import OWNER, read_owner
from engine.storage.run_folder import EVENTS, LOG
from engine.storage.trust import named_things
from tests.support import ROOT
from tests.support.command import called
from tests.support.small_runs import demo

PRECIOUS = "precious\n"

# -- links and lies -------------------------------------------------------------------------------


@pytest.fixture
def precious(tmp_path: Path) -> Path:
    """A file of the user's, outside of any run."""
    path = tmp_path / "precious"
    path.write_text(PRECIOUS)
    return path


def test_nothing_is_written_through_a_link(run_folder: Path, precious: Path) -> None:
    Journal.begin(demo(), run_folder).close()
    (run_folder / LOG).symlink_to(precious)
    append_traceback(run_folder / LOG, ValueError("text"))
    with pytest.raises(OSError, match="it is a link"):
        append_private(run_folder / LOG, "text")
    with pytest.raises(UserError, match=r"log\.txt: it is a link"):
        start_engine(run_folder)
    (run_folder / EVENTS).unlink()
    (run_folder / EVENTS).symlink_to(precious)
    with pytest.raises(JournalError, match=r"can't be written: it is a link"):
        LocalSession.resume(run_folder)
    assert precious.read_text() == PRECIOUS


def test_a_new_run_empties_no_file_that_a_link_leads_to(run_folder: Path, precious: Path) -> None:
    precious.write_text("no line end")
    run_folder.mkdir()
    (run_folder / EVENTS).symlink_to(precious)
    with pytest.raises(JournalError, match="it is a link"):
        Journal.create(run_folder)
    assert precious.read_text() == "no line end"


def _pipe(place: Path) -> None:
    os.mkfifo(place)


def _socket(place: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(place))


def _link(place: Path) -> None:
    target = place.with_name("told.json")
    target.write_text('{"pid": 1, "host": "here"}')
    place.symlink_to(target)


def _large(place: Path) -> None:
    place.write_text('{"pid": 1, "host": "here"}' + " " * 100_000)


@pytest.mark.parametrize("lie", [_pipe, _socket, Path.mkdir, _link, _large])
def test_what_is_no_small_file_is_neither_read_nor_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lie: Callable[[Path], None]
) -> None:
    monkeypatch.chdir(tmp_path)
    lie(Path(OWNER))
    assert read_owner(tmp_path) is None
    with pytest.raises(OSError):
        read_small(tmp_path / OWNER, 4096)
    if lie is not _large:
        with pytest.raises(OSError):
            append_private(tmp_path / OWNER, "text")


# -- whose it is ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "said"),
    [
        (0o700, None),
        (0o755, None),
        (0o757, "everybody can write"),
        (0o777, "everybody can write"),
        (0o1777, None),
    ],
)
def test_a_folder_that_everybody_can_write_is_foreign(
    tmp_path: Path, mode: int, said: str | None
) -> None:
    tmp_path.chmod(mode)
    found = why_foreign(tmp_path, tmp_path / "nowhere")
    assert found is None if said is None else str(found).startswith(said)
    tmp_path.chmod(0o700)


def test_a_file_of_another_user_is_foreign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "file"
    file.touch()
    file.chmod(0o1666)
    assert why_foreign(tmp_path, file) == f"everybody can write {file}"
    monkeypatch.setattr("engine.common.ownership.ROOT", -1)
    monkeypatch.setattr("os.geteuid", lambda: 1 << 20)
    assert "belongs to" in str(why_foreign(file))


# -- what a journal names -------------------------------------------------------------------------


def test_what_a_configuration_makes_one_use() -> None:
    assert named_things(demo()) == []  # its models come with glov, its images are made
    assert named_things(demo("llm.model=org/name", "vlm.model=ViT-B-32")) == []
    trusted = demo("vlm.trust_remote_code=true", "vlm.kind=encoder-decoder")
    assert named_things(trusted) == ["vlm.trust_remote_code = true"]
    config = demo(
        "llm.trust_remote_code=true",
        "llm.model=~/llm",
        "vlm.model=local-dir:x",
        "vlm.pretrained=./w.bin",
        "data.path=/images",
        "proposal.template_file=/etc/hostname",
    )
    assert [name.partition(" = ")[0] for name in named_things(config)] == [
        "llm.trust_remote_code",
        "data.path",
        "llm.model",
        "vlm.model",
        "vlm.pretrained",
        "proposal.template_file",
    ]


def test_a_name_that_is_a_folder_here_stands_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert named_things(demo("llm.model=org/name")) == []
    (tmp_path / "org" / "name").mkdir(parents=True)
    assert named_things(demo("llm.model=org/name")) == ["llm.model = 'org/name'"]


def unfinished(folder: Path, facts: Sequence[ev.Event]) -> Path:
    """A run that anybody can have written, without its end."""
    journal = Journal.create(folder)
    journal.append(*facts[: [fact.kind for fact in facts].index("step-started", 5)])
    journal.close()
    folder.chmod(0o777)
    return folder


@pytest.fixture
def foreign(run_folder: Path, undisturbed: Path, tmp_path: Path) -> Path:
    """A run that anybody can have written, with a file of the user's in its configuration."""
    secret = tmp_path / "secret.jinja"
    built_in = ROOT / "engine" / "search" / "templates" / "metaprompt.jinja"
    secret.write_text(built_in.read_text())
    begun, *facts = read_journal(undisturbed).events
    config = copy.deepcopy(begun.config)
    config["proposal"]["template_file"] = str(secret)
    return unfinished(run_folder, [begun.model_copy(update={"config": config}), *facts])


REFUSED = r"everybody can write .*proposal\.template_file = '.*secret\.jinja'.*--trust-run"


def test_a_run_of_others_is_not_taken_up_with_files_of_ours(foreign: Path, tmp_path: Path) -> None:
    before = (foreign / EVENTS).read_bytes()
    for take_up in (
        lambda: LocalSession.resume(foreign),
        lambda: RemoteSession.of_new_engine(foreign, "screen"),
        lambda: start_engine(foreign),
        lambda: write_fork(foreign, 1, tmp_path / "fork"),
    ):
        with pytest.raises(UserError, match=REFUSED):
            take_up()
    assert (foreign / EVENTS).read_bytes() == before and not (foreign / OWNER).exists()
    assert not (tmp_path / "fork").exists()
    LocalSession.resume(foreign, trusted=True).close()
    write_fork(foreign, 1, tmp_path / "fork", trusted=True)
    assert named_things(LocalSession.resume(tmp_path / "fork").state.config)


def test_a_run_of_others_that_names_nothing_of_ours_is_taken_up(
    run_folder: Path, undisturbed: Path
) -> None:
    LocalSession.resume(unfinished(run_folder, read_journal(undisturbed).events)).close()


def test_the_flag_is_one_of_the_command_line(foreign: Path, tmp_path: Path) -> None:
    run = str(foreign)
    for command in (
        ("resume", run, "--headless"),
        ("resume", run, "--detach"),
        ("fork", run, "--at-step", "1", "--run-dir", "f", "--headless"),
        ("steer", run),
    ):
        done = called(*command, cwd=tmp_path)
        assert done.returncode == 2 and "--trust-run" in done.stderr, done.stderr
    done = called("resume", run, "--headless", "--trust-run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
