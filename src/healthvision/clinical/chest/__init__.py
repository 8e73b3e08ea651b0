# SPDX-License-Identifier: Apache-2.0
"""Chest CT: lungs, emphysema, nodules and masses, measured with classical methods."""
