# SPDX-License-Identifier: Apache-2.0
"""Measured claims of lung-ct, read from ``evidence.json``; the evaluation script writes it."""

import json
from importlib import resources

from healthvision.clinical.result import EvidenceLevel
from healthvision.domains.modelhub.ports import EvidenceRecord


def read_evidence() -> tuple[EvidenceRecord, ...]:
    """Return the records of the package's evidence file."""
    file = resources.files("healthvision.plugins.applications.lung_ct").joinpath("evidence.json")
    record = json.loads(file.read_text(encoding="utf-8"))
    return tuple(
        EvidenceRecord(
            metric=f["metric"],
            value=round(f["value"], 4),
            low=round(f["low"], 4),
            high=round(f["high"], 4),
            n=f["n"],
            data=record["data"],
            level=EvidenceLevel.E1,
            command=f"python scripts/evaluate_lung_ct.py {record['count']}",
        )
        for f in record["figures"]
    )


EVIDENCE = read_evidence()
