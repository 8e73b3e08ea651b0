# SPDX-License-Identifier: Apache-2.0
"""Settings of the model hub (prefix ``HV_MODELHUB_``)."""

from pathlib import Path

from pydantic import Field

from healthvision.kernel.settings import CoreSettings, RoomSettings


class ModelhubSettings(RoomSettings, room="modelhub"):
    """Where added models lie, and which inference servers may be reached."""

    folder: Path | None = Field(
        default=None,
        description="Folder of the models added with 'healthvision model add'; empty: 'models' in "
        "HV_DATA_DIR. Processes on several hosts need one folder that all have mounted.",
    )
    private_allow: str = Field(
        default="",
        description="Addresses of inference servers (Triton, vendor) that are not public and may "
        "still be asked: CIDRs and host names, separated by commas, e.g. '10.2.0.0/16'.",
    )
    ca_file: Path | None = Field(
        default=None, description="PEM file of a private certificate authority to trust as well."
    )
    timeout_s: float = Field(
        default=25.0,
        gt=0,
        le=28,
        description="Longest time of one question to an inference server, with its polling; the "
        "sandbox waits 30 s for an answer.",
    )
    max_weights_mb: int = Field(
        default=4096, ge=1, description="Largest weights file that is accepted, in MB."
    )

    def allowed(self) -> frozenset[str]:
        """Return the entries of the allow-list."""
        return frozenset(p.strip().lower() for p in self.private_allow.split(",") if p.strip())

    def models_folder(self) -> Path:
        """Return the folder of the added models."""
        return (
            self.folder if self.folder is not None else CoreSettings.current().data_dir / "models"
        )
