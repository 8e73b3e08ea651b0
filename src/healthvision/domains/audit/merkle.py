# SPDX-License-Identifier: Apache-2.0
"""The Merkle tree of RFC 6962 section 2.1 (RFC 9162 section 2.1), SHA-256.

Leaves and nodes are hashed with different prefixes (0x00, 0x01). ``[start, end)`` below are
ranges of leaf indices, counted from 0. A *perfect* range has a power of two leaves and starts at
a multiple of its size; every hash a proof needs is folded from perfect ranges.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256

EMPTY_ROOT = sha256(b"").digest()
TILE_BITS = 8  # nodes of levels 8, 16, 24, ... are stored, so a proof reads few rows
HASH_BYTES = 32


def leaf_hash(entry: bytes) -> bytes:
    """Return the hash of one leaf."""
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node."""
    return sha256(b"\x01" + left + right).digest()


@dataclass(frozen=True, slots=True)
class Node:
    """The perfect range of ``2**level`` leaves that starts at ``index * 2**level``."""

    level: int
    index: int

    @property
    def start(self) -> int:
        """Return the first leaf of the range."""
        return self.index << self.level

    @property
    def size(self) -> int:
        """Return the number of leaves."""
        return 1 << self.level


@dataclass(frozen=True, slots=True)
class Range:
    """The leaves ``[start, end)``."""

    start: int
    end: int


class Frontier:
    """A growing tree, kept as the hashes of its perfect ranges from left to right."""

    def __init__(self, size: int = 0, hashes: Sequence[bytes] = ()) -> None:
        if bin(size).count("1") != len(hashes):
            raise ValueError(f"a tree of {size} leaves has {bin(size).count('1')} perfect ranges")
        self.size = size
        self.hashes = list(hashes)

    def append(self, leaf: bytes, on_node: Callable[[Node, bytes], None] | None = None) -> None:
        """Add one leaf hash; ``on_node`` hears of each finished node at a stored level."""
        index, level, value = self.size, 0, leaf
        while index & 1:
            value = sha256(b"\x01" + self.hashes.pop() + value).digest()
            index >>= 1
            level += 1
            if on_node is not None and level % TILE_BITS == 0:
                on_node(Node(level, index), value)
        self.hashes.append(value)
        self.size += 1

    def root(self) -> bytes:
        """Return the root (MTH) over all leaves added so far."""
        return fold_right(self.hashes) if self.hashes else EMPTY_ROOT


def fold_right(hashes: Sequence[bytes]) -> bytes:
    """Return the hash over neighbouring ranges that shrink from left to right."""
    value = hashes[-1]
    for left in reversed(hashes[:-1]):
        value = node_hash(left, value)
    return value


def fold_perfect(hashes: Sequence[bytes]) -> bytes:
    """Return the hash over a power of two of neighbouring ranges of one size."""
    layer = list(hashes)
    while len(layer) > 1:
        layer = [node_hash(layer[i], layer[i + 1]) for i in range(0, len(layer), 2)]
    return layer[0]


def root_of(leaves: Sequence[bytes]) -> bytes:
    """Return the root over leaf hashes."""
    frontier = Frontier()
    for leaf in leaves:
        frontier.append(leaf)
    return frontier.root()


def perfect_nodes(part: Range) -> list[Node]:
    """Return the perfect nodes whose fold is the hash of a range the RFC's split can make."""
    nodes, start = [], part.start
    while start < part.end:
        level = (part.end - start).bit_length() - 1
        nodes.append(Node(level, start >> level))
        start += 1 << level
    return nodes


def _split(size: int) -> int:
    return 1 << ((size - 1).bit_length() - 1)


def inclusion_ranges(leaf: int, size: int) -> list[Range]:
    """Return the ranges whose hashes are the audit path of a leaf, bottom first.

    RFC 6962 2.1.1. ValueError when the leaf is not in the tree.
    """
    if not 0 <= leaf < size:
        raise ValueError(f"leaf {leaf} is not in a tree of {size}")
    path, start, end = [], 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if leaf < middle:
            path.append(Range(middle, end))
            end = middle
        else:
            path.append(Range(start, middle))
            start = middle
    return path[::-1]


def consistency_ranges(first: int, second: int) -> list[Range]:
    """Return the ranges whose hashes prove that one tree is the start of another.

    RFC 6962 2.1.2. ValueError unless ``0 < first <= second``.
    """
    if not 0 < first <= second:
        raise ValueError(f"no consistency proof from {first} to {second}")
    path, start, end, whole = [], 0, second, True
    while first != end:
        middle = start + _split(end - start)
        if first <= middle:
            path.append(Range(middle, end))
            end = middle
        else:
            path.append(Range(start, middle))
            start, whole = middle, False
    if not whole:
        path.append(Range(start, end))
    return path[::-1]


def verify_inclusion(
    leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes
) -> bool:
    """Tell whether the audit path leads from the leaf to the root (RFC 9162 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    position, last, value = index, size - 1, leaf
    for step in path:
        if last == 0:
            return False
        if position & 1 or position == last:
            value = node_hash(step, value)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            value = node_hash(value, step)
        position, last = position >> 1, last >> 1
    return last == 0 and value == root


@dataclass(frozen=True, slots=True)
class Head:
    """The size and root of one tree."""

    size: int
    root: bytes


def verify_consistency(first: Head, second: Head, path: Sequence[bytes]) -> bool:
    """Tell whether the first tree is the start of the second (RFC 9162 2.1.4.2)."""
    if not 0 < first.size <= second.size:
        return False
    if first.size == second.size:
        return not path and first.root == second.root
    steps = list(path)
    if first.size & (first.size - 1) == 0:
        steps.insert(0, first.root)
    if not steps:
        return False
    position, last = first.size - 1, second.size - 1
    while position & 1:
        position, last = position >> 1, last >> 1
    old = new = steps[0]
    for step in steps[1:]:
        if last == 0:
            return False
        if position & 1 or position == last:
            old, new = node_hash(step, old), node_hash(step, new)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            new = node_hash(new, step)
        position, last = position >> 1, last >> 1
    return last == 0 and old == first.root and new == second.root
