# SPDX-License-Identifier: Apache-2.0
"""``make demo``: the whole way on phantoms or on the user's own files."""
