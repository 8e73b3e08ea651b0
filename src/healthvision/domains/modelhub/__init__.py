# SPDX-License-Identifier: Apache-2.0
"""AI models and applications: registry, versions, cards, licences."""
