# SPDX-License-Identifier: Apache-2.0
"""The operations, one file per group of the API; each is written once for both clients."""
