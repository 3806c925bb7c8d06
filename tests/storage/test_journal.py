from __future__ import annotations

import errno
import json
import math
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.common.errors import JournalError, UserError
from engine.config import RunConfig
from engine.config.toml_file import load_config
from engine.run import events as ev
from engine.storage.journal import Journal, fold_journal, is_driven, read_journal
from engine.storage.journal_lines import unsealed
from engine.storage.lock import OWNER, Owner
from engine.storage.run_folder import EVENTS, find_run
from engine.storage.run_status import status_now
from engine.storage.watched_run import WatchedRun
from tests.support.sealing import resealed

CONFIG = RunConfig.model_validate({"data": {"path": "/images"}})


def started() -> ev.RunStarted:
    return ev.RunStarted(run="r", config=CONFIG.model_dump(mode="json"), versions={})


def written(folder: Path, *events: ev.Event) -> Path:
    journal = Journal.create(folder)
    journal.write_config(CONFIG)
    for event in (started(), *events):
        journal.append(event)
    journal.close()
    return folder


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_is_one_line_and_comes_back(text: str) -> None:
    event = ev.Warned(message=text)
    line = ev.format_event(event)
    assert "\n" not in line and "\r" not in line
    assert ev.parse_event(line) == event


def test_facts_come_back_in_order(tmp_path: Path) -> None:
    events = [ev.Warned(message=f"{i} \u2028 \x1b[31m ü") for i in range(5)]
    content = read_journal(written(tmp_path / "run", *events))
    assert content.events[1:] == tuple(events)
    assert content.torn_bytes == 0


def test_run_folder_is_private_and_holds_the_config(tmp_path: Path) -> None:
    folder = written(tmp_path / "run")
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / EVENTS).stat().st_mode & 0o777 == 0o600
    assert load_config(folder / "config.toml") == CONFIG


def test_torn_last_line_at_every_byte_is_cut_and_appended_to(tmp_path: Path) -> None:
    folder = written(tmp_path / "run", ev.StepStarted(step=1), ev.Warned(message="last"))
    path = folder / EVENTS
    whole = path.read_bytes()
    before = whole.rstrip(b"\n").rfind(b"\n") + 1
    for end in range(before, len(whole)):
        path.write_bytes(whole[:end])
        content = read_journal(folder)
        assert len(content.events) == 2
        assert content.torn_bytes == end - before
        journal = Journal(folder)
        journal.cut(content.torn_bytes)
        journal.append(ev.StepStarted(step=2))
        journal.close()
        assert read_journal(folder).events[-1].kind == "step-started"


def test_facts_that_are_one_append_are_there_together_or_not_at_all(tmp_path: Path) -> None:
    folder = written(tmp_path / "run", ev.StepStarted(step=1))
    path = folder / EVENTS
    before = path.stat().st_size
    together = [ev.Warned(message=text) for text in ("one", "two ", "three")]
    journal = Journal(folder)
    journal.append(*together)
    journal.append(ev.StepStarted(step=2))
    journal.close()
    whole = path.read_bytes()
    assert read_journal(folder).events[2:5] == tuple(together)
    assert [json.loads(line)["kind"] for line in whole.splitlines()][2] == "warned"
    end = whole.rstrip(b"\n").rfind(b"\n") + 1
    for cut in range(before, end):
        path.write_bytes(whole[:cut])
        content = read_journal(folder)
        assert len(content.events) == 2 and content.torn_bytes == cut - before
    journal = Journal(folder)
    journal.cut(content.torn_bytes)
    journal.append(ev.StepStarted(step=2))
    journal.close()
    assert len(read_journal(folder).events) == 3


