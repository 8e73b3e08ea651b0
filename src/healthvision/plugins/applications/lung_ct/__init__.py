# SPDX-License-Identifier: Apache-2.0
"""The application lung-ct: lungs, emphysema, nodules and masses of a chest CT."""

from healthvision.plugins.applications.lung_ct.application import APPLICATION, LungCt

__all__ = ["APPLICATION", "LungCt"]
