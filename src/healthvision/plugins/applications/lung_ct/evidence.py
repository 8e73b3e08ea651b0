# SPDX-License-Identifier: Apache-2.0
"""Measured claims of lung-ct, read from ``evidence.json``; the evaluation script writes it."""

import json
from importlib import resources

from healthvision.clinical.result import EvidenceLevel
from healthvision.domains.modelhub.ports import EvidenceRecord
from healthvision.plugins.applications.lung_ct import words

# What each figure speaks for, by the beginning of its name; figures of the lungs and of emphysema
# are measurements of the study.
_SPEAKS_FOR = {
    "lung-": (words.LUNG_LEFT.value, words.LUNG_RIGHT.value),
    "laa950-": (words.EMPHYSEMA.value,),
    "mass-": (words.MASS.value,),
    "": (words.NODULE.value, words.SOLITARY.value),
}


def _findings(metric: str) -> tuple[str, ...]:
    return next(codes for start, codes in _SPEAKS_FOR.items() if metric.startswith(start))


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
            findings=_findings(f["metric"]),
            command=f"python scripts/evaluate_lung_ct.py {record['count']}",
        )
        for f in record["figures"]
    )


EVIDENCE = read_evidence()
