# SPDX-License-Identifier: Apache-2.0
"""The application chest-xray: lung fields, heart and opacities of a frontal chest radiograph."""

from healthvision.plugins.applications.chest_xray.application import APPLICATION, ChestXray

__all__ = ["APPLICATION", "ChestXray"]
