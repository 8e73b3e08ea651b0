# SPDX-License-Identifier: Apache-2.0
"""The storage room alone."""

from collections.abc import Sequence

import pytest

from healthvision.domains.storage.module import MODULE
from healthvision.kernel.module import Module


@pytest.fixture
def modules() -> Sequence[Module]:
    """Return the room under test."""
    return (MODULE,)
