# SPDX-License-Identifier: Apache-2.0
"""Write the next migration: python scripts/make_migration.py 0002 "what changes"."""

import sys
import tempfile

from healthvision.app import schema

number, message = sys.argv[1], sys.argv[2]
with tempfile.TemporaryDirectory() as folder:
    schema.write_revision(f"sqlite:///{folder}/m.db", message, number)
