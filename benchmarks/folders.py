"""Opening a large folder of images, beside only listing it and asking for every file's size.

    python benchmarks/folders.py [FILES]

Prints seconds and the ratio. Then what is read to find pictures that are in both splits.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

from engine.data.copies import TestCopies
from engine.data.readers.image_folder import read_image_folder
from engine.data.sampling import sample_few_shot

CLASSES = 100
SIZES = 1000  # distinct ones, as of small pictures: nearly all are shared


def make(root: Path, files: int) -> None:
    """Write ``files`` files of a kilobyte and more in ``CLASSES`` folders."""
    for index in range(files):
        folder = root / f"class {index % CLASSES}"
        folder.mkdir(exist_ok=True)
        content = index.to_bytes(8) + b"x" * (1000 + index % SIZES)
        (folder / f"{index}.jpg").write_bytes(content)


def sizes(root: Path) -> int:
    """The sum of all files' sizes."""
    total = 0
    for entry in os.scandir(root):
        total += sizes(Path(entry.path)) if entry.is_dir() else entry.stat().st_size
    return total


def main() -> None:
    """Print the two measurements."""
    files = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        make(root, files)
        began = time.process_time()
        total = sizes(root)
        listed = time.process_time() - began
        began = time.process_time()
        dataset = read_image_folder(root)
        opened = time.process_time() - began
        print(f"{files} files: listed in {listed:.2f} s, opened in {opened:.2f} s CPU time")
        print(f"ratio {opened / listed:.1f}")
        began = time.process_time()
        copies = TestCopies(dataset)
        sample = sample_few_shot(
            dataset,
            shots=5,
            seed=0,
            usable=lambda items: [copies.of(item) is None for item in items],
        )
        looked = time.process_time() - began
        print(f"{len(sample.items)} drawn images looked for in the test split: {looked:.2f} s")
        print(f"({total / 1e6:.0f} MB in all; every content hashed would read all of them)")


if __name__ == "__main__":
    main()
