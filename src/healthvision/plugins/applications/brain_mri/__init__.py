# SPDX-License-Identifier: Apache-2.0
"""The application brain-mri: brain, tissues, ventricles, asymmetry, bright spots of a head MRI."""

from healthvision.plugins.applications.brain_mri.application import APPLICATION, BrainMri

__all__ = ["APPLICATION", "BrainMri"]
