# SPDX-License-Identifier: Apache-2.0
"""Work of other systems: work items (UPS), worklists and destinations."""
