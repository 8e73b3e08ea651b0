# SPDX-License-Identifier: Apache-2.0
"""Settings of the integration room (prefix ``HV_INTEGRATION_``)."""

from pathlib import Path

from pydantic import Field

from healthvision.kernel.settings import RoomSettings
from healthvision.kernel.tls import Identity


class IntegrationSettings(RoomSettings, room="integration"):
    """How destinations are reached, and how long one tries."""

    private_allow: str = Field(
        default="",
        description="Addresses that are not public and may be DICOMweb destinations: CIDRs and "
        "host names, separated by commas, e.g. '10.1.0.0/16, pacs.hospital.local'.",
    )
    tls_cert: Path | None = Field(
        default=None, description="Our certificate chain (PEM) shown to DICOM destinations."
    )
    tls_key: Path | None = Field(default=None, description="Its private key (PEM).")
    tls_ca: Path | None = Field(
        default=None, description="Authorities (PEM) that destinations' certificates come from."
    )
    connect_s: float = Field(default=10.0, gt=0, description="Time to reach a destination.")
    answer_s: float = Field(
        default=60.0, gt=0, description="Silence of a destination after which a try ends."
    )
    push_tries: int = Field(
        default=30, ge=1, description="Failed tries after which a delivery is given up."
    )
    push_parallel: int = Field(default=2, ge=1, description="Deliveries at once per worker.")
    commitment_tries: int = Field(
        default=8, ge=1, description="Tries to bring a storage commitment report to its asker."
    )
    commitment_wait_s: float = Field(
        default=86400.0, gt=0, description="How long we wait for a destination's own report."
    )

    def identity(self) -> Identity:
        """Return our certificate and whom we trust."""
        return Identity(self.tls_cert, self.tls_key, self.tls_ca)

    def allowed(self) -> frozenset[str]:
        """Return the entries of the allow-list."""
        return frozenset(p.strip().lower() for p in self.private_allow.split(",") if p.strip())
