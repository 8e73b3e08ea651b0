# SPDX-License-Identifier: Apache-2.0
"""Which other origin the pages may call: the object store that uploads go to, and no other."""

from urllib.parse import urlsplit

from healthvision.domains.storage.settings import StorageSettings, StoreConfig, origin_of


def upload_origin(settings: StorageSettings) -> str:
    """Return the origin of presigned uploads; empty when they come to this server."""
    store = (
        settings.main() if settings.stage_in == "main" else settings.stores.get(settings.stage_in)
    )
    return _s3_origin(store) if store is not None and store.url.startswith("s3://") else ""


def _s3_origin(store: StoreConfig) -> str:
    """Return where the client of ``domains.storage.remote`` signs its URLs for."""
    if store.s3_endpoint:
        return origin_of(store.s3_endpoint) or ""
    bucket = urlsplit(store.url).netloc
    host = f"s3.{store.s3_region}.amazonaws.com"
    return (
        origin_of(f"https://{bucket}.{host}" if store.s3_virtual_host else f"https://{host}") or ""
    )
