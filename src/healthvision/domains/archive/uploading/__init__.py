# SPDX-License-Identifier: Apache-2.0
"""Files of all kinds by presigned upload, and what is kept in quarantine."""
