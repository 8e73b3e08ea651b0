# SPDX-License-Identifier: Apache-2.0
"""Settings of the DICOM network door."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from healthvision.formats.dicom.association import Timers
from healthvision.kernel.listening import Crowd
from healthvision.kernel.settings import RoomSettings
from healthvision.kernel.tls import Identity


class DimseSettings(RoomSettings, room="dimse"):
    """Where DICOM peers reach us, and how many and how slow they may be (``HV_DIMSE_``)."""

    enabled: bool = Field(
        default=True, description="Start the DICOM port with the roles 'all' and 'up'."
    )
    host: str = Field(
        default="127.0.0.1", description="Address to listen on; 0.0.0.0 for a hospital network."
    )
    port: int = Field(default=11112, ge=0, le=65535, description="Port; 0 takes a free one.")
    share_port: bool = Field(
        default=False,
        description="Several 'dimse' processes of this installation listen on the same port.",
    )
    tls: Literal["none", "bcp195", "tls13"] = Field(
        default="none",
        description="'bcp195': TLS 1.2 or 1.3 with modern suites, 'tls13': only TLS 1.3.",
    )
    tls_cert: Path | None = Field(default=None, description="Our certificate chain (PEM).")
    tls_key: Path | None = Field(default=None, description="Its private key (PEM).")
    tls_ca: Path | None = Field(
        default=None, description="Authorities we trust (PEM): of callers and of destinations."
    )
    tls_client_cert: bool = Field(
        default=False, description="Callers must show a certificate of a trusted authority."
    )
    max_associations: int = Field(default=200, ge=1, description="Associations at once.")
    max_per_host: int = Field(default=50, ge=1, description="Associations of one address at once.")
    max_waiting: int = Field(
        default=500, ge=1, description="Connections that have not asked for an association yet."
    )
    request_s: float = Field(
        default=10.0, gt=0, description="Time to ask for an association, with its handshake."
    )
    unit_s: float = Field(
        default=30.0, gt=0, description="Silence within a message after which we hang up."
    )
    idle_s: float = Field(
        default=300.0, gt=0, description="Silence between messages after which we hang up."
    )
    total_s: float = Field(default=86400.0, gt=0, description="Longest life of an association.")
    connect_s: float = Field(default=10.0, gt=0, description="Time to reach a C-MOVE destination.")
    unwritten_objects: int = Field(
        default=64,
        ge=0,
        description="Most objects of an association that are acknowledged (their bytes are on "
        "disk) before they can be found; 0: each can be found when it is acknowledged.",
    )
    unwritten_bytes: int = Field(
        default=64_000_000, ge=0, description="Most bytes of them; a larger object goes alone."
    )
    private_classes: list[str] = Field(
        default_factory=list,
        description="Private storage SOP classes that are taken, too (UIDs, as a JSON list).",
    )
    max_find_results: int = Field(
        default=0, ge=0, description="Most answers to one C-FIND; 0: all there are."
    )

    def crowd(self) -> Crowd:
        """Return the limits of connections."""
        return Crowd(self.max_associations, self.max_per_host, self.max_waiting, self.request_s)

    def timers(self) -> Timers:
        """Return the time limits of an association."""
        return Timers(self.unit_s, self.idle_s, self.total_s)

    def identity(self) -> Identity:
        """Return our certificate and whom we trust."""
        return Identity(self.tls_cert, self.tls_key, self.tls_ca)
