# SPDX-License-Identifier: Apache-2.0
"""The images: the only way in, where they are, how they are read."""
