# SPDX-License-Identifier: Apache-2.0
"""Settings of the archive."""

from typing import Literal

from pydantic import Field

from healthvision.kernel.settings import RoomSettings


class ArchiveSettings(RoomSettings, room="archive"):
    """Limits and times of what comes in and what goes (prefix ``HV_ARCHIVE_``)."""

    max_image_bytes: int = Field(
        default=500_000_000, gt=0, description="Largest single image file (DICOM, NIfTI, picture)."
    )
    max_study_bytes: int = Field(
        default=8_000_000_000, gt=0, description="Largest zip or other bundle of files."
    )
    zip_expanded_bytes: int = Field(
        default=8_000_000_000, gt=0, description="Largest sum of the files in one zip."
    )
    zip_ratio: int = Field(
        default=100, ge=1, description="Largest expansion of a file in a zip, and of the zip."
    )
    zip_files: int = Field(default=100_000, ge=1, description="Most files in one zip.")
    zip_depth: int = Field(default=1, ge=0, description="How deep zips inside zips are opened.")
    part_bytes: int = Field(
        default=64 * 1024 * 1024, ge=1024, description="Size of one part of an upload."
    )
    upload_expires_s: int = Field(
        default=24 * 3600, ge=1, description="Time to finish an upload; its URLs live as long."
    )
    memory_bytes: int = Field(
        default=16 * 1024 * 1024,
        ge=0,
        description="Objects up to this size are held in memory on their way in.",
    )
    batch_items: int = Field(default=64, ge=1, description="Objects written in one transaction.")
    complete_every_s: float = Field(
        default=1.0, gt=0, description="How often quiet studies are looked for."
    )
    purge_after_s: int = Field(
        default=7 * 24 * 3600, ge=0, description="Time between deletion and purge of a study."
    )
    keep_originals: bool = Field(
        default=True, description="Keep the original NIfTI and picture files of uploads."
    )
    seal_quiet_s: float = Field(
        default=5.0, ge=0, description="A series nobody adds to for this long is sealed."
    )
    seal_inline_bytes: int = Field(
        default=32_000_000, ge=0, description="A closed study up to this size is sealed at once."
    )
    pack_bytes: int = Field(
        default=8_000_000_000, gt=0, description="Larger series are sealed in several objects."
    )
    thumbnail_px: int = Field(default=128, ge=16, le=1024, description="Longest side, in pixels.")
    document_cache_bytes: int = Field(
        default=64_000_000, ge=0, description="Metadata of sealed series held in memory."
    )
    compact_generations: int = Field(
        default=8, ge=1, description="A series in more objects than this is put into one."
    )
    retired_grace_s: int = Field(
        default=900, ge=0, description="Time for readers before a replaced object is deleted."
    )
    scrub_bytes_per_s: int = Field(
        default=20_000_000, ge=0, description="How fast stored bytes are checked; 0: never."
    )
    scrub_after_s: int = Field(
        default=30 * 24 * 3600, ge=0, description="Each object is checked again after this time."
    )
    iocm: Literal["hold", "apply"] = Field(
        default="hold",
        description="What a rejection note (IHE IOCM) of a sender does: 'hold' asks a person, "
        "'apply' takes what it names out of sight at once.",
    )
