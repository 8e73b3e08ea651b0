# SPDX-License-Identifier: Apache-2.0
"""Write the next migration: python scripts/make_migration.py 0002 "what changes"."""

import subprocess
import sys
import tempfile
from pathlib import Path

from healthvision.app import schema

number, message = sys.argv[1], sys.argv[2]
with tempfile.TemporaryDirectory() as folder:
    schema.write_revision(f"sqlite:///{folder}/m.db", message, number)
versions = Path(schema.__file__).parent / "migrations" / "versions"
ruff = [sys.executable, "-m", "ruff"]
for path in versions.glob(f"{number}_*.py"):
    subprocess.run([*ruff, "check", "--fix", "-q", str(path)], check=False)
    subprocess.run([*ruff, "format", "-q", str(path)], check=True)
