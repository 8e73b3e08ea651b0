# SPDX-License-Identifier: Apache-2.0
"""UIDs that follow from what they name, so that a second run writes the same ones."""

from uuid import UUID, uuid5

_ROOT = UUID("6f0f2f0a-3d0c-5b7e-9c46-1f0f6c7a2d11")


def derive_uid(*parts: str) -> str:
    """Return '2.25.<integer of a version 5 UUID>' of the parts (PS3.5 B.2); same parts, same UID.

    E.g. ``derive_uid(task_id, "seg")``.
    """
    return f"2.25.{uuid5(_ROOT, chr(31).join(parts)).int}"
