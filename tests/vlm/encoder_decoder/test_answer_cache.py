"""Answers that are kept, in memory and on disk."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.common import files
from engine.vlm.encoder_decoder import answer_cache
from engine.vlm.encoder_decoder.answer_cache import AnswerCache
from engine.vlm.encoder_decoder.prediction import Question

ASKED, OTHER = Question("what is it?", (1, 2, 3)), Question("name it", (4,))
DIGESTS = {"a.png": 1, "b.png": 2, "again/a.png": 1}
ANSWERS = ["a cup\nof tea", ""]


def cache(folder: Path | None, key: str = "model", **options) -> AnswerCache:
    return AnswerCache(key, DIGESTS, folder, **options)


def test_an_answer_is_known_for_the_same_model_question_and_content(tmp_path: Path) -> None:
    cache(tmp_path).put(["a.png", "b.png"], ASKED, ANSWERS)
    again = cache(tmp_path)
    assert again.known(["b.png", "a.png"], ASKED) == {0: "", 1: "a cup\nof tea"}
    assert again.known(["again/a.png"], ASKED) == {0: "a cup\nof tea"}  # wherever the file is
    assert again.known(["a.png"], OTHER) == {}
    assert again.known(["a.png"], Question(ASKED.text, (1, 2))) == {}  # another chat template
    assert cache(tmp_path, "another model").known(["a.png"], ASKED) == {}
    changed = AnswerCache("model", {"a.png": 7}, tmp_path)
    assert changed.known(["a.png"], ASKED) == {}


def test_without_a_folder_they_are_known_in_memory_only(tmp_path: Path) -> None:
    kept = cache(None)
    kept.put(["a.png"], ASKED, ["cup"])
    assert kept.known(["a.png", "b.png"], ASKED) == {0: "cup"}
    assert cache(None).known(["a.png"], ASKED) == {}


@given(st.lists(st.text(), min_size=2, max_size=2))
def test_any_text_comes_back(tmp_path_factory: pytest.TempPathFactory, answers) -> None:
    folder = tmp_path_factory.mktemp("answers")
    cache(folder).put(["a.png", "b.png"], ASKED, answers)
    assert list(cache(folder).known(["a.png", "b.png"], ASKED).values()) == answers


def only_file(folder: Path) -> Path:
    (found,) = folder.iterdir()
    return found


@pytest.mark.parametrize(
    "damage",
    [
        lambda line: line[:-4],
        lambda line: line.replace("cup", "cap"),
        lambda line: "nonsense",
        lambda line: "[" * 100_000,
        lambda line: "[1, 2, 3]",
        lambda line: json.dumps(["zz", "cup", "0" * 16]),
        lambda line: line.replace("0000000000000001", "0000000000000002"),
        lambda line: "\x00\xff",
    ],
)
def test_a_damaged_answer_is_asked_again_and_the_others_are_kept(tmp_path: Path, damage) -> None:
    cache(tmp_path).put(["a.png"], ASKED, ["a cup"])
    cache(tmp_path).put(["b.png"], ASKED, ["a ball"])
    file = only_file(tmp_path)
    first, second = filter(None, file.read_text().split("\n"))
    file.write_text(f"{damage(first)}\n{second}\n", encoding="latin-1")
    said: list[str] = []
    again = cache(tmp_path, report=said.append)
    assert again.known(["a.png", "b.png"], ASKED) == {1: "a ball"}
    assert len(said) == 1 and "is not what was kept there" in said[0]
    again.put(["a.png"], ASKED, ["a cup"])
    assert cache(tmp_path).known(["a.png", "b.png"], ASKED) == {0: "a cup", 1: "a ball"}


def test_a_line_that_was_cut_off_spoils_none_behind_it(tmp_path: Path) -> None:
    cache(tmp_path).put(["a.png"], ASKED, ["a cup"])
    file = only_file(tmp_path)
    file.write_bytes(file.read_bytes()[:-20])
    cache(tmp_path).put(["b.png"], ASKED, ["a ball"])
    assert cache(tmp_path).known(["a.png", "b.png"], ASKED) == {1: "a ball"}


def test_a_file_of_another_question_is_not_taken_for_this_one(tmp_path: Path) -> None:
    cache(tmp_path).put(["a.png"], ASKED, ["a cup"])
    own = only_file(tmp_path)
    cache(tmp_path).put(["a.png"], OTHER, ["a ball"])
    other = next(path for path in tmp_path.iterdir() if path != own)
    other.write_bytes(own.read_bytes())
    assert cache(tmp_path).known(["a.png"], OTHER) == {}


def test_a_folder_that_can_not_be_used_is_said_once_and_nothing_is_lost(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    said: list[str] = []
    kept = cache(tmp_path / "file" / "answers", report=said.append)
    kept.put(["a.png"], ASKED, ["a cup"])
    kept.put(["b.png"], ASKED, ["a ball"])
    assert kept.known(["a.png", "b.png"], ASKED) == {0: "a cup", 1: "a ball"}
    assert sum("can't be kept there" in line for line in said) == 1


def test_a_folder_that_may_only_be_read_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is there is known, though its times can't be set; new answers are in memory."""

    def denied(*_args: object, **_named: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    cache(tmp_path).put(["a.png"], ASKED, ["a cup"])
    monkeypatch.setattr(files.os, "utime", denied)
    monkeypatch.setattr(answer_cache, "append_private", denied)
    said: list[str] = []
    kept = cache(tmp_path, report=said.append)
    assert kept.known(["a.png"], ASKED) == {0: "a cup"} and not said
    kept.put(["b.png"], ASKED, ["a ball"])
    kept.put(["b.png"], OTHER, ["a ring"])
    assert len(said) == 1 and "can't be kept there: Permission denied" in said[0]
    assert kept.known(["a.png", "b.png"], ASKED) == {0: "a cup", 1: "a ball"}


def test_no_link_and_no_pipe_is_followed(tmp_path: Path) -> None:
    cache(tmp_path / "own").put(["a.png"], ASKED, ["a cup"])
    name = only_file(tmp_path / "own").name
    target = tmp_path / "target"
    target.write_text("precious")
    for make in (lambda path: path.symlink_to(target), os.mkfifo):
        folder = tmp_path / make.__name__
        folder.mkdir()
        make(folder / name)
        said: list[str] = []
        kept = cache(folder, report=said.append)
        kept.put(["a.png"], ASKED, ["a cup"])
        assert said and kept.known(["a.png"], ASKED) == {0: "a cup"}
    assert target.read_text() == "precious"


def test_the_files_not_used_for_longest_make_room(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(answer_cache, "MOST_BYTES", 4000)
    asked = [Question(f"question {i}", (i,)) for i in range(9)]
    for number, question in enumerate(asked):
        cache(tmp_path).put(["a.png"], question, ["x" * 700])
        newest = max(tmp_path.iterdir(), key=lambda path: path.stat().st_ctime_ns)
        os.utime(newest, (number, number))
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 4000 + 800
    assert cache(tmp_path).known(["a.png"], asked[0]) == {}
    assert cache(tmp_path).known(["a.png"], asked[-1]) != {}


def test_memory_is_bounded_and_the_disk_has_what_was_let_go(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(answer_cache, "MOST_CHARACTERS", 100)
    kept = cache(tmp_path)
    for number in range(10):
        kept.put(["a.png"], Question(str(number), ()), ["x" * 40])
    assert len(kept._held) == 2 and kept._characters == 80
    assert kept.known(["a.png"], Question("0", ())) == {0: "x" * 40}


def _put(folder: Path, number: int) -> None:
    digests = {str(i): i for i in range(number * 50, number * 50 + 50)}
    kept = AnswerCache("model", digests, folder)
    for path in digests:
        kept.put([path], ASKED, [f"answer {path} " * 50])


def test_two_processes_add_to_one_file(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_put, args=(tmp_path, number)) for number in range(2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0, 0]
    said: list[str] = []
    digests = {str(i): i for i in range(100)}
    found = AnswerCache("model", digests, tmp_path, said.append).known(list(digests), ASKED)
    assert found == {i: f"answer {i} " * 50 for i in range(100)} and not said
