# SPDX-License-Identifier: Apache-2.0
"""The kernel is tested without any room."""

from collections.abc import Sequence

import pytest

from healthvision.kernel.module import Module


@pytest.fixture
def modules() -> Sequence[Module]:
    """No rooms."""
    return ()
