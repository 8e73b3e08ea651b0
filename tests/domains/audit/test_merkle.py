# SPDX-License-Identifier: Apache-2.0
"""The tree against the published vectors of the RFC 6962 reference implementation."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from healthvision.domains.audit.merkle import (
    EMPTY_ROOT,
    Frontier,
    Head,
    Node,
    Range,
    consistency_ranges,
    fold_perfect,
    fold_right,
    inclusion_ranges,
    leaf_hash,
    perfect_nodes,
    root_of,
    verify_consistency,
    verify_inclusion,
)

# Inputs and roots of certificate-transparency's merkle_tree_test (RFC 6962 reference code).
INPUTS = [
    "",
    "00",
    "10",
    "2021",
    "3031",
    "40414243",
    "5051525354555657",
    "606162636465666768696a6b6c6d6e6f",
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
LEAVES = [leaf_hash(bytes.fromhex(text)) for text in INPUTS]


def subtree(leaves: list[bytes], part: Range) -> bytes:
    """Return the hash of a range, straight from its leaves."""
    nodes = perfect_nodes(part)
    return fold_right([fold_perfect(leaves[n.start : n.start + n.size]) for n in nodes])


def path_of(leaves: list[bytes], ranges: list[Range]) -> list[bytes]:
    return [subtree(leaves, part) for part in ranges]


def many(count: int) -> list[bytes]:
    return [leaf_hash(str(i).encode()) for i in range(count)]


class TestRootOf:
    @pytest.mark.parametrize("size", range(1, 9))
    def test_gives_the_published_roots(self, size: int) -> None:
        assert root_of(LEAVES[:size]).hex() == ROOTS[size - 1]

    def test_of_nothing_is_the_hash_of_nothing(self) -> None:
        assert root_of([]) == EMPTY_ROOT
        assert EMPTY_ROOT.hex().startswith("e3b0c44298fc1c149afbf4c8996fb924")


class TestFrontier:
    @given(st.integers(0, 600), st.integers(0, 600))
    def test_may_be_put_down_and_taken_up_again(self, first: int, more: int) -> None:
        leaves = many(first + more)
        begun = Frontier()
        for leaf in leaves[:first]:
            begun.append(leaf)
        resumed = Frontier(begun.size, begun.hashes)
        for leaf in leaves[first:]:
            resumed.append(leaf)
        assert resumed.root() == root_of(leaves)

    def test_refuses_a_wrong_number_of_hashes(self) -> None:
        with pytest.raises(ValueError, match="perfect ranges"):
            Frontier(3, [bytes(32)])

    def test_reports_finished_tiles(self) -> None:
        leaves, seen = many(600), dict[Node, bytes]()
        frontier = Frontier()
        for leaf in leaves:
            frontier.append(leaf, lambda node, value: seen.update({node: value}))
        assert set(seen) == {Node(8, 0), Node(8, 1)}
        assert seen[Node(8, 1)] == fold_perfect(leaves[256:512])


class TestInclusionRanges:
    def test_gives_the_published_paths(self) -> None:
        # RFC 6962 reference: leaf 0 of 8, leaf 5 of 8, leaf 2 of 3, leaf 1 of 5 (0-based)
        assert [p.hex()[:16] for p in path_of(LEAVES, inclusion_ranges(0, 8))] == [
            "96a296d224f285c6",
            "5f083f0a1a33ca07",
            "6b47aaf29ee3c2af",
        ]
        assert [p.hex()[:16] for p in path_of(LEAVES, inclusion_ranges(5, 8))] == [
            "bc1a0643b12e4d2d",
            "ca854ea128ed050b",
            "d37ee418976dd957",
        ]
        assert [p.hex()[:16] for p in path_of(LEAVES, inclusion_ranges(2, 3))] == [
            "fac54203e7cc696c"
        ]
        assert [p.hex()[:16] for p in path_of(LEAVES, inclusion_ranges(1, 5))] == [
            "6e340b9cffb37a98",
            "5f083f0a1a33ca07",
            "bc1a0643b12e4d2d",
        ]

    def test_refuses_a_leaf_outside(self) -> None:
        with pytest.raises(ValueError, match="not in a tree"):
            inclusion_ranges(8, 8)


class TestVerifyInclusion:
    @given(st.integers(1, 300), st.data())
    def test_accepts_every_leaf_and_no_other_place(self, size: int, data: st.DataObject) -> None:
        leaves = many(size)
        index = data.draw(st.integers(0, size - 1))
        path, root = path_of(leaves, inclusion_ranges(index, size)), root_of(leaves)
        assert verify_inclusion(leaves[index], index, size, path, root)
        assert not verify_inclusion(leaf_hash(b"other"), index, size, path, root)
        assert not verify_inclusion(leaves[index], index, size, [*path, root], root)
        if size > 1:
            assert not verify_inclusion(leaves[index], (index + 1) % size, size, path, root)
            assert not verify_inclusion(leaves[index], index, size, path[:-1], root)


class TestConsistencyRanges:
    def test_gives_the_published_proofs(self) -> None:
        assert path_of(LEAVES, consistency_ranges(1, 1)) == []
        assert [p.hex()[:16] for p in path_of(LEAVES, consistency_ranges(6, 8))] == [
            "0ebc5d3437fbe2db",
            "ca854ea128ed050b",
            "d37ee418976dd957",
        ]
        assert [p.hex()[:16] for p in path_of(LEAVES, consistency_ranges(2, 5))] == [
            "5f083f0a1a33ca07",
            "bc1a0643b12e4d2d",
        ]

    def test_refuses_a_shrinking_tree(self) -> None:
        with pytest.raises(ValueError, match="no consistency proof"):
            consistency_ranges(5, 4)


class TestVerifyConsistency:
    @given(st.integers(1, 200), st.integers(0, 200))
    def test_accepts_growth_and_refuses_rewriting(self, first: int, more: int) -> None:
        leaves = many(first + more)
        path = path_of(leaves, consistency_ranges(first, first + more))
        old = Head(first, root_of(leaves[:first]))
        new = Head(first + more, root_of(leaves))
        assert verify_consistency(old, new, path)
        assert not verify_consistency(Head(first, leaf_hash(b"x")), new, path)
        assert not verify_consistency(old, Head(new.size, leaf_hash(b"x")), path)
        assert not verify_consistency(new, Head(0, EMPTY_ROOT), path)
