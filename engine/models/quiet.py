"""Models are loaded without a word of the libraries: the screen is not theirs."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import huggingface_hub
import transformers


@contextmanager
def quiet() -> Iterator[None]:
    """No progress bars and warnings of the libraries; the screen is not theirs."""
    library: Any = transformers.utils.logging
    verbosity, bars = library.get_verbosity(), library.is_progress_bar_enabled()
    hub: Any = huggingface_hub.utils.logging
    hub_verbosity = hub.get_verbosity()
    sentences = logging.getLogger("sentence_transformers")
    sentences_level = sentences.level
    sentences.setLevel(logging.CRITICAL)
    library.set_verbosity(library.CRITICAL)
    hub.set_verbosity(hub.CRITICAL)
    library.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        library.set_verbosity(verbosity)
        hub.set_verbosity(hub_verbosity)
        sentences.setLevel(sentences_level)
        if bars:
            library.enable_progress_bar()