def test_a_first_append_that_was_torn_is_no_run(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    journal = Journal.create(folder)
    journal.append(started(), ev.StepStarted(step=1), ev.StepStarted(step=2))
    journal.close()
    whole = (folder / EVENTS).read_bytes()
    (folder / EVENTS).write_bytes(whole[: whole.rfind(b"{")])
    with pytest.raises(JournalError, match="the same folder will do"):
        read_journal(folder)
    assert len(read_journal(written(folder, ev.StepStarted(step=1))).events) == 2


def test_damage_in_the_middle_is_refused_with_its_line(tmp_path: Path) -> None:
    folder = written(tmp_path / "run", ev.StepStarted(step=1), ev.StepStarted(step=2))
    lines = (folder / EVENTS).read_bytes().split(b"\n")
    lines[1] = lines[1][:-3]
    (folder / EVENTS).write_bytes(b"\n".join(lines))
    with pytest.raises(JournalError, match="line 2 of 3 is damaged"):
        read_journal(folder)


def test_other_version_is_refused(tmp_path: Path) -> None:
    folder = written(tmp_path / "run")
    (line,) = (folder / EVENTS).read_bytes().splitlines()
    other = line.replace(b'"journal_version":2', b'"journal_version":99')
    for text in (resealed([other]), unsealed(other)[0] + b"\n"):  # it may have no such checksums
        (folder / EVENTS).write_bytes(text)
        with pytest.raises(JournalError, match="version 99"):
            read_journal(folder)
    (folder / EVENTS).write_bytes(other + b"\n")
    with pytest.raises(JournalError, match="line 1 of 1 is damaged: its checksum"):
        read_journal(folder)


def test_a_folder_with_a_run_is_never_overwritten(tmp_path: Path) -> None:
    folder = written(tmp_path / "run")
    before = (folder / EVENTS).read_bytes()
    with pytest.raises(UserError, match="glov resume"):
        Journal.create(folder)
    assert (folder / EVENTS).read_bytes() == before


def test_run_dir_on_a_file_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="can't be written there"):
        Journal.create(tmp_path / "file" / "run")


def test_missing_run_says_where_it_looked(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="no run there"):
        find_run(str(tmp_path / "nothing"))


def test_numbers_that_are_not_finite_come_back() -> None:
    event = ev.SteeringPrepared(
        step=1,
        positive="p",
        negative="n",
        mode="last-token",
        pool="no-bos",
        layers=(1,),
        alpha=1.0,
        norms=(math.inf, -math.inf),
        ratios=(1.0, 2.0),
        trials=(ev.AlphaTrial(alpha=1.0, replies=1, reward=math.inf, spread=0.0),),
    )
    assert ev.parse_event(ev.format_event(event)) == event


@pytest.mark.parametrize(
    ("line", "what"),
    [
        (b"\xff\xfe\x80", "no JSON"),
        (b"\0" * 40, "no JSON"),
        (b"", "no JSON"),
        (b"[" * 100_000, "no JSON"),
        (b"17", "an object"),
        (b'{"kind":"fork\\u001b[31m"}', r"no event of kind 'fork\\x1b\[31m'"),
        (b'{"kind":"step-started","step":1,"\\u001b":2}', r"'\\x1b'"),
    ],
    ids=["no UTF-8", "NUL", "empty", "deep", "no object", "unknown kind", "unknown key"],
)
def test_every_kind_of_damage_is_named_and_never_shown_raw(
    tmp_path: Path, line: bytes, what: str
) -> None:
    folder = written(tmp_path / "run", ev.StepStarted(step=1))
    lines = (folder / EVENTS).read_bytes().split(b"\n")
    lines.insert(1, line)
    (folder / EVENTS).write_bytes(b"\n".join(lines))
    with pytest.raises(JournalError, match=f"line 2 of 3 is damaged: .*{what}") as caught:
        read_journal(folder)
    assert str(caught.value).isprintable()


def test_events_that_can_not_follow_each_other_are_refused_with_their_line(tmp_path: Path) -> None:
    folder = written(tmp_path / "run", ev.TokensStreamed(step=1, attempt=1, texts=("a",)))
    journal = Journal(folder)
    journal.append(ev.TokensStreamed(step=1, attempt=1, texts=("a", "b")))
    journal.close()
    content = read_journal(folder)
    with pytest.raises(JournalError, match="line 3 of 3: tokens-streamed can't be here"):
        fold_journal(folder, content.events)


