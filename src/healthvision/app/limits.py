# SPDX-License-Identifier: Apache-2.0
"""The published limits in one list, each from the settings of the room that keeps it."""

from healthvision.domains.analysis.settings import AnalysisSettings
from healthvision.domains.archive.settings import ArchiveSettings
from healthvision.kernel import ratelimit
from healthvision.kernel.http import MAX_JSON_BYTES
from healthvision.kernel.schemas import Read


class LimitRead(Read):
    """One limit: what, how much, in which unit (UCUM where it has one)."""

    name: str
    value: float
    unit: str
    note: str


def _limit(name: str, value: float, unit: str, note: str) -> LimitRead:
    return LimitRead(name=name, value=value, unit=unit, note=note)


def published_limits(*, redis: bool) -> list[LimitRead]:
    """Return the limits a caller is likely to run into."""
    archive, analysis = ArchiveSettings(), AnalysisSettings()
    rows = [
        _limit("json_body", MAX_JSON_BYTES, "By", "one JSON request body"),
        _limit("image_file", archive.max_image_bytes, "By", "one image file"),
        _limit("study_upload", archive.max_study_bytes, "By", "one study or zip"),
        _limit("zip_expanded", archive.zip_expanded_bytes, "By", "a zip when unpacked"),
        _limit("zip_ratio", archive.zip_ratio, "1", "unpacked size to packed size"),
        _limit("zip_files", archive.zip_files, "1", "files in one zip"),
        _limit("upload_life", archive.upload_expires_s, "s", "an upload that is not completed"),
        _limit("open_tasks", analysis.max_open_tasks, "1", "tasks of an organisation at once"),
        _limit("batch", analysis.batch_limit, "1", "studies of one batch"),
        _limit("stat", analysis.stat_seconds, "s", "last instance to result, STAT"),
        _limit("urgent", analysis.urgent_seconds, "s", "last instance to result, urgent"),
        _limit("routine", analysis.routine_seconds, "s", "last instance to result, routine"),
    ]
    for found in ratelimit.published_limits(redis=redis):
        note = f"{found.description}; counted per {found.counted}"
        name = f"rate.{found.tier}.{found.budget}"
        rows.append(_limit(name, found.limit, "1/min", note))
    return rows
