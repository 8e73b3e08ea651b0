# SPDX-License-Identifier: Apache-2.0
"""Write the next migration: python scripts/make_migration.py 0002 "what changes"."""

import sys
import tempfile

from alembic import command

from healthvision.app import schema

number, message = sys.argv[1], sys.argv[2]
with tempfile.TemporaryDirectory() as folder:
    url = f"sqlite:///{folder}/m.db"
    with schema._one_at_a_time(url) as connection:
        command.upgrade(schema._config(connection), "head")
    schema.write_revision(url, message, number)