def test_a_configuration_that_this_version_does_not_know_names_the_key(tmp_path: Path) -> None:
    folder = written(tmp_path / "run")
    text = (folder / EVENTS).read_bytes()
    for new, what in (
        (b'"warp":9', r"no key 'proposal\.warp'"),
        (b'"examples":0', "'proposal.exam"),
    ):
        (folder / EVENTS).write_bytes(resealed([text.replace(b'"examples":5', new)]))
        with pytest.raises(JournalError, match=f"line 1: .*{what}.*Use the glov that wrote it"):
            read_journal(folder)


def test_what_died_before_its_first_fact_is_no_run(tmp_path: Path) -> None:
    for left in (b"", b'{"kind":"run-st'):
        folder = tmp_path / f"run{len(left)}"
        folder.mkdir()
        (folder / EVENTS).write_bytes(left)
        with pytest.raises(JournalError, match="Start it anew"):
            read_journal(folder)
        assert read_journal(written(folder)).torn_bytes == 0


def test_a_live_owner_is_named_and_keeps_the_run(tmp_path: Path) -> None:
    folder = written(tmp_path / "run")
    code = (
        "import sys; from pathlib import Path; from engine.storage.journal import Journal\n"
        "journal = Journal(Path(sys.argv[1])); print('open', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"open\n"
        who = f"process {process.pid} on {re.escape(socket.gethostname())}"
        with pytest.raises(JournalError, match=f"being driven by {who}, which can.t"):
            Journal(folder)
        process.kill()
        process.wait()
        journal = Journal(folder)
        assert journal.left_by == Owner(process.pid, socket.gethostname())
        journal.close()
    assert not (folder / OWNER).exists()
    journal = Journal(folder)
    assert journal.left_by is None
    journal.close()


def test_an_owner_on_another_host_is_refused_with_what_to_do(tmp_path: Path) -> None:
    folder = written(tmp_path / "run")
    (folder / OWNER).write_text('{"pid": 7, "host": "elsewhere"}')
    with pytest.raises(JournalError, match=r"process 7 on elsewhere .*delete .*owner\.json"):
        Journal(folder)
    assert is_driven(folder) and not is_driven(folder, gone=Owner(7, "elsewhere"))
    assert status_now("running", folder) == "running"  # its lock is not seen on every file system
    (folder / OWNER).unlink()
    Journal(folder).close()


def test_a_process_that_died_is_not_one_that_has_its_number_now(tmp_path: Path) -> None:
    """As in containers, whose first process is always number 1."""
    folder = written(tmp_path / "run")
    (folder / OWNER).write_text(json.dumps({"pid": os.getpid(), "host": socket.gethostname()}))
    assert not is_driven(folder)
    assert WatchedRun(folder).look().status == "interrupted"


@pytest.mark.parametrize("damaged", [b"", b"{", b"[]", b'{"pid": -1, "host": "a"}', b"\xff"])
def test_a_damaged_owner_file_is_nobody(tmp_path: Path, damaged: bytes) -> None:
    folder = written(tmp_path / "run")
    (folder / OWNER).write_bytes(damaged)
    journal = Journal(folder)
    assert journal.left_by is None
    journal.close()


def test_without_locks_a_live_owner_of_this_host_is_refused_and_a_dead_one_taken_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    folder = written(tmp_path / "run")
    monkeypatch.setattr("fcntl.flock", no_locks)
    host = socket.gethostname()
    (folder / OWNER).write_text(json.dumps({"pid": os.getppid(), "host": host}))
    with pytest.raises(JournalError, match=f"being driven by process {os.getppid()} on"):
        Journal(folder)
    with subprocess.Popen(["true"]) as process:
        process.wait()
    (folder / OWNER).write_text(json.dumps({"pid": process.pid, "host": host}))
    journal = Journal(folder)
    assert journal.left_by == Owner(process.pid, host)
    journal.close()


# -- what others do to the file ----------------------------------------------------------------


def test_every_byte_that_is_changed_in_the_last_lines_is_noticed(tmp_path: Path) -> None:
    last = [ev.Warned(message="last but one"), ev.RunStopped(step=0)]
    folder = written(tmp_path / "run", ev.StepStarted(step=1), *last)
    path = folder / EVENTS
    whole = path.read_bytes()
    begin = len(b"".join(whole.splitlines(keepends=True)[:-3]))
    for at in range(begin, len(whole)):
        for new in {whole[at] ^ 1, whole[at] ^ 32, 10, 32, 34} - {whole[at]}:
            path.write_bytes(whole[:at] + bytes([new]) + whole[at + 1 :])
            if at == len(whole) - 1:  # the line end itself: the last line is torn, and is said so
                assert read_journal(folder).torn_bytes > 0
                continue
            with pytest.raises(JournalError, match=r"line \d of \d is damaged"):
                read_journal(folder)


def test_lines_that_are_missing_doubled_moved_or_put_in_are_noticed(tmp_path: Path) -> None:
    folder = written(tmp_path / "run", *(ev.Warned(message=f"{i}") for i in range(4)))
    path = folder / EVENTS
    a, b, c, d, e = path.read_bytes().splitlines(keepends=True)
    other = ev.format_event(ev.Warned(message="not ours")).encode() + b"\n"
    for lines, line, what in (
        ([a, b, d, e], 3, "does not match"),
        ([a, b, b, c, d, e], 3, "does not match"),
        ([a, c, b, d, e], 2, "does not match"),
        ([a, b, c, other, d, e], 4, "has no checksum"),
        ([a, b, c, d, e, other], 6, "has no checksum"),
        ([b, c, d, e], 1, "does not match"),
    ):
        path.write_bytes(b"".join(lines))
        with pytest.raises(JournalError, match=f"line {line} of {len(lines)} is damaged: .*{what}"):
            read_journal(folder)


def test_lines_are_json_that_any_reader_takes(tmp_path: Path) -> None:
    folder = written(tmp_path / "run", ev.Warned(message='ends like one: ,"crc":"00000000"}'))
    facts = [json.loads(line) for line in (folder / EVENTS).read_bytes().splitlines()]
    assert [fact["kind"] for fact in facts] == ["run-started", "warned"]
    assert all(re.fullmatch("[0-9a-f]{8}", fact["crc"]) for fact in facts)
    assert read_journal(folder).events[1].message == facts[1]["message"]


def deleted(path: Path) -> None:
    path.unlink()


def moved(path: Path) -> None:
    path.parent.rename(path.parent.with_name("elsewhere"))


def replaced(path: Path) -> None:
    other = path.with_name("other")
    other.write_bytes(path.read_bytes())
    other.replace(path)


def truncated(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 7)


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def added_to(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"x\n")


@pytest.mark.parametrize(
    ("harm", "what"),
    [
        (deleted, "was deleted or moved"),
        (moved, "was deleted or moved"),
        (replaced, "was replaced by another file"),
        (truncated, r"was cut from \d+ to \d+ bytes by somebody else"),
        (emptied, "was cut from .* to 0 bytes"),
        (added_to, "2 bytes were written to .* by somebody else"),
    ],
)
def test_what_is_done_to_an_open_journal_ends_it(
    tmp_path: Path, harm: Callable[[Path], None], what: str
) -> None:
    for ends in (Journal.sync, lambda journal: journal.append(ev.StepStarted(step=1))):
        folder = written(tmp_path / "run")
        journal = Journal(folder)
        journal.append(ev.Warned(message="before"))
        journal.sync()
        harm(folder / EVENTS)
        left = [path.read_bytes() for path in tmp_path.rglob(EVENTS)]
        with pytest.raises(JournalError, match=what) as caught:
            ends(journal)
        assert str(caught.value).isprintable()
        with pytest.raises(JournalError, match=what):
            journal.append(ev.RunFinished(step=1))
        with pytest.raises(JournalError, match=what):
            journal.close()
        assert [path.read_bytes() for path in tmp_path.rglob(EVENTS)] == left
        shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(tmp_path / "elsewhere", ignore_errors=True)


# -- numbers that no run has ---------------------------------------------------------------------

SCORED = ev.TemplateScored(
    step=0,
    attempt=1,
    candidate=0,
    template="a <category>",
    origin="seed",
    hits=3,
    n=4,
    margin=-1.5,
    class_hits=(2, 1),
)
FINISHED = ev.StepFinished(
    step=1,
    attempts=1,
    new=1,
    duplicates=0,
    rejected=0,
    tokens=9,
    step_best=0.5,
    step_mean=0.25,
    best=0.75,
    seconds=1.0,
)
TESTED = ev.TestMeasured(step=0, subject="seed", templates=("t",), hits=3, n=4, seconds=1.0)


@pytest.mark.parametrize("number", ["-1", "1e308", "-1e308", "NaN", "Infinity", "1" * 400, "1e400"])
@pytest.mark.parametrize(
    ("event", "key"),
    [
        *((SCORED, key) for key in ("step", "attempt", "candidate", "hits", "n", "margin", "time")),
        *((FINISHED, key) for key in ("step", "new", "tokens", "step_best", "step_mean", "best")),
        *((TESTED, key) for key in ("hits", "n", "seconds")),
        (ev.RunForked(parent="p", step=1), "step"),
    ],
)
def test_impossible_numbers_are_damage_with_its_line(
    tmp_path: Path, event: ev.Event, key: str, number: str
) -> None:
    if (key, number) == ("margin", "-1"):
        return
    folder = written(tmp_path / "run", event, ev.StepStarted(step=1))
    lines = (folder / EVENTS).read_bytes().splitlines()
    value = json.dumps(getattr(event, key))
    odd = lines[1].replace(f'"{key}":{value}'.encode(), f'"{key}":{number}'.encode())
    assert odd != lines[1]
    (folder / EVENTS).write_bytes(resealed([lines[0], odd, lines[2]]))
    with pytest.raises(JournalError, match="line 2 of 3 is damaged"):
        read_journal(folder)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"hits":3', b'"hits":5'),
        (b'"n":4', b'"n":0'),
        (b'"class_hits":[2,1]', b'"class_hits":[2,-1]'),
        (b'"class_hits":[2,1]', b'"class_hits":{"a":[2,2]}'),
    ],
)
def test_hits_that_can_not_be_are_damage(tmp_path: Path, old: bytes, new: bytes) -> None:
    folder = written(tmp_path / "run", SCORED)
    lines = (folder / EVENTS).read_bytes().splitlines()
    (folder / EVENTS).write_bytes(resealed([lines[0], lines[1].replace(old, new)]))
    with pytest.raises(JournalError, match="line 2 of 2 is damaged"):
        read_journal(folder)


