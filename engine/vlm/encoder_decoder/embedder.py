"""A sentence-transformers model, which says how near texts are to each other.

No code that comes with it is run: only modules that read weights are taken, see ``MODULES``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor

from engine.common.errors import ModelError
from engine.common.names import quoted
from engine.common.user_path import reachable, user_path
from engine.models import threads
from engine.models.code import check_kernels, no_questions
from engine.models.identity import sampled_hash
from engine.models.load_errors import LONGEST, in_words
from engine.models.memory import free_memory, is_out_of_memory
from engine.models.quiet import quiet

MODULES = frozenset(
    {"Dense", "Dropout", "LayerNorm", "Normalize", "Pooling", "StaticEmbedding", "Transformer"}
)
"""Parts of sentence-transformers that a model may consist of; others read pickles or code."""

_LIST = "modules.json"


class Embedder:
    """Texts as points of length one. One thread at a time."""

    def __init__(self, name: str, model: Any, batch: int = 64) -> None:
        self.name = name
        pooled = [part.get_config_dict() for part in model if type(part).__name__ == "Pooling"]
        parts = [type(part).__name__ for part in model]
        # Tells it from others: the mean of a text's tokens is not the first of them.
        self.weights = f"{sampled_hash(model)} {parts} {pooled}"
        self._model = model
        self._batch = batch
        self._width = self._encoded(["a"]).shape[-1]

    def embed(self, texts: Sequence[str]) -> Tensor:
        """Of each text a row of length one, (texts, d) float32 on the CPU.

        Zero where the model has nothing for a text, as for one without any word that it knows.
        Equal texts are read once, blank ones never.

        Raises:
            ModelError: if a number isn't one, or the memory is too small for a single text.
        """
        distinct = list(dict.fromkeys(texts))
        read = [row for row, text in enumerate(distinct) if text.strip()]
        if not read:
            return torch.zeros(len(texts), self._width)
        encoded = self._encoded([distinct[row] for row in read]).float()
        found = encoded.new_zeros(len(distinct), encoded.shape[-1])
        found[read] = encoded
        bad = (~torch.isfinite(found).all(dim=-1)).nonzero()
        if len(bad):
            raise ModelError(
                f"the embedder {self.name} makes no numbers of the text "
                f"{quoted(distinct[int(bad[0])])}: its weights may be damaged; choose another "
                "vlm.embedder"
            )
        rows = {text: row for row, text in enumerate(distinct)}
        return torch.nn.functional.normalize(found, dim=-1)[[rows[text] for text in texts]]

    def _encoded(self, texts: Sequence[str]) -> Tensor:
        while True:
            try:
                with quiet():
                    found: Tensor = self._model.encode(
                        texts,
                        batch_size=self._batch,
                        convert_to_tensor=True,
                        show_progress_bar=False,
                    )
                return found.cpu()
            except Exception as error:
                if not is_out_of_memory(error):
                    raise ModelError(
                        f"the embedder {self.name} can't read a text ({error}); choose another "
                        "vlm.embedder"
                    ) from error
                if self._batch == 1:
                    raise ModelError(
                        f"the embedder {self.name} needs more memory than there is for a single "
                        "text; choose a smaller vlm.embedder or another vlm.device"
                    ) from error
            free_memory()
            self._batch //= 2


def load_embedder(name: str, device: torch.device) -> Embedder:
    """Load what ``vlm.embedder`` names: a hub name, or a folder that sentence-transformers wrote.

    Raises:
        ModelError: if there is no such model, if it is none of sentence-transformers, if it asks
            for code, or does not fit into memory.
    """
    path = reachable(user_path(name))
    if path.is_dir():
        if not (path / _LIST).is_file():
            raise ModelError(
                f"vlm.embedder is {quoted(name)}: the folder has no {_LIST}, so it is no "
                "sentence-transformers model; give a folder that sentence-transformers wrote"
            )
        source, shown = str(path.resolve()), path.resolve().name
    elif name.startswith((".", "/", "~")) or name.count("/") != 1:
        raise ModelError(
            f"vlm.embedder is {quoted(name)}: there is no such folder; give a folder that "
            "sentence-transformers wrote, or a hub name such as "
            "sentence-transformers/all-mpnet-base-v2"
        )
    else:
        source = shown = name
    with quiet(), _explained(shown), no_questions():
        from sentence_transformers import SentenceTransformer  # takes seconds

        _check_modules(source, shown)
        model = SentenceTransformer(
            source,
            device=str(device),
            trust_remote_code=False,
            model_kwargs={"dtype": torch.float32},
        )
        model.eval().requires_grad_(False)
    threads.fit(model)
    return Embedder(shown, model)


def _check_modules(source: str, name: str) -> None:
    """See that a model consists of parts that only read weights.

    Raises:
        ModelError: naming what else it has.
    """
    from sentence_transformers.base.modules import Transformer
    from sentence_transformers.util import load_file_path
    from transformers import AutoConfig

    listed = load_file_path(
        source, _LIST, cache_folder=os.environ.get("SENTENCE_TRANSFORMERS_HOME")
    )
    if listed is None:
        raise ModelError(
            f"vlm.embedder is {name}, of which there is no {_LIST}: it is no sentence-transformers "
            "model, or can't be reached (glov doctor); take one such as "
            "sentence-transformers/all-mpnet-base-v2, or a local folder of one"
        )
    with open(listed, encoding="utf-8") as file:  # noqa: PTH123 (as the library gives it)
        modules = json.load(file)
    for module in modules:
        kind = str(module["type"])
        known = kind.startswith("sentence_transformers.") and kind.rpartition(".")[2] in MODULES
        if not known:
            raise ModelError(
                f"the embedder {name} has a part {quoted(kind)}, which may be code of its own, and "
                f"no code of a VLM is ever run. Those that are taken: {', '.join(sorted(MODULES))}"
            )
        if kind.endswith(".Transformer"):
            place = str(module.get("path", ""))
            _check_options(Transformer.load_config(source, subfolder=place), name)
            own = AutoConfig.from_pretrained(source, subfolder=place, trust_remote_code=False)
            check_kernels(own, f"the embedder {name}")


def _check_options(options: Mapping[str, Any], name: str) -> None:
    """See that what a model has its parts loaded with names no kernel of the hub."""
    for key, value in options.items():
        if isinstance(value, Mapping):
            _check_options(value, name)
        elif key.endswith("implementation") and "/" in str(value):
            raise ModelError(
                f"the embedder {name} asks for {key} = {quoted(str(value))}, a kernel of the hub: "
                "compiled code, and no code of a VLM is ever run"
            )


def _explained(name: str) -> AbstractContextManager[None]:
    """Say in words what the libraries raise while loading."""

    def words(error: Exception, reason: str) -> str:
        if "trust_remote_code" in reason:
            return (
                f"the embedder {name} comes with its own code, and no code of a VLM is ever run. "
                "Take a model that sentence-transformers knows itself"
            )
        return (
            f"the embedder {name} can't be loaded: {reason[:LONGEST]}. Check the spelling of "
            "vlm.embedder and the connection (glov doctor); without one give a local folder, or "
            "set vlm.answer = 'likelihood', which needs none"
        )

    return in_words(
        f"the embedder {name} does not fit into the memory of vlm.device; choose a smaller "
        "vlm.embedder or another device",
        words,
    )
