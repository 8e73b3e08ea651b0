# SPDX-License-Identifier: Apache-2.0
"""The rooms of this installation, lower rooms first."""

from collections.abc import Sequence

from healthvision.kernel.module import Module

MODULES: Sequence[Module] = ()
