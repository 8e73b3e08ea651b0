# SPDX-License-Identifier: Apache-2.0
"""The patients room and what it stands on."""

from collections.abc import Sequence

import pytest

from healthvision.domains.audit import module as audit
from healthvision.domains.patients import module as patients
from healthvision.kernel.module import Module


@pytest.fixture
def modules() -> Sequence[Module]:
    """Return the rooms under test."""
    return (audit.MODULE, patients.MODULE)
