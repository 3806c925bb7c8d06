"""A whole run on a folder of images as people have them: it ends, and can be taken up again."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from PIL import Image

from engine.common.kept import Kept
from engine.run import events as ev
from engine.session.local import LocalSession
from engine.storage.journal import read_journal
from tests.support.small_runs import demo, drive, outcome


def test_names_that_are_no_utf8_and_copies_in_both_splits(
    run_folder: Path, tmp_path: Path, kept: Kept
) -> None:
    images = tmp_path / "images"
    for split in ("training_set", "test_set"):
        for index, name in enumerate((b"caf\xe9", b"cat", b"@eaDir")):
            folder = images / split / os.fsdecode(name)
            try:
                folder.mkdir(parents=True)
            except OSError:
                pytest.skip("this file system allows Unicode names only")
            for i in range(3):
                shade = 40 * i + 10 * index + (split == "test_set")
                Image.new("RGB", (32, 32), (shade, 0, 0)).save(folder / f"{i}.png")
            (folder / os.fsdecode(b"b\xe4d.png")).write_bytes(b"no image" + os.fsencode(folder))
    cat = images / "training_set" / "cat"
    (cat / "copy.png").write_bytes((images / "test_set" / "cat" / "0.png").read_bytes())
    config = demo("data.dataset=image-folder", f"data.path={images}", "data.shots=4", "steps=1")
    state = drive(LocalSession.create(config, run_folder, kept=kept))
    assert state.status == "finished", state.error
    assert state.models is not None
    assert state.models.class_names == (r"caf\xe9", "cat")
    assert (state.models.train_size, state.models.test_size) == (6, 6)
    said = [line.text for line in state.log if line.level == "warning"]
    for expected in (
        r"names of class folders that are no UTF-8 text: caf\xe9",
        "1 training image is in the test split too, and left out of training: "
        "training_set/cat/copy.png is test_set/cat/0.png",
        r"test_set/caf\xe9/b\xe4d.png' was skipped",
        "passed over, left by storage systems and desktops: 2 (",
        r"fewer than data.shots = 4 training images of",
    ):
        assert any(expected in line for line in said), (expected, said)

    # The same journal without its last facts, as a process that was killed leaves it.
    lines = (run_folder / "events.jsonl").read_bytes().splitlines(keepends=True)
    kinds = [event.kind for event in read_journal(run_folder).events]
    whole = outcome(run_folder)
    (run_folder / "events.jsonl").write_bytes(b"".join(lines[: kinds.index("step-started") + 2]))
    resumed = drive(LocalSession.resume(run_folder, kept=kept))
    assert resumed.status == "finished", resumed.error
    assert any(isinstance(e, ev.RunReopened) for e in read_journal(run_folder).events)
    assert outcome(run_folder) == whole
