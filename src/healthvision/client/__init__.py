# SPDX-License-Identifier: Apache-2.0
"""The typed Python client of the HealthVision API; imports nothing of the server."""

from healthvision.client.auth import ApiKey, Bearer, ClientCredentials, NoAuth, SignedIn, Tokens
from healthvision.client.client import AsyncClient, Client
from healthvision.client.engine import RetryPolicy
from healthvision.client.errors import (
    ApiError,
    ClientError,
    ConnectionFailed,
    UploadFailed,
    WaitTimeout,
)
from healthvision.client.models import UploadMeta

__all__ = [
    "ApiError",
    "ApiKey",
    "AsyncClient",
    "Bearer",
    "Client",
    "ClientCredentials",
    "ClientError",
    "ConnectionFailed",
    "NoAuth",
    "RetryPolicy",
    "SignedIn",
    "Tokens",
    "UploadFailed",
    "UploadMeta",
    "WaitTimeout",
]
