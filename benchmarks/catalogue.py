"""Opening an ImageNet of 1.3 million files: seconds and memory, without an index and with one.

    python -m benchmarks.catalogue [--images N] [--test N] [--folder FOLDER]

Makes the folders (files are hard links to some images: only names and sizes count),
opens them in processes of their own, draws the labelled images
and looks for them in the test split. Then the same for tars.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tarfile
import tempfile
import time
from io import BytesIO
from pathlib import Path

_OPEN = """
import resource, sys, time
from engine.config import DataConfig
from engine.data.registry import load_dataset
from engine.data.copies import TestCopies
from engine.data.sampling import sample_few_shot
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
began = time.perf_counter()
data = load_dataset(DataConfig(dataset="imagenet", path=sys.argv[1], source=sys.argv[2]))
opened = time.perf_counter() - began
data.fingerprint()
known = time.perf_counter() - began
copies = TestCopies(data)
stamped = time.perf_counter() - began
sample = sample_few_shot(data, shots=1, seed=0, usable=lambda i: [True] * len(i))
drawn = time.perf_counter() - began
for item in sample.items:
    copies.of(item)
compared = time.perf_counter() - began
grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
print(f"{len(data.train):,} + {len(data.test):,} images: opened {opened:.2f} s, fingerprint "
      f"{known - opened:.2f} s, sizes of test images {stamped - known:.2f} s, "
      f"{len(sample.items)} drawn {drawn - stamped:.2f} s, compared {compared - drawn:.2f} s, "
      f"{grown:.0f} MiB more memory")
"""


def make_folders(root: Path, images: int, test: int) -> None:
    """Folders of ImageNet with so many files."""
    from engine.data.catalogue.class_list import class_list

    ids = [row[-1] for row in class_list("imagenet").rows]
    contents = [os.urandom(1000 + n) for n in range(500)]
    for split, count in (("train", images), ("val", test)):
        for place, name in enumerate(ids):
            folder = root / "imagenet/images" / split / name
            folder.mkdir(parents=True)
            for number in range(place, count, len(ids)):
                file = folder / f"{name}_{number}.JPEG"
                first = root / f"{split}-{number % len(contents)}-{number // 60_000}"
                if not first.exists():
                    first.write_bytes(contents[number % len(contents)] + split.encode())
                os.link(first, file)


def make_tars(root: Path, images: int, test: int, shard: int = 10_000) -> None:
    """Tars of ImageNet with so many samples."""
    from engine.data.catalogue.class_list import class_list

    folder = root / "wds_imagenet1k"
    folder.mkdir()
    (folder / "classnames.txt").write_text("\n".join(class_list("imagenet").names))
    for split, count in (("train", images), ("test", test)):
        (folder / split).mkdir()
        for first in range(0, count, shard):
            with tarfile.open(folder / split / f"{first // shard}.tar", "w") as tar:
                for number in range(first, min(count, first + shard)):
                    for kind, content in (("jpg", b"x" * 900), ("cls", b"%d" % (number % 1000))):
                        about = tarfile.TarInfo(f"s{number:07d}.{kind}")
                        about.size = len(content)
                        tar.addfile(about, BytesIO(content))


def main() -> None:
    """Print the measurements."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, default=1_281_167)
    parser.add_argument("--test", type=int, default=50_000)
    parser.add_argument("--tar-images", type=int, default=100_000)
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as name:
        root = Path(name)
        environment = {**os.environ, "GLOV_CACHE_DIR": str(root / "cache")}
        for form, make, count in (
            ("folder", make_folders, given.images),
            ("webdataset", make_tars, given.tar_images),
        ):
            began = time.perf_counter()
            make(root, count, min(given.test, count))
            print(f"{form}: made in {time.perf_counter() - began:.0f} s", flush=True)
            time.sleep(3)  # of folders that have just been changed no index is kept
            for what in ("no index", "an index"):
                print(f"{what}: ", end="", flush=True)
                call = [sys.executable, "-c", _OPEN, str(root), form]
                subprocess.run(call, env=environment, check=True)
        kept = sum(file.stat().st_size for file in (root / "cache/indexes").iterdir())
        print(f"indexes: {kept / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
