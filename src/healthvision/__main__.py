# SPDX-License-Identifier: Apache-2.0
"""``python -m healthvision`` is the command ``healthvision``."""

from healthvision.app.cli import main

main()
