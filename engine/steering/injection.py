"""Adding steering vectors to a model's hidden states while it decodes: the hooks.

A mode (``engine.steering.modes``) says which positions get what (``engine.steering.offsets``). The
hooks of ``Injection`` do the adding; they are on the model only inside a ``with`` block around one
forward pass, so a paused or abandoned reply never leaves one behind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from pkgutil import resolve_name
from typing import Any

import torch
from torch import Tensor, nn

from engine.common.wording import counted
from engine.steering.direction import Steering
from engine.steering.layers import hidden_state, with_hidden_state
from engine.steering.modes import MODES, Mode, Reach
from engine.steering.offsets import FixedOffset, Offset, OffsetMaker, RelativeOffset


class Injection:
    """Offsets ready to be added at some layers, and the positions that get them.

    ``offsets[l]`` is what layer l's output gets, alpha already in it; a plain tensor (d,) is the
    same for all states.
    """

    def __init__(
        self,
        layers: Sequence[nn.Module],
        offsets: Mapping[int, Tensor | Offset],
        reach: Reach = "last",
        first_tokens: int = 0,
    ) -> None:
        """``first_tokens``: with reach ``first``, how many of the prompt's tokens get one."""
        self._layers = layers
        self._offsets: dict[int, Offset] = {
            index: FixedOffset(offset) if isinstance(offset, Tensor) else offset
            for index, offset in offsets.items()
        }
        self._reach = reach
        self._first_tokens = first_tokens

    @property
    def clean_cache(self) -> bool:
        """As the mode's: see ``Mode``."""
        return self._reach == "last"

    @property
    def reach(self) -> Reach:
        """As the mode's: which positions get an offset."""
        return self._reach

    @property
    def offsets(self) -> Mapping[int, Offset]:
        """What each layer's output gets."""
        return self._offsets

    @property
    def lowest(self) -> int:
        """The lowest layer with an offset: up to its output, steered and clean are the same."""
        return min(self._offsets)

    def in_prompt(self) -> AbstractContextManager[None]:
        """Inside, the prompt without its last token is read, from position 0 on."""
        if self._reach == "all":
            return self.added(0)
        return self._added_first(self._first_tokens) if self._reach == "first" else nullcontext()

    def in_reply(self, start: int) -> AbstractContextManager[None]:
        """Inside, the prompt's last or later tokens are read; those from ``start`` on are new."""
        return nullcontext() if self._reach == "first" else self.added(start)

    def in_whole(self, length: int, prompt: int) -> AbstractContextManager[None]:
        """Inside, a prompt of ``prompt`` tokens and a reply, ``length`` together, are read anew."""
        if self._reach == "first":
            return self._added_first(min(self._first_tokens, prompt - 1))
        return self.added({"last": length - 1, "new": prompt - 1, "all": 0}[self._reach])

    @contextmanager
    def _added_first(self, count: int) -> Iterator[None]:
        """Inside, the offsets are added at the first ``count`` positions, as far as there are."""
        with ExitStack() as stack:
            for index, offset in self._offsets.items():
                hook = _first_adder(offset, count)
                stack.callback(self._layers[index].register_forward_hook(hook).remove)
            yield

    def added(self, start: int) -> AbstractContextManager[None]:
        """Inside, the offset is added at the positions from ``start`` on, at each of the layers."""
        return self._added(start, dim=1)

    def in_rows(self, start: int) -> AbstractContextManager[None]:
        """Inside, it is added at all positions of the rows from ``start`` on."""
        return self._added(start, dim=0)

    @contextmanager
    def _added(self, start: int, dim: int) -> Iterator[None]:
        with ExitStack() as stack:
            for index in self._offsets:
                hook = self._adder(index, start, dim)
                stack.callback(self._layers[index].register_forward_hook(hook).remove)
            yield

    @contextmanager
    def forked(self, rows: int, masks: Sequence[Tensor]) -> Iterator[None]:
        """Inside, ``rows`` tokens become twice as many at the lowest layer with an offset.

        Its output, (1, rows, d), is handed on as the clean states and then the steered ones,
        (1, 2 * rows, d), so the layers up to it do no work twice. The layers above get
        ``masks[l]``, (1, 1, 2 * rows, K), and every other per-token argument repeated.

        Raises (inside):
            RuntimeError: if a layer takes a per-token argument of a shape that is not known.
        """
        lowest = self.lowest
        doubled: Doubled = {}
        with ExitStack() as stack:
            fork = self._layers[lowest].register_forward_hook(self._forker(lowest))
            stack.callback(fork.remove)
            for index in range(lowest + 1, len(self._layers)):
                layer = self._layers[index]
                pre = layer.register_forward_pre_hook(
                    _argument_doubler(rows, masks[index], doubled), with_kwargs=True
                )
                stack.callback(pre.remove)
                if index in self._offsets:
                    handle = layer.register_forward_hook(self._adder(index, rows))
                    stack.callback(handle.remove)
            yield

    def _adder(self, index: int, start: int, dim: int = 1) -> Callable[..., Any]:
        offset = self._offsets[index]

        def add(_module: nn.Module, _args: Any, output: Any) -> Any:
            state = hidden_state(output)
            # A new tensor: an edit in place would also change states that were recorded before.
            if start == 0:
                return with_hidden_state(output, state + offset(state))
            old, new = state.tensor_split([start], dim)
            return with_hidden_state(output, torch.cat([old, new + offset(new)], dim))

        return add

    def _forker(self, index: int) -> Callable[..., Any]:
        def fork(_module: nn.Module, _args: Any, output: Any) -> Any:
            state = hidden_state(output)
            both = torch.cat([state, state + self._offsets[index](state)], dim=1)
            return with_hidden_state(output, both)

        return fork


