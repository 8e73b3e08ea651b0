# SPDX-License-Identifier: Apache-2.0
"""What several tests share: databases, a queue that runs in place, services."""
