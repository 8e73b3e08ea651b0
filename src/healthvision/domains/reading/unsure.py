# SPDX-License-Identifier: Apache-2.0
"""Answers that say neither yes nor no: shown as unsure, never counted as something found."""

from healthvision.clinical.result import Finding

CODES = frozenset({("99HV", "pneumonia-unsure-child")})


def is_unsure(finding: Finding) -> bool:
    """Whether an application said by it that it does not know."""
    return (finding.code.scheme, finding.code.value) in CODES
