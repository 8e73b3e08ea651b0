# SPDX-License-Identifier: Apache-2.0
"""Small chest phantoms with nodules that can be found, as files, and what was found in them."""

import io
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

from healthvision.client import ApiKey, Client
from healthvision.client.models import Result, Task, UploadMeta
from healthvision.clinical.phantoms.chest import SMALL, ChestConfig, ChestPhantom, phantom
from healthvision.formats.nifti.export import from_volume
from healthvision.formats.nifti.series import SeriesMeta, to_dicom_series
from tests.journeys.world import Person, World

LARGE_NODULES: ChestConfig = replace(
    SMALL,
    noise_sd=12.0,
    wishes=(("solid", "isolated", 14.0), ("solid", "isolated", 18.0), ("solid", "pleural", 16.0)),
)


def chest(seed: int) -> ChestPhantom:
    """Return a small chest with three nodules of 14 to 18 mm."""
    return phantom(seed, LARGE_NODULES)


def slices(packed: bytes, patient_id: str, **more: str) -> list[bytes]:
    """Return a NIfTI file as DICOM slices of a patient."""
    meta = SeriesMeta(patient_id=patient_id, modality="CT", body_part="CHEST", **more)  # type: ignore[arg-type]
    return list(to_dicom_series(packed, meta, uid_salt="chests"))


def chest_slices(seed: int, patient_id: str, **more: str) -> list[bytes]:
    """Return the DICOM slices of a small chest."""
    return slices(from_volume(chest(seed).volume), patient_id, **more)


def write_zip(target: Path, files: Sequence[bytes]) -> Path:
    """Write files into a zip."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for number, data in enumerate(files):
            archive.writestr(f"series/IM{number:04d}", data)
    return target


def opened(world: World, who: Person | None = None) -> Client:
    """Return a client of the platform, signed in as the administrator."""
    return Client(world.url, ApiKey((who or world.admin).key), timeout_s=60)


def uploaded(client: Client, path: Path, meta: dict[str, Any] | None = None) -> list[UUID]:
    """Upload a file and return the studies it became; AssertionError when anything failed."""
    done = client.upload(path, meta=UploadMeta.model_validate(meta or {}))
    assert done.failed == 0, done
    assert done.studies, done
    return done.studies


def stored(client: Client, objects: Sequence[bytes]) -> UUID:
    """Send objects by STOW-RS and return their study."""
    answer = client.stow(list(objects))
    assert answer.refused == []
    study = client.find_study(answer.stored[0].url.split("/studies/")[1].split("/")[0])
    assert study is not None
    return study.id


def task_of(world: World, client: Client, study: UUID, *, count: int = 1) -> Task:
    """Wait for the study's ``count``-th task to end well and return the newest."""

    def ended() -> Task | None:
        tasks = client.tasks(study_id=study).items
        done = len(tasks) >= count and all(t.finished for t in tasks)
        return tasks[0] if done else None

    task: Task = world.wait(f"task {count} of study {study}", ended, 180)
    assert task.state == "done", task
    return task


def analysed(world: World, client: Client, study: UUID) -> Result:
    """Close a study, wait for the rule's task and return its result."""
    client.close_study(study)
    task = task_of(world, client, study)
    assert task.result_id is not None
    return client.result(task.result_id)


def zipped(files: dict[str, bytes]) -> bytes:
    """Return a zip of named files."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()
