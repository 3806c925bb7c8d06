"""What a causal language model keeps of the texts that it has read: a row of it for each text.

Attention keeps keys and values, which grow; recurrent and convolution layers keep a state, which
every token overwrites. Families hold them in transformers' cache, in a cache of their own kind, in
lists, or on their modules. Here all are handled alike: tensors (rows, ...), wherever they are, that
the model made while it read. ``engine.llm.decoding.probe`` finds out whether that is right.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn
from transformers import DynamicCache, PreTrainedConfig
from transformers.cache_utils import DynamicLayer

from engine.models.kv_cache import GrowingLayer

_Slot = tuple[nn.Module, str]


class RowMemory:
    """All that one model remembers for one reader; between readings the model itself has none."""

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self._rows = 0
        self.tokens = 0
        """How many of each text it has read."""
        self._held: dict[_Slot, Tensor] = {}  # what it keeps on its modules
        self.cache: Any = None
        """What it is given at the next reading; None: it makes one of the kind that it needs."""

    def begin_again(self, cache: Any) -> None:
        """Forget everything, and go on with this cache, which is empty."""
        self.cache, self._rows, self.tokens, self._held = cache, 0, 0, {}

    @contextmanager
    def reading(self, rows: int, tokens: int) -> Iterator[None]:
        """Inside, ``tokens`` more of ``rows`` texts are read, and ``cache`` is set if None."""
        slots = self._held if self._rows else _slots(self._model)
        before: dict[_Slot, Any] = {slot: getattr(*slot, None) for slot in slots}
        for (module, name), value in self._held.items():
            setattr(module, name, value)
        try:
            yield
            after: dict[_Slot, Any] = {slot: getattr(*slot, None) for slot in slots}
        finally:
            for (module, name), value in before.items():
                setattr(module, name, value)
        if not self._rows:
            _let_grow(self.cache)
        self._held = {
            slot: value
            for slot, value in after.items()
            if isinstance(value, Tensor) and (self._rows or value is not before[slot])
        }
        self._rows, self.tokens = rows, self.tokens + tokens

    def select(self, rows: Tensor) -> None:
        """Take these rows (k,), in this order; a row may be taken several times."""

        def chosen(states: Tensor) -> Tensor:
            return states.index_select(0, rows.to(states.device))

        def reorder(layer: Any) -> bool:
            if hasattr(layer, "layers") or not hasattr(layer, "reorder_cache"):
                return False  # a whole cache may hold more than it reorders
            layer.reorder_cache(rows)
            return True

        self._change(chosen, reorder)
        self._rows = len(rows)

    def put_back(self, clean: int) -> None:
        """Make the rows from ``clean`` on, as many, what the first ``clean`` are.

        In these rows the same texts were read but for the last token, so of keys and values that
        grow only that one is copied, and of states all.
        """

        def copied(states: Tensor) -> Tensor:
            states[clean:] = states[:clean]
            return states

        def copy_last(layer: Any) -> bool:
            if isinstance(layer, GrowingLayer):
                layer.copy_last(clean)
            return isinstance(layer, GrowingLayer)

        self._change(copied, copy_last)

    def _change(
        self, change: Callable[[Tensor], Tensor], change_layer: Callable[[Any], bool]
    ) -> None:
        self.cache = _changed(self.cache, self._rows, change, change_layer)
        self._held = {
            slot: _changed(value, self._rows, change, change_layer)
            for slot, value in self._held.items()
        }


def _slots(model: nn.Module) -> list[_Slot]:
    """Where modules could keep a state: plain attributes that are a tensor, or none yet."""
    return [
        (module, name)
        for module in model.modules()
        for name, value in vars(module).items()
        if value is None or isinstance(value, Tensor)
    ]


def _let_grow(cache: Any) -> None:
    """Put layers that need not be copied for every token in place of plain ones of attention."""
    if type(cache) is not DynamicCache:
        return
    for index, layer in enumerate(cache.layers):
        if type(layer) is not DynamicLayer:
            continue
        keys, values = layer.keys, layer.values
        if isinstance(keys, Tensor) and isinstance(values, Tensor):
            pairs = [(keys[row : row + 1], values[row : row + 1]) for row in range(len(keys))]
            cache.layers[index] = GrowingLayer.of(pairs, keys.shape[-2] + 64)


def _changed(
    value: Any, rows: int, change: Callable[[Tensor], Tensor], change_layer: Callable[[Any], bool]
) -> Any:
    """The value with every tensor of so many rows in it changed, and every layer that can be."""

    def changed(item: Any) -> Any:
        return _changed(item, rows, change, change_layer)

    if isinstance(value, Tensor):
        # One dimension is a counter or a position, the same for all rows.
        return change(value) if value.dim() > 1 and len(value) == rows else value
    if isinstance(value, list):
        value[:] = map(changed, value)
    elif isinstance(value, tuple):
        items = map(changed, value)
        return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
    elif isinstance(value, dict):
        value.update({key: changed(item) for key, item in value.items()})
    elif hasattr(value, "__dict__") and not isinstance(value, (nn.Module, PreTrainedConfig, type)):
        change_layer(value) or changed(vars(value))
    return value
