# SPDX-License-Identifier: Apache-2.0
"""``python -m healthvision`` is the command ``healthvision``."""

from healthvision.app.start import main

main()
