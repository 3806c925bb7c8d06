"""Every fault ends in what an undisturbed run ends in, or in a clear refusal; never a traceback.

``GLOV_KILLS`` says how many times runs are killed (50), ``GLOV_KILLS_SEED`` when (1);
``-s`` shows behind which facts that was.
"""

from __future__ import annotations

import errno
import os
import random
import re
import shutil
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.analysis.run_list import list_runs
from engine.common.errors import JournalError, UserError
from engine.common.files import make_private_folder
from engine.common.kept import Kept
from engine.llm.decoding.decoder import Decoder
from engine.llm.interface import Reply, TokenColumn
from engine.llm.transformers_llm import LocalLLM
from engine.run import events as ev
from engine.run.commands import Resume, Stop
from engine.run.result import summarise
from engine.run.state import RunState
from engine.session.loading import load_search
from engine.session.local import LocalSession
from engine.steering import layers
from engine.storage.check import check_run
from engine.storage.journal import Journal, read_journal
from engine.storage.run_folder import EVENTS, LOG, PREDICTIONS, SUMMARY
from engine.vlm.dual_encoder.text_features import TextFeatures
from glov_tui.cockpit.template_lines import details
from tests.support.forking import Glov, warm_glov
from tests.support.kill_points import NOTHING, KillPoint, KillPoints, kinds
from tests.support.sealing import resealed
from tests.support.small_runs import OVERRIDES, demo, drive, outcome


def resume(folder: Path, kept: Kept) -> RunState:
    return drive(LocalSession.resume(folder, kept=kept))


# -- processes that are killed ---------------------------------------------------------------

PARTS = ("first", "second", "meddled")
"""Each has a run that is killed until it ends, then the next one; in one somebody meddles."""
KILLS = int(os.environ.get("GLOV_KILLS", "50"))
SEED = os.environ.get("GLOV_KILLS_SEED", "1")
OPTIONS = [part for override in OVERRIDES for part in ("--set", override)]
IMPORT_SECONDS = 4  # of a process that is not forked, about


@pytest.fixture
def glov() -> Glov:
    return warm_glov()


def new_run(folder: Path) -> list[str]:
    return ["demo", "--headless", "--run-dir", str(folder), *OPTIONS]