def make_injection(layers: Sequence[nn.Module], steering: Steering) -> Injection | None:
    """What a steering adds to these decoder layers; None where it comes to nothing.

    Raises:
        ValueError: if the direction is of another number of layers.
    """
    if steering.mode == "off" or steering.alpha == 0 or not steering.layers:
        return None
    direction = steering.direction
    if direction.layers != len(layers):
        raise ValueError(
            f"the direction has {counted(direction.layers, 'layer')}, the model {len(layers)}"
        )
    mode = MODES[steering.mode]
    offsets = {index: _offset(mode, steering, index) for index in steering.layers}
    return Injection(layers, offsets, mode.reach, direction.states[0].shape[1])


def _offset(mode: Mode, steering: Steering, layer: int) -> Offset:
    make: OffsetMaker = resolve_name(mode.offset)
    if steering.alpha_unit == "relative":
        return RelativeOffset(make(steering.direction, layer, 1.0), steering.alpha)
    return make(steering.direction, layer, steering.alpha)


def _first_adder(offset: Offset, count: int) -> Callable[..., Any]:
    def add(_module: nn.Module, _args: Any, output: Any) -> Any:
        state = hidden_state(output)
        first = state[:, :count]
        steered = torch.cat([first + offset(first), state[:, count:]], dim=1)
        return with_hidden_state(output, steered)

    return add


Doubled = dict[int, tuple[Tensor, Tensor]]
"""By the identity of a per-token argument: itself, and the same for twice the tokens."""


def _argument_doubler(rows: int, mask: Tensor, doubled: Doubled) -> Callable[..., Any]:
    def double(_module: nn.Module, args: Any, kwargs: dict[str, Any]) -> Any:
        state = args[0] if args else kwargs["hidden_states"]
        changed = {
            name: _repeated(name, value, rows, doubled)
            for name, value in kwargs.items()
            if name not in ("hidden_states", "attention_mask")
        }
        if "attention_mask" not in kwargs or state.shape[1] != 2 * rows:
            raise RuntimeError(
                "a decoder layer does not take its mask and states by the usual names"
            )
        if any(isinstance(value, Tensor) for value in args[1:]):
            raise RuntimeError("a decoder layer takes per-token arguments by position")
        return args, {**kwargs, **changed, "attention_mask": mask.to(state.device)}

    return double


def _repeated(name: str, value: Any, rows: int, doubled: Doubled) -> Any:
    """A per-token argument for twice the tokens: position ids and position embeddings."""
    if isinstance(value, tuple):
        return tuple(_repeated(name, item, rows, doubled) for item in value)
    if not isinstance(value, Tensor):
        return value
    known = doubled.get(id(value))
    if known is None:  # most layers are given the same one
        doubled[id(value)] = known = (value, _twice(name, value, rows))
    return known[1]


def _twice(name: str, value: Tensor, rows: int) -> Tensor:
    if name in ("position_ids", "cache_position") and value.shape[-1] == rows:
        return torch.cat([value, value], dim=-1)
    if name == "position_embeddings" and value.dim() >= 3 and value.shape[-2] == rows:
        return torch.cat([value, value], dim=-2)
    raise RuntimeError(f"a decoder layer takes {name} of shape {tuple(value.shape)}")
