# SPDX-License-Identifier: Apache-2.0
"""A small CT and a parametric map over it whose numbers rise along x."""

import io

import numpy as np
from highdicom import VOILUTTransformation
from highdicom.pm import ParametricMap, RealWorldValueMapping
from pydicom import dcmread
from pydicom.sr.codedict import codes

from healthvision.formats.dicom.uids import derive_uid
from tests.support.small_ct import SHAPE, small_ct
from tests.web.patients import as_patient

NAME = "maps"
LEAST, GREATEST = 0.5, 3.6  # mm2/s, from left to right
EMPTY_ROWS = 8  # at the top: no number there


def map_study() -> list[bytes]:
    """Return the slices of a CT and, as the last object, the map over them."""
    files = as_patient(small_ct(NAME), "孟^图", "参数图")
    sources = [dcmread(io.BytesIO(f)) for f in files]
    for ds in sources:
        ds.ReferringPhysicianName = ds.Manufacturer = ds.PositionReferenceIndicator = ""
    numbers = np.broadcast_to(
        np.linspace(LEAST, GREATEST, SHAPE[2], dtype=np.float32), SHAPE
    ).copy()
    numbers[:, :EMPTY_ROWS] = np.nan
    unit = codes.UCUM.SquareMillimeterPerSecond
    mapping = RealWorldValueMapping(
        lut_label="DIFF",
        lut_explanation="Diffusion",
        unit=unit,
        value_range=(LEAST, GREATEST),
        slope=1.0,
        intercept=0.0,
    )
    made = ParametricMap(
        source_images=sources,
        pixel_array=numbers,
        series_instance_uid=derive_uid(NAME, "map", "series"),
        series_number=30,
        sop_instance_uid=derive_uid(NAME, "map"),
        instance_number=1,
        manufacturer="HealthVision",
        manufacturer_model_name="test",
        software_versions="1",
        device_serial_number="1",
        contains_recognizable_visual_features=False,
        real_world_value_mappings=[mapping],
        voi_lut_transformations=[VOILUTTransformation(window_center=2.0, window_width=4.0)],
        content_label="DIFFUSION",
        series_description="Diffusion map",
    )
    out = io.BytesIO()
    made.save_as(out)
    return [*files, out.getvalue()]