@pytest.mark.parametrize("hits", [(3, 0), (1, 1, 1), (3,)])
def test_hits_by_class_that_can_not_be_of_this_data_set_are_refused(
    tmp_path: Path, hits: tuple[int, ...]
) -> None:
    models = ev.ModelsLoaded(
        llm="llm",
        llm_layers=6,
        vlm="vlm",
        dataset_name="d",
        dataset_description="",
        dataset_fingerprint="f",
        class_names=("a", "b"),
        class_sizes=(2, 2),
        train_size=4,
        test_size=4,
        seconds=0.0,
    )
    folder = written(tmp_path / "run", models, SCORED.model_copy(update={"class_hits": hits}))
    with pytest.raises(JournalError, match="line 3 of 3: template-scored can't be here"):
        fold_journal(folder, read_journal(folder).events)


def test_impossible_numbers_are_said_in_plain_words(tmp_path: Path) -> None:
    folder = written(tmp_path / "run", ev.StepStarted(step=1))
    lines = (folder / EVENTS).read_bytes().split(b"\n")
    lines.insert(1, b'{"kind":"step-started","step":true}')
    (folder / EVENTS).write_bytes(b"\n".join(lines))
    with pytest.raises(JournalError) as caught:
        read_journal(folder)
    assert not any(word in str(caught.value) for word in ("Input", "Value error", "valid integer"))
