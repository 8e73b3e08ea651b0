# SPDX-License-Identifier: Apache-2.0
"""Studies, series and instances by their attributes (PS3.4 C.2, PS3.18 10.6)."""
