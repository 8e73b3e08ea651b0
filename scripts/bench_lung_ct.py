# SPDX-License-Identifier: Apache-2.0
"""Measure lung-ct on one large phantom in the sandbox: seconds per stage and peak memory.

Run: ``python scripts/bench_lung_ct.py [SLICES] [SIZE] [REPEATS]`` (300 512 2). Writes one JSON line
per repeat; the targets for 512 x 512 x 300 on two cores are 40 s and 3 GB. ``load`` is the
machine's 1-minute load before the run: repeat when other work disturbs.
"""

import json
import os
import sys
import tempfile
import time
from pathlib import Path

from healthvision.clinical.phantoms.chest import ChestConfig, phantom
from healthvision.domains.analysis.inputs import is_input, study_source
from healthvision.domains.analysis.intake import take_in
from healthvision.domains.analysis.runner import run_application
from healthvision.domains.modelhub.service import discover
from healthvision.formats.nifti.export import from_volume
from healthvision.formats.nifti.series import SeriesMeta, to_dicom_series

FIELD_MM = 360.0
HEIGHT_MM = 330.0
SEED = 42


def write_case(folder: Path, slices: int, size: int) -> None:
    """Write a phantom of ``slices`` x ``size`` x ``size`` as DICOM files."""
    pixel = FIELD_MM / size
    config = ChestConfig(
        shape=(slices, size, size), spacing=(HEIGHT_MM / slices, pixel, pixel), nodules=5
    )
    packed = from_volume(phantom(SEED, config).volume)
    meta = SeriesMeta(patient_id="BENCH", modality="CT", body_part="CHEST")
    for number, data in enumerate(to_dicom_series(packed, meta, uid_salt="bench")):
        (folder / f"IM{number:04d}.dcm").write_bytes(data)


def measure(folder: Path) -> dict[str, object]:
    """Run the application once on the files and return what it took."""
    study = study_source([o for o in take_in([folder]).objects if is_input(o.header)])
    load = os.getloadavg()[0]
    begun = time.monotonic()
    outcome = run_application(discover().pick("lung-ct", study.series), study)
    seconds = time.monotonic() - begun
    return {
        "seconds": round(seconds, 1),
        "stages_s": outcome.output.stages_s,
        "peak_memory_mb": outcome.peak_memory_mb,
        "findings": len(outcome.output.findings),
        "abstained": outcome.output.abstained is not None,
        "load": round(load, 1),
        "cores": os.cpu_count(),
    }


def main() -> None:
    """Draw the phantom, write it as DICOM, run the application and say what it took."""
    numbers = [int(a) for a in sys.argv[1:]]
    slices, size, repeats = [*numbers, *(300, 512, 2)[len(numbers) :]]
    with tempfile.TemporaryDirectory() as name:
        write_case(Path(name), slices, size)
        for _ in range(repeats):
            line = {"slices": slices, "size": size, **measure(Path(name))}
            sys.stdout.write(json.dumps(line) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
