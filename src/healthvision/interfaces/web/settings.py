# SPDX-License-Identifier: Apache-2.0
"""Settings of the web interface."""

from pydantic import Field

from healthvision.kernel.settings import RoomSettings


class WebSettings(RoomSettings, room="web"):
    """The pages of the workstation (prefix ``HV_WEB_``)."""

    connect: str = Field(
        default="",
        pattern=r"^[A-Za-z0-9.:/ _-]*$",
        description="Further origins, by space, that the pages may call. The object store that "
        "uploads go to by presigned URLs is allowed by itself, unless browsers reach it by another "
        "address than the server does. Nothing else is ever loaded from outside.",
    )
