# SPDX-License-Identifier: Apache-2.0
"""The spaces room and what it stands on."""

from collections.abc import Sequence

import pytest

from healthvision.domains.audit import module as audit
from healthvision.domains.spaces import module as spaces
from healthvision.kernel.module import Module


@pytest.fixture
def modules() -> Sequence[Module]:
    """Return the rooms under test."""
    return (audit.MODULE, spaces.MODULE)
