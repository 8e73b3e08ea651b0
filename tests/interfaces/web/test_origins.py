# SPDX-License-Identifier: Apache-2.0
"""The origin that the pages may call is the one that presigned URLs name."""

from urllib.parse import urlsplit

import pytest
from pydantic import SecretStr, ValidationError

from healthvision.domains.storage.remote import RemoteStore, s3_store
from healthvision.domains.storage.settings import StorageSettings, StoreConfig
from healthvision.interfaces.web.origins import upload_origin


class TestUploadOrigin:
    @pytest.mark.parametrize(
        ("endpoint", "virtual", "origin"),
        [
            ("http://127.0.0.1:9000", False, "http://127.0.0.1:9000"),
            ("https://s3.hospital.example/", False, "https://s3.hospital.example"),
            ("", False, "https://s3.eu-central-1.amazonaws.com"),
            ("", True, "https://images.s3.eu-central-1.amazonaws.com"),
        ],
    )
    async def test_is_where_presigned_urls_go(
        self, endpoint: str, virtual: bool, origin: str
    ) -> None:
        settings = StorageSettings(
            url="s3://images/hv",
            s3_endpoint=endpoint,
            s3_region="eu-central-1",
            s3_virtual_host=virtual,
            s3_access_key_id=SecretStr("key"),
            s3_secret_access_key=SecretStr("secret"),
        )
        assert upload_origin(settings) == origin
        store = RemoteStore("main", s3_store("images", "hv", settings.main()))
        url = await store.presign("PUT", "staging/x", expires_s=60)
        assert url is not None
        found = urlsplit(url)
        assert f"{found.scheme}://{found.netloc}" == origin

    def test_follows_the_store_that_uploads_arrive_in(self) -> None:
        other = StoreConfig(url="s3://incoming", s3_endpoint="https://in.example")
        both = StorageSettings(stores={"in": other}, stage_in="in")
        assert upload_origin(both) == "https://in.example"

    def test_is_empty_when_uploads_come_to_us(self) -> None:
        assert upload_origin(StorageSettings()) == ""
        assert upload_origin(StorageSettings(url="file:///srv/images")) == ""

    @pytest.mark.parametrize(
        "endpoint",
        [
            "https://key:hush@s3.example",
            "https://s3.example; script-src *",
            "https://s3.example/;script-src *",
            "https://s3.example\n",
            "https://s3.example?token=hush",
            "https://s3.example:99999",
            "minio:9000",
            "ftp://s3.example",
            "https://",
        ],
    )
    def test_an_endpoint_that_is_no_plain_address_is_refused(self, endpoint: str) -> None:
        with pytest.raises(ValidationError, match="http:// or https://") as told:
            StorageSettings(url="s3://images", s3_endpoint=endpoint)
        assert "hush" not in str(told.value)
        with pytest.raises(ValidationError, match="http:// or https://"):
            StorageSettings(stores={"in": {"s3_endpoint": endpoint}})
        unchecked = StoreConfig.model_construct(url="s3://images", s3_endpoint=endpoint)
        both = StorageSettings(stage_in="in").model_copy(update={"stores": {"in": unchecked}})
        assert upload_origin(both) == ""

    def test_names_no_host_made_of_other_words(self) -> None:
        odd = StorageSettings(url="s3://images", s3_region="x; script-src *")
        assert upload_origin(odd) == ""

    def test_a_host_may_be_an_ipv6_address(self) -> None:
        plain = StorageSettings(url="s3://images", s3_endpoint="http://[::1]:9000")
        assert upload_origin(plain) == "http://[::1]:9000"
