"""Class names as a trie of tokens: what several names begin with is read once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

ROOT = -1


@dataclass(frozen=True, slots=True)
class ClassTrie:
    """The inner nodes below the root, parents first; what ends a name needs no node.

    ``tokens[i]`` is read at node i, ``parents[i]`` is the node before it or ``ROOT``.
    ``paths[c]`` are the draws that make class c's name: the node that a token is drawn at, and the
    token. ``longer[c]`` are the classes whose names go on where that of c ends.
    """

    tokens: tuple[int, ...]
    parents: tuple[int, ...]
    paths: tuple[tuple[tuple[int, int], ...], ...]
    longer: tuple[tuple[int, ...], ...]

    def ancestors(self, node: int) -> tuple[int, ...]:
        """The nodes from below the root to ``node``, which is the last of them."""
        found: list[int] = []
        while node != ROOT:
            found.append(node)
            node = self.parents[node]
        return tuple(reversed(found))

    def chunks(self, most: int) -> Iterator[tuple[int, ...]]:
        """All nodes in groups of about ``most``, each with the ancestors of its nodes.

        Only a deep trie repeats ancestors.
        """
        group: dict[int, None] = {}
        for node in self._depth_first():
            lineage = self.ancestors(node)
            if group and len(group) + sum(n not in group for n in lineage) > most:
                yield tuple(group)
                group = {}
            group |= dict.fromkeys(lineage)
        if group:
            yield tuple(group)

    def _depth_first(self) -> Iterator[int]:
        children: dict[int, list[int]] = {}
        for node, parent in enumerate(self.parents):
            children.setdefault(parent, []).append(node)
        waiting = list(reversed(children.get(ROOT, [])))
        while waiting:
            node = waiting.pop()
            yield node
            waiting += reversed(children.get(node, []))


def build_trie(names: Sequence[Sequence[int]]) -> ClassTrie:
    """The trie of class names given as token ids.

    Raises:
        ValueError: if a name has no token, or two have the same.
    """
    tokens: list[int] = []
    parents: list[int] = []
    known: dict[tuple[int, int], int] = {}
    paths: list[tuple[tuple[int, int], ...]] = []
    for number, name in enumerate(names):
        if not name:
            raise ValueError(f"class {number} has no token")
        node = ROOT
        path: list[tuple[int, int]] = []
        for token in name[:-1]:
            path.append((node, token))
            if (node, token) not in known:
                known[node, token] = len(tokens)
                tokens.append(token)
                parents.append(node)
            node = known[node, token]
        path.append((node, name[-1]))
        paths.append(tuple(path))
    ends = {path[-1]: number for number, path in enumerate(paths)}
    if len(ends) < len(paths):
        same = next(number for number, path in enumerate(paths) if ends[path[-1]] != number)
        raise ValueError(f"classes {same} and {ends[paths[same][-1]]} have the same tokens")
    longer: list[list[int]] = [[] for _ in paths]
    for number, draws in enumerate(paths):
        shorter = [ends[draw] for draw in draws[:-1] if draw in ends]
        if shorter:
            longer[shorter[-1]].append(number)
    return ClassTrie(
        tuple(tokens), tuple(parents), tuple(paths), tuple(tuple(found) for found in longer)
    )


def without_longer(log_likelihoods: Tensor, trie: ClassTrie) -> Tensor:
    """Of each name, the likelihood that the answer begins with it and with no longer one.

    An answer that begins with "pencil case" also begins with "pen": without this the shorter of two
    such names would always win.

    Args:
        log_likelihoods: (..., classes), nats, that an answer begins with each name.
        trie: of the names.
    """
    found = log_likelihoods.clone()
    for number, others in enumerate(trie.longer):
        if others:
            own = log_likelihoods[..., number]
            rest = torch.logsumexp(log_likelihoods[..., list(others)], dim=-1)
            # Sums of probabilities below one: rounding may take it to zero, never below.
            share = (rest - own).clamp(max=-1e-6)
            found[..., number] = own + torch.log(-torch.expm1(share))
    return found
