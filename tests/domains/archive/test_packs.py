# SPDX-License-Identifier: Apache-2.0
"""The format of a pack: what goes in comes out, and nothing else is taken for it."""

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from healthvision.domains.archive.packing import packs
from healthvision.domains.archive.packing.packs import Part, Trailer
from healthvision.kernel.crypto import Damaged

PART = Part(10, 20, 5, bytes(range(32)))
TRAILER = Trailer(UUID(int=1), UUID(int=2), 3, UUID(int=4), 5, 600, PART, PART, PART)


class TestTrailer:
    @pytest.mark.parametrize("trailer", [TRAILER, replace(TRAILER, key_id=None)])
    def test_is_read_as_it_was_written(self, trailer: Trailer) -> None:
        data = packs.trailer_bytes(trailer)
        assert len(data) == packs.TRAILER_BYTES
        assert packs.read_trailer(data) == trailer

    def test_every_flipped_bit_is_found(self) -> None:
        good = packs.trailer_bytes(TRAILER)
        for bit in range(len(good) * 8):
            bad = bytearray(good)
            bad[bit // 8] ^= 1 << bit % 8
            with pytest.raises(Damaged):
                packs.read_trailer(bytes(bad))

    def test_a_cut_one_is_refused(self) -> None:
        with pytest.raises(Damaged):
            packs.read_trailer(packs.trailer_bytes(TRAILER)[1:])


class TestDocument:
    @given(st.dictionaries(st.uuids(), st.binary(max_size=50), max_size=5))
    def test_is_read_as_it_was_written(self, texts: dict[UUID, bytes]) -> None:
        data = packs.document_bytes(texts.items())
        assert packs.read_document(packs.expand(packs.squeeze(data))) == texts

    def test_a_cut_one_is_refused(self) -> None:
        data = packs.document_bytes([(UUID(int=1), b"text")])
        for length in (1, 20, len(data) - 1):
            with pytest.raises(Damaged):
                packs.read_document(data[:length])

    def test_bytes_that_are_not_compressed_are_refused(self) -> None:
        with pytest.raises(Damaged):
            packs.expand(b"not compressed")


class TestMarkedText:
    nested: dict[str, Any] = {  # noqa: RUF012
        "00080018": {"vr": "UI", "Value": ["1.2"]},
        "00081030": {"vr": "LO", "Value": ['"BulkDataURI":"hv:no']},
        "54000100": {"vr": "SQ", "Value": [{"54001010": {"vr": "OW"}}]},
        "7FE00010": {"vr": "OW"},
    }
    paths = ("7FE00010", "54000100/0/54001010", "00990099", "54000100/7/54001010")

    def test_addresses_go_where_the_marks_are_and_nowhere_else(self) -> None:
        text = packs.marked_text(self.nested, self.paths)
        found = packs.addressed(text, 'https://x/"y').decode()
        assert found.count('"BulkDataURI":"https://x/\\"y/bulkdata/7FE00010"') == 1
        assert found.count('"BulkDataURI":"https://x/\\"y/bulkdata/54000100/0/54001010"') == 1
        assert '\\"BulkDataURI\\":\\"hv:no' in found
        assert "BulkDataURI" not in str(self.nested["7FE00010"])

    def test_without_its_marks_it_is_the_document_again(self) -> None:
        assert packs.plain_document(packs.marked_text(self.nested, self.paths)) == self.nested
