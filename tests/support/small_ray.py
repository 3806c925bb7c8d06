"""A Ray of this machine's own, as small as it gets, for tests."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from engine.common.quiet_ray import begin, import_ray


@contextmanager
def small_ray(cpus: int = 2) -> Iterator[Any]:
    """The library, connected to a Ray that ends with the context."""
    library = import_ray("the test")
    folder = tempfile.mkdtemp(prefix="ray-", dir="/tmp")
    begin(
        library,
        num_cpus=cpus,
        num_gpus=0,
        include_dashboard=False,
        object_store_memory=80 * 2**20,
        log_to_driver=False,
        logging_level="CRITICAL",
        _temp_dir=folder,
    )
    try:
        yield library
    finally:
        library.shutdown()
        shutil.rmtree(folder, ignore_errors=True)