@pytest.mark.parametrize("part", PARTS)
def test_killed_at_any_moment_and_resumed_ends_the_same(
    part: str, glov: Glov, undisturbed: Path, tmp_path: Path
) -> None:
    kills = -(-KILLS // len(PARTS))
    kinds_of_moments = min(kills // 2, 10)
    chance = random.Random(f"{SEED} {part}")
    output = tmp_path / "output"
    never_killed = tmp_path / "never-killed"
    runs = [never_killed]
    chosen: Counter[str] = Counter()
    killed: Counter[str] = Counter()

    def go(point: KillPoint | None, fresh: bool = False) -> int | None:
        folder = runs[-1]
        before = kinds(folder)
        arguments = ["resume", str(folder), "--headless"] if before else new_run(folder)
        code = glov(output, folder / EVENTS, arguments, point, fresh, part == "meddled")
        assert code in (0, -9), f"{code} at {point}: {output.read_text()[-2000:]}"
        if code == -9:
            killed[[NOTHING, *kinds(folder)[len(before) :]][-1]] += 1
        return code

    begun = time.time()
    assert go(None) == 0, output.read_text()
    kill_points = KillPoints(never_killed, begun, time.time())
    expected = outcome(never_killed)
    assert (expected == outcome(undisturbed)) == (part != "meddled")
    runs.append(tmp_path / "run-1")
    # On a busy machine some come later than was chosen: then there are more of them.
    while killed.total() < kills or (len(killed) < kinds_of_moments and killed.total() < 3 * kills):
        if killed.total() % 10:
            code = go(kill_points.choose(runs[-1], chosen, chance))
        else:  # forks don't import: some others are killed while they do
            code = go(KillPoint(NOTHING, 0, chance.uniform(0, IMPORT_SECONDS)), fresh=True)
        if code == 0:
            runs.append(tmp_path / f"run-{len(runs)}")
            assert len(runs) <= kills + 2, "runs end, and none is killed"
    assert go(None) == 0
    print(f"{len(runs)} runs, killed after:", dict(killed.most_common()))  # noqa: T201
    assert "Traceback" not in output.read_text()
    for folder in runs:
        assert outcome(folder) == expected
    assert len(killed) >= kinds_of_moments, killed  # not all behind the same few facts


# -- files that are torn or damaged ----------------------------------------------------------


def test_torn_at_every_byte_of_the_last_appends(undisturbed: Path, tmp_path: Path) -> None:
    events = read_journal(undisturbed).events
    assert [e.kind for e in events[-4:-1]] == ["finish-started", "test-measured", "test-measured"]
    folder = tmp_path / "run"
    journal = Journal.create(folder)
    ends = {}
    for append in (events[:1], events[-5:-4], events[-4:-3], events[-3:]):
        journal.append(*append)
        ends[journal.size] = len(append)
    journal.close()
    whole = (folder / EVENTS).read_bytes()
    for cut in range(min(ends), len(whole) + 1):
        (folder / EVENTS).write_bytes(whole[:cut])
        content = read_journal(folder)
        complete = [end for end in ends if end <= cut]
        assert len(content.events) == sum(ends[end] for end in complete)
        assert content.torn_bytes == cut - complete[-1]


def test_torn_anywhere_and_resumed_ends_the_same(
    undisturbed: Path, tmp_path: Path, kept: Kept
) -> None:
    whole = (undisturbed / EVENTS).read_bytes()
    first = whole.index(b"\n") + 1
    chance = random.Random(2)
    for number in range(4):
        folder = shutil.copytree(undisturbed, tmp_path / f"run-{number}")
        tail = chance.choice([b"", b"\0" * 100, b"\xff"])  # what power cuts leave
        (folder / EVENTS).write_bytes(whole[: chance.randrange(first, len(whole) - 90)] + tail)
        assert resume(folder, kept).status == "finished"
        assert outcome(folder) == outcome(undisturbed)


NUMBERS = (b":0", b":-1", b":1e400", b":1e308", b":NaN", b":null", b":[]", b":10000000000000000")


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_fuzzed_journals_are_read_or_refused(
    undisturbed: Path, tmp_path: Path, data: st.DataObject
) -> None:
    lines = (undisturbed / EVENTS).read_bytes().splitlines(keepends=True)
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(lines) - 1))
        line = lines[place]
        match data.draw(st.sampled_from(["bytes", "swap", "repeat", "drop", "cut", "number"])):
            case "bytes":
                at = data.draw(st.integers(0, max(0, len(line) - 1)))
                new = data.draw(st.binary(max_size=4))
                lines[place] = line[:at] + new + line[at + len(new) :]
            case "swap":
                other = data.draw(st.integers(0, len(lines) - 1))
                lines[place], lines[other] = lines[other], line
            case "repeat":
                lines.insert(data.draw(st.integers(0, len(lines))), line)
            case "drop" if len(lines) > 1:
                del lines[place]
            case "cut":
                lines[place] = line[: data.draw(st.integers(0, len(line)))]
            case "number":
                new = data.draw(st.sampled_from(NUMBERS))
                digits = [i for i, c in enumerate(line) if c == ord(":")]
                if digits:
                    at = data.draw(st.sampled_from(digits))
                    end = next((i for i in range(at, len(line)) if line[i] in b",}"), len(line))
                    lines[place] = line[:at] + new + line[end:]
    folder = tmp_path / "fuzzed"
    folder.mkdir(exist_ok=True)
    # Checksums that fit let it through to what is behind them.
    text = resealed(lines) if data.draw(st.booleans()) else b"".join(lines)
    (folder / EVENTS).write_bytes(text)
    (listed,) = list_runs([str(folder)])
    checked = check_run(folder)
    assert all(f"{f.where}{f.what}{f.todo}".isprintable() for f in checked.findings)
    assert checked.sound == (listed.status != "damaged")
    try:
        session = LocalSession.resume(folder)
    except UserError as error:
        assert str(error).isprintable() and not checked.sound
    else:
        assert checked.sound
        summarise(session.state)
        session.close()
        assert read_journal(folder).torn_bytes == 0
        for template in session.state.ranking:
            details(template, session.state)
    (folder / SUMMARY).unlink(missing_ok=True)


