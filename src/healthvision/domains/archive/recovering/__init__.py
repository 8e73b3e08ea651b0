# SPDX-License-Identifier: Apache-2.0
"""After a crash: journals replayed, rows rebuilt from the objects."""
