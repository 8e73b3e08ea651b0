# SPDX-License-Identifier: Apache-2.0
"""Addresses of bulk values inside stored JSON."""

from typing import Any

from healthvision.interfaces.dicomweb.metadata import to_json, with_bulk_uris


class TestWithBulkUris:
    def test_puts_addresses_at_any_depth(self) -> None:
        document: dict[str, Any] = {
            "7FE00010": {"vr": "OW"},
            "00081140": {"vr": "SQ", "Value": [{}, {"00091010": {"vr": "OB"}}]},
        }
        paths = ["7FE00010", "00081140/1/00091010"]
        got = with_bulk_uris(document, paths, "http://h/i")
        assert got["7FE00010"]["BulkDataURI"] == "http://h/i/bulkdata/7FE00010"
        inner = got["00081140"]["Value"][1]["00091010"]
        assert inner["BulkDataURI"] == "http://h/i/bulkdata/00081140/1/00091010"

    def test_leaves_paths_out_that_lead_nowhere(self) -> None:
        document = {"00081140": {"vr": "SQ", "Value": [{}]}}
        before = to_json(document)
        paths = ["00081140/3/00091010", "00091010", "00081140/0/00091010"]
        assert to_json(with_bulk_uris(document, paths, "u")) == before