# -- disks that are full or broken -----------------------------------------------------------


class Disk:
    """The system calls on one journal, of which one fails; the others are the system's."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.patch = patch
        self.system = {name: getattr(os, name) for name in ("write", "fsync", "ftruncate")}

    def fill(self, descriptor: int, room: int, truncates: bool) -> None:
        """So many bytes fit, then none."""

        def write(file: int, line: Any) -> int:
            nonlocal room
            if file != descriptor:
                return self.system["write"](file, line)
            if not room:
                raise OSError(errno.ENOSPC, "No space left on device")
            taken = self.system["write"](file, bytes(line)[:room])
            room -= taken
            return taken

        self.patch.setattr("os.write", write)
        if not truncates:
            self.fail("ftruncate", descriptor)

    def fail(self, name: str, descriptor: int) -> None:
        def call(file: int, *rest: Any) -> Any:
            if file == descriptor:
                raise OSError(errno.EIO, "Input/output error")
            return self.system[name](file, *rest)

        self.patch.setattr(f"os.{name}", call)


@pytest.mark.parametrize("truncates", [True, False])
def test_a_full_disk_ends_the_run_and_leaves_it_whole(
    undisturbed: Path, tmp_path: Path, kept: Kept, truncates: bool
) -> None:
    size = (undisturbed / EVENTS).stat().st_size
    for number, room in enumerate((17, size // 2)):
        folder = tmp_path / f"run-{number}"
        seen: list[ev.Event] = []
        session = LocalSession.create(demo(), folder, lambda e, _, to=seen: to.append(e), kept)
        with pytest.MonkeyPatch.context() as patch:
            Disk(patch).fill(session._publisher.journal._file, room, truncates)
            state = drive(session)
        assert state.status == "failed"
        assert "No space left" in state.error and f"glov resume {folder}" in state.error
        assert isinstance(seen[-1], ev.RunFailed)
        if truncates:
            assert not read_journal(folder).torn_bytes
        assert resume(folder, kept).status == "finished"
        assert outcome(folder) == outcome(undisturbed)


def test_a_disk_that_does_not_take_what_was_written_ends_the_run(
    undisturbed: Path, tmp_path: Path, kept: Kept
) -> None:
    folder = tmp_path / "run"
    session = LocalSession.create(demo(), folder, kept=kept)
    with pytest.MonkeyPatch.context() as patch:
        Disk(patch).fail("fsync", session._publisher.journal._file)
        state = drive(session)
    assert state.status == "failed" and "Input/output error" in state.error
    assert resume(folder, kept).status == "finished"
    assert outcome(folder) == outcome(undisturbed)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_a_place_that_can_not_be_written_is_refused_before_any_work(
    undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    folder = shutil.copytree(undisturbed, tmp_path / "run")
    (folder / EVENTS).write_bytes(b"".join((folder / EVENTS).open("rb").readlines()[:5]))
    system = os.open

    def closed(path: Any, flags: int, *rest: Any, **more: Any) -> int:
        if str(path).startswith(str(tmp_path)) and flags & (os.O_WRONLY | os.O_RDWR):
            raise OSError(code, os.strerror(code))
        return system(path, flags, *rest, **more)

    monkeypatch.setattr("os.open", closed)
    with pytest.raises(JournalError, match=f"can't be written: {os.strerror(code)}"):
        LocalSession.resume(folder)
    with pytest.raises(UserError, match=f"can't be written there: {os.strerror(code)}"):
        LocalSession.create(demo(), tmp_path / "new")


def test_a_place_that_can_not_be_is_refused() -> None:
    with pytest.raises(UserError, match=r"/proc/none/run: a run can't be written there"):
        LocalSession.create(demo(), Path("/proc/none/run"))


def test_files_of_a_run_are_its_owners(undisturbed: Path, tmp_path: Path, kept: Kept) -> None:
    folder = tmp_path / "run"
    session = LocalSession.create(demo(), folder, kept=kept)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LocalLLM, "propose", raising(RuntimeError("no such kernel")))
        drive(session)
    names = {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}
    files = {EVENTS: 0o600, "config.toml": 0o600, LOG: 0o600, SUMMARY: 0o600}
    assert names == {**files, PREDICTIONS: 0o700}
    assert all(p.stat().st_mode & 0o777 == 0o600 for p in (folder / PREDICTIONS).iterdir())
    assert folder.stat().st_mode & 0o777 == 0o700


def deleted(path: Path) -> None:
    path.unlink()


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def written_to(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"hello\n")


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (deleted, "was deleted or moved while the run was driven"),
        (cut, "was cut from"),
        (written_to, "6 bytes were written to"),
    ],
)
def test_a_journal_that_others_harm_ends_the_run_loudly(
    tmp_path: Path, kept: Kept, harm: Callable[[Path], None], said: str
) -> None:
    folder = tmp_path / "run"

    def watch(event: ev.Event, state: RunState) -> None:
        if isinstance(event, ev.MetaPromptComposed) and event.step == 2:
            harm(folder / EVENTS)

    session = LocalSession.create(demo(), folder, watch, kept)
    state = drive(session)
    assert state.status == "failed" and state.steps_done < 2
    assert said in state.error and session.published.unwritten is not None
    assert not (folder / SUMMARY).exists()


# -- models that fail ------------------------------------------------------------------------


def raising(error: Exception) -> Callable[..., Any]:
    """A method that fails."""

    def call(*_: Any, **__: Any) -> Any:
        raise error

    return call


def failing_after(method: Any, calls: int, error: Exception) -> Callable[..., Any]:
    """``method``, which fails from the call after so many on."""

    def call(*arguments: Any, **more: Any) -> Any:
        nonlocal calls
        calls -= 1
        if calls < 0:
            raise error
        return method(*arguments, **more)

    return call


def nan_after(method: Any, calls: int) -> Callable[..., Any]:
    """``method``, which gives NaN from the call after so many on."""

    def call(*arguments: Any, **more: Any) -> Any:
        nonlocal calls
        calls -= 1
        found = method(*arguments, **more)
        return found if calls >= 0 else found * torch.nan

    return call


def nan_states(*arguments: Any) -> list[torch.Tensor]:
    return [state * torch.nan for state in LAYER_OUTPUTS(*arguments)]


LAYER_OUTPUTS = layers.layer_outputs
OOM = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
BROKEN = RuntimeError("an illegal memory access was encountered")

FAULTS = {
    "llm raises": (Decoder, "logits", failing_after, (40, BROKEN), "illegal memory access"),
    "llm memory": (Decoder, "logits", failing_after, (40, OOM), "smaller llm.model"),
    "llm nan": (Decoder, "logits", nan_after, (40,), "NaN or infinite logits on the prompt"),
    "vlm raises": (TextFeatures, "_forward", failing_after, (14, BROKEN), "illegal memory access"),
    "vlm memory": (TextFeatures, "_forward", failing_after, (14, OOM), "for a single text"),
    "vlm nan": (TextFeatures, "_forward", nan_after, (14,), "text feature of '.*<category>.*'"),
    "states nan": (layers, "layer_outputs", lambda *_: nan_states, (), "hidden states of the"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_model_that_fails_leaves_a_run_that_can_be_resumed(
    fault: str, undisturbed: Path, tmp_path: Path, kept: Kept
) -> None:
    place, name, wrap, arguments, message = FAULTS[fault]
    folder = tmp_path / "run"
    session = LocalSession.create(demo(), folder, kept=kept)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(place, name, wrap(getattr(place, name), *arguments))
        state = drive(session)
    assert state.status == "failed"
    assert re.search(message, state.error), state.error
    assert "Traceback" not in state.error
    assert resume(folder, kept).status == "finished"
    assert outcome(folder) == outcome(undisturbed)


def test_memory_for_half_of_the_replies_and_texts_is_enough(
    undisturbed: Path, tmp_path: Path, kept: Kept
) -> None:
    folder = tmp_path / "run"
    session = LocalSession.create(demo(), folder, kept=kept)
    logits, forward = Decoder.logits, TextFeatures._forward

    def few_rows(self: Decoder, ids: torch.Tensor, last: int, *rest: Any, **more: Any) -> Any:
        if last > 10:  # clean and steered
            raise OOM
        return logits(self, ids, last, *rest, **more)

    def few_texts(self: TextFeatures, tokens: torch.Tensor, length: int) -> torch.Tensor:
        if len(tokens) > 8:
            raise OOM
        return forward(self, tokens, length)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Decoder, "logits", few_rows)
        patch.setattr(TextFeatures, "_forward", few_texts)
        state = drive(session)
    assert state.status == "finished", state.error
    warnings = [e.message for e in read_journal(folder).events if isinstance(e, ev.Warned)]
    assert sum("replies at once: the LLM decodes 5 at a time" in m for m in warnings) == 1
    assert sum("text batches of 8 from now on" in m for m in warnings) == 1
    assert [t.key for t in outcome(folder)["ranking"]] == [
        t.key for t in outcome(undisturbed)["ranking"]
    ]


def test_code_that_comes_with_a_model_is_announced_before_it_is_run() -> None:
    class Loading(Exception):
        pass

    def progress(what: str, done: int, total: int) -> None:
        if what != "libraries":
            raise Loading

    told: list[str] = []
    vlm = ("vlm.trust_remote_code=true", "vlm.kind=encoder-decoder")
    for config in (demo(), demo("llm.trust_remote_code=true"), demo(*vlm)):
        with pytest.raises(Loading):
            load_search(config, progress, told.append)
    assert [sentence.partition(" the code that")[0] for sentence in told] == [
        "llm.trust_remote_code is on:",
        "vlm.trust_remote_code is on:",
    ]


# -- an LLM that says nothing of use ----------------------------------------------------------


def useless(reply: Reply) -> Callable[..., Any]:
    """An LLM whose replies are all this one."""

    def propose(self: LocalLLM, messages: Any, sampling: Any, seeds: Any, *_: Any) -> Any:
        yield TokenColumn(("",) * len(seeds))
        return [reply] * len(seeds)

    return propose


USELESS = {
    "empty": (Reply("", 0, "stop"), "begin the replies for the LLM (proposal.reply_prefix), edit"),
    "endless": (Reply("and so on " * 10, 30, "length"), "raise sampling.max_new_tokens"),
    "thinking": (Reply("", 0, "thinking", thought="hm"), "raise sampling.thinking_tokens"),
    "known": (Reply("a photo of a <category>.", 8, "stop"), "raise sampling.temperature"),
}


@pytest.mark.parametrize("what", USELESS)
def test_an_llm_that_gives_nothing_new_ends_a_run_that_nobody_watches(
    what: str, tmp_path: Path, kept: Kept, undisturbed: Path
) -> None:
    reply, advice = USELESS[what]
    folder = tmp_path / "run"
    session = LocalSession.create(demo("steps=20", "proposal.patience=2"), folder, kept=kept)
    session.unattended = True
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LocalLLM, "propose", useless(reply))
        state = drive(session)
        assert state.status == "failed" and state.steps_done == 2
        assert "no new template in 2 steps in a row" in state.error and advice in state.error
        again = LocalSession.resume(folder, kept=kept)
        again.unattended = True
        assert drive(again).steps_done == 4


def test_an_llm_that_gives_nothing_new_pauses_a_run_that_somebody_watches(
    tmp_path: Path, kept: Kept, undisturbed: Path
) -> None:
    pauses = 0

    def watch(event: ev.Event, state: RunState) -> None:
        nonlocal pauses
        if isinstance(event, ev.RunPaused):
            pauses += 1
            session.send(Resume() if pauses == 1 else Stop())

    config = demo("steps=20", "proposal.patience=2")
    session = LocalSession.create(config, tmp_path / "run", watch, kept)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LocalLLM, "propose", useless(Reply("", 0, "stop")))
        state = drive(session)
    assert state.status == "stopped" and state.steps_done == 4
    warnings = [line.text for line in state.log if line.level == "warning"]
    assert sum("in a row" in text and "then resume" in text for text in warnings) == 2


def test_what_is_in_the_way_of_a_run_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name, what in (("file", "it is a file"), ("link", "it is a link to nothing")):
        with pytest.raises(UserError, match=f"can't be written there: {what}; give another"):
            make_private_folder(tmp_path / name)
    assert (tmp_path / "file").read_text(encoding="utf-8") == "mine"
