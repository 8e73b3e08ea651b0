# SPDX-License-Identifier: Apache-2.0
"""Brain MRI by classical means: extraction, tissues, ventricles, asymmetry, bright spots."""
