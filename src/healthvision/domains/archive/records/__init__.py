# SPDX-License-Identifier: Apache-2.0
"""The rows of the archive: what is in them, and the statements that read and write them."""
