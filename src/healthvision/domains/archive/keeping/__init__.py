# SPDX-License-Identifier: Apache-2.0
"""Safe for life: checking, compacting, verifying, exporting, apart from the doors."""
