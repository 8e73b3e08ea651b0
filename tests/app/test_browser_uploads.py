# SPDX-License-Identifier: Apache-2.0
"""What the doctor makes of an object store's answer to a browser's question."""

import httpx
import pytest

from healthvision.app.browser_uploads import allows, origin_of

PAGE = "https://hv.example"


class TestAllows:
    @pytest.mark.parametrize(
        ("status", "origin", "methods", "good"),
        [
            (200, "*", "PUT", True),
            (204, PAGE, "GET, PUT", True),
            (200, PAGE, "*", True),
            (200, "https://other.example", "PUT", False),
            (200, PAGE, "GET", False),
            (200, "", "", False),
            (403, "*", "PUT", False),
        ],
    )
    def test_reads_the_cors_headers(
        self, status: int, origin: str, methods: str, good: bool
    ) -> None:
        headers = {
            "Access-Control-Allow-Origin": origin,
            "Access-Control-Allow-Methods": methods,
        }
        assert allows(httpx.Response(status, headers=headers), PAGE) is good

    def test_an_origin_is_scheme_host_and_port(self) -> None:
        assert origin_of("http://h.example:8080/a/b?c=1") == "http://h.example:8080"
