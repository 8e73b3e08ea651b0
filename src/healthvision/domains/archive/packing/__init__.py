# SPDX-License-Identifier: Apache-2.0
"""Series objects: sealing what came in, and the way to bytes inside of them."""
