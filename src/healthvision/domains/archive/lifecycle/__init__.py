# SPDX-License-Identifier: Apache-2.0
"""When a study is complete, when it moves, and how it goes."""
