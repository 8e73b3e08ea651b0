# SPDX-License-Identifier: Apache-2.0
"""OHIF as a second witness: a viewer that is not ours opens our DICOMweb root."""

import pytest

from tests.web.conftest import Workstation, store
from tests.web.ohif import ohif_before
from tests.web.rods import BLOCKS, SHAPE, SPACING, rod_study
from tests.web.test_viewer import STUDY

pytestmark = [pytest.mark.service, pytest.mark.long, pytest.mark.timeout(900)]


class TestOhif:
    def test_finds_opens_and_shows_a_study_with_its_true_greys_and_segmentation(
        self, workstation: Workstation
    ) -> None:
        key = workstation.people.doctor_key
        store(workstation.url, key, rod_study())
        with ohif_before(workstation.url, key) as (url, asked):
            workstation.browse(
                "ohif",
                HV_E2E_SERVER=url,
                HV_E2E_STUDY=STUDY,
                HV_E2E_SHAPE=",".join(map(str, SHAPE)),
                HV_E2E_SPACING=",".join(map(str, SPACING)),
                HV_E2E_BLOCKS=",".join(map(str, BLOCKS)),
            )
        assert {status for _, status in asked} <= {200, 204}, asked
        paths = [path for path, _ in asked]
        assert any("/metadata" in path for path in paths)
        assert any("/frames/" in path for path in paths)
