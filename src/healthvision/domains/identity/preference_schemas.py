# SPDX-License-Identifier: Apache-2.0
"""What a person likes in the interface: a closed set of keys, each of bounded size."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints

from healthvision.domains.identity.schemas import Language, _printable
from healthvision.kernel.schemas import Input, Read

Action = Literal[
    "window",
    "scroll",
    "pan",
    "zoom",
    "length",
    "angle",
    "bidirectional",
    "ellipse",
    "rectangle",
    "probe",
    "arrow",
    "erase",
    "crosshairs",
    "invert",
    "flipHorizontal",
    "flipVertical",
    "rotate",
    "reset",
    "undo",
    "redo",
    "save",
    "texts",
    "overlays",
    "link",
    "layout1",
    "layout2",
    "layout4",
    "mpr",
    "mip",
    "space",
    "previousSeries",
    "nextSeries",
    "previousSlice",
    "nextSlice",
    "firstSlice",
    "lastSlice",
    "help",
]
Modality = Literal["CT", "MR", "CR", "DX", "MG", "PT", "NM", "US", "XA", "RF", "IO", "PX", "OT"]
Layout = Literal["1x1", "1x2", "2x2", "mpr"]
KeyName = Annotated[str, StringConstraints(min_length=1, max_length=24), AfterValidator(_printable)]
WindowName = Annotated[
    str,
    StringConstraints(min_length=1, max_length=32, strip_whitespace=True),
    AfterValidator(_printable),
]
MOST_WINDOWS = 8  # the keys 2-9


class Window(Input):
    """A named window (PS3.3 C.11.2.1.2), in the values of the images, e.g. HU."""

    name: WindowName
    centre: float = Field(ge=-65536, le=65536)
    width: float = Field(ge=1, le=131072)


Windows = Annotated[list[Window], Field(max_length=MOST_WINDOWS)]


class PreferencesPatch(Input):
    """Changes; what is not sent stays, null goes back to the default of the interface."""

    language: Language | None = None
    keys: dict[Action, KeyName | None] | None = Field(
        default=None, description="Key of an action of the viewer, e.g. 'Ctrl+s'."
    )
    layouts: dict[Modality, Layout | None] | None = Field(
        default=None, description="Layout to begin with, by modality."
    )
    windows: dict[Modality, Windows | None] | None = Field(
        default=None, description="Own windows for the keys 2-9, by modality."
    )
    opacity: float | None = Field(default=None, ge=0, le=1, description="Of overlays.")


class PreferencesRead(Read):
    """What the person chose; what is missing or null is left to the interface."""

    language: Language | None = None
    keys: dict[Action, str] = Field(default_factory=dict)
    layouts: dict[Modality, Layout] = Field(default_factory=dict)
    windows: dict[Modality, list[Window]] = Field(default_factory=dict)
    opacity: float | None = None
