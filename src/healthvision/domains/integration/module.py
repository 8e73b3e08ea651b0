# SPDX-License-Identifier: Apache-2.0
"""The plug of the integration room."""

from healthvision.domains.integration import service as service  # its tables come with it
from healthvision.kernel.module import Module

MODULE = Module(name="integration")
