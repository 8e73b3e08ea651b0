# SPDX-License-Identifier: Apache-2.0
"""Measured claims of lung-ct; ``scripts/evaluate_lung_ct.py`` repeats them."""

from healthvision.domains.modelhub.ports import EvidenceRecord

EVIDENCE: tuple[EvidenceRecord, ...] = ()
