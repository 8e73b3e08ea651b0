# SPDX-License-Identifier: Apache-2.0
"""A CT whose first image is known by its greys: rescaled values, a window, oblong pixels.

Stored last to first, so that the order of arrival does not tell which is first.
"""

import io

import numpy as np
from pydicom import dcmread

from healthvision.formats.dicom.uids import derive_uid
from tests.support.small_ct import small_ct
from tests.web.patients import as_patient

NAME = "ahead"
SLICES, ROWS, COLUMNS = 5, 60, 96
ROW_MM, COLUMN_MM = 0.8, 0.5
SLOPE, INTERCEPT = 2.0, -1024.0
CENTRE, WIDTH = 50.0, 351.0  # LINEAR: 50 - 0.5 - 175 is black, 50 - 0.5 + 175 is white
GROUND = -120.0  # inside the window: between it and a block greys rise in one line
BLOCKS = (-100.0, -20.0, 60.0, 140.0, 200.0)  # values of the first image, 12 columns each
FIRST = derive_uid("small", NAME, "CT", "0")  # the SOP instance


def ahead_study() -> list[bytes]:
    """Return the slices, the first in the patient last; each later one without blocks."""
    files = as_patient(small_ct(NAME, slices=SLICES), "钱^先", "先行图像")
    out = []
    for index, data in enumerate(files):
        ds = dcmread(io.BytesIO(data))
        ds.InstanceNumber = index + 1
        ds.ImagePositionPatient = [0.0, 0.0, -3.0 * ds.InstanceNumber]
        ds.SeriesDescription = NAME
        ds.PixelSpacing = [ROW_MM, COLUMN_MM]
        ds.RescaleSlope, ds.RescaleIntercept = str(SLOPE), str(INTERCEPT)
        ds.WindowCenter, ds.WindowWidth = str(CENTRE), str(WIDTH)
        values = np.full((ROWS, COLUMNS), GROUND)
        if ds.InstanceNumber == 1:
            for number, value in enumerate(BLOCKS):
                values[20:40, 6 + 18 * number : 18 + 18 * number] = value
        ds.Rows, ds.Columns = values.shape
        ds.PixelData = ((values - INTERCEPT) / SLOPE).astype("<u2").tobytes()
        buffer = io.BytesIO()
        ds.save_as(buffer)
        out.append(buffer.getvalue())
    return out[::-1]
