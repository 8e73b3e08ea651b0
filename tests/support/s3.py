# SPDX-License-Identifier: Apache-2.0
"""A real S3 server process on loopback for tests."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx

from tests.support.postgres import free_port


@dataclass(frozen=True)
class S3Server:
    """Where the server listens and which bucket was made."""

    endpoint: str
    bucket: str

    def settings(self) -> dict[str, str]:
        """Return the settings that make this the platform's object store."""
        return {
            "HV_STORAGE_URL": f"s3://{self.bucket}/hv",
            "HV_STORAGE_S3_ENDPOINT": self.endpoint,
            "HV_STORAGE_S3_ACCESS_KEY_ID": "test",
            "HV_STORAGE_S3_SECRET_ACCESS_KEY": "test",
        }


@contextmanager
def s3_server(bucket: str = "healthvision") -> Iterator[S3Server]:
    """Start the server with one bucket; its objects live in its memory."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    endpoint = f"http://127.0.0.1:{port}"
    try:
        _make_bucket(endpoint, bucket)
        yield S3Server(endpoint, bucket)
    finally:
        process.kill()
        process.wait()


def _make_bucket(endpoint: str, bucket: str) -> None:
    headers = {
        "Authorization": "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request"
    }
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            if httpx.put(f"{endpoint}/{bucket}", headers=headers, timeout=5).status_code < 300:
                return
        except httpx.HTTPError:
            time.sleep(0.2)
    raise AssertionError("the S3 server does not answer")
