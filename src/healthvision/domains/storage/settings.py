# SPDX-License-Identifier: Apache-2.0
"""Settings of object storage."""

import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr
from pydantic_settings import SettingsConfigDict

from healthvision.kernel.settings import RoomSettings

_ORIGIN = re.compile(
    r"(?P<origin>https?://(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(?P<port>[0-9]{1,5}))?)"
    r"(?:/[^\s;,?#]*)?"
)


def origin_of(address: str) -> str | None:
    """Return scheme, host and port of a plain web address; None when it holds anything else.

    Credentials, a query and characters that end a header's value are such: what is returned
    stands in the Content-Security-Policy of every page.
    """
    found = _ORIGIN.fullmatch(address)
    if found is None or int(found["port"] or 0) > 65535:
        return None
    return found["origin"]


def _endpoint(value: str) -> str:
    if value and origin_of(value) is None:
        raise ValueError(
            "must be http:// or https:// with a host and perhaps a port; "
            "the keys go into s3_access_key_id and s3_secret_access_key"
        )
    return value


Endpoint = Annotated[str, AfterValidator(_endpoint)]


class StoreConfig(BaseModel):
    """One object store.

    ``url``: ``file:///folder``, ``s3://bucket/prefix`` or ``memory://``; empty: the folder
    ``objects`` in the data folder. The other fields are for S3-compatible servers.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    url: str = ""
    s3_endpoint: Endpoint = ""
    s3_region: str = "us-east-1"
    s3_access_key_id: SecretStr = SecretStr("")
    s3_secret_access_key: SecretStr = SecretStr("")
    s3_virtual_host: bool = False


class StorageSettings(RoomSettings, room="storage"):
    """Where objects lie (prefix ``HV_STORAGE_``)."""

    model_config = SettingsConfigDict(hide_input_in_errors=True)  # may be a pasted key

    url: str = Field(
        default="",
        description="Main store: file:///folder, s3://bucket/prefix or memory://; "
        "empty: the folder 'objects' in data_dir.",
    )
    s3_endpoint: Endpoint = Field(
        default="",
        description="Address of an S3-compatible server: http:// or https://, host and port.",
    )
    s3_region: str = Field(default="us-east-1", description="Region of the S3 bucket.")
    s3_access_key_id: SecretStr = Field(default=SecretStr(""), description="S3 access key.")
    s3_secret_access_key: SecretStr = Field(default=SecretStr(""), description="S3 secret key.")
    s3_virtual_host: bool = Field(
        default=False, description="Bucket name in the host name instead of the path."
    )
    shared: bool = Field(
        default=False,
        description="Whether a folder store lies on a disk that every host of the installation "
        "has mounted (NFS or the like); else processes on two hosts are refused.",
    )
    stores: dict[str, StoreConfig] = Field(
        default_factory=dict, description="Further stores by name, e.g. for near-line data."
    )
    write_to: str = Field(default="main", description="Name of the store new objects go to.")
    stage_in: str = Field(default="main", description="Name of the store uploads arrive in.")
    encrypt: bool = Field(default=True, description="Encrypt objects and staged uploads at rest.")
    scratch_dir: Path | None = Field(
        default=None,
        description="Folder for temporary files without a name; empty: 'scratch' in data_dir.",
    )

    @property
    def one_host(self) -> bool:
        """Whether the main store can be reached from one host only."""
        return not self.shared and (not self.url or self.url.startswith(("file:", "memory:")))

    def main(self) -> StoreConfig:
        """Return the configuration of the store 'main'."""
        return StoreConfig(
            url=self.url,
            s3_endpoint=self.s3_endpoint,
            s3_region=self.s3_region,
            s3_access_key_id=self.s3_access_key_id,
            s3_secret_access_key=self.s3_secret_access_key,
            s3_virtual_host=self.s3_virtual_host,
        )
