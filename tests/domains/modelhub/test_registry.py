# SPDX-License-Identifier: Apache-2.0
"""What is installed, and that no manifest claims more than its records."""

import pytest

from healthvision.clinical.result import EvidenceLevel
from healthvision.domains.modelhub.errors import ManifestInvalid
from healthvision.domains.modelhub.service import (
    Installed,
    Registry,
    check_manifest,
    discover,
    level_of_finding,
    supported_level,
)
from tests.support.applications import RECORD, manifest


class TestSupportedLevel:
    def test_follows_the_best_record(self) -> None:
        assert supported_level([]) is EvidenceLevel.E0
        assert supported_level([RECORD]) is EvidenceLevel.E1

    def test_public_cases_need_an_interval(self) -> None:
        bare = RECORD.model_copy(update={"level": EvidenceLevel.E2, "n": 100})
        assert supported_level([bare]) is EvidenceLevel.E0
        bounded = bare.model_copy(update={"low": 0.9, "high": 1.0})
        assert supported_level([bounded]) is EvidenceLevel.E2
        outside = bounded.model_copy(update={"high": 0.95})
        assert supported_level([outside]) is EvidenceLevel.E0


class TestLevelOfFinding:
    def test_a_kind_of_finding_needs_records_of_its_own(self) -> None:
        """What was measured on nodules says nothing of masses."""
        nodules = RECORD.model_copy(update={"findings": ("27925004",)})
        assert level_of_finding([nodules], "27925004") is EvidenceLevel.E1
        assert level_of_finding([nodules], "309529002") is EvidenceLevel.E0
        assert level_of_finding([nodules, RECORD], "309529002") is EvidenceLevel.E1

    def test_lung_ct_has_records_for_what_it_marks(self) -> None:
        lung_ct = next(i for i in discover().newest() if i.manifest.id == "lung-ct")
        records = lung_ct.manifest.evidence
        for code in ("27925004", "427359005", "309529002", "87433001"):
            assert level_of_finding(records, code) is EvidenceLevel.E1, code
        without = [r for r in records if not r.metric.startswith("mass-")]
        assert level_of_finding(without, "309529002") is EvidenceLevel.E0


class TestCheckManifest:
    def test_refuses_a_level_without_records(self) -> None:
        claims = manifest().model_copy(update={"evidence_level": EvidenceLevel.E2})
        with pytest.raises(ManifestInvalid):
            check_manifest(claims)


class TestRegistry:
    def test_keeps_broken_ones_apart(self) -> None:
        wrong = manifest().model_copy(update={"accepts": "Modality = 'CT'"})
        registry = Registry([Installed(wrong, "a:b")])
        assert registry.newest() == []
        assert registry.broken[0].name == "bright"

    def test_versions_sort_by_number(self) -> None:
        found = Registry([Installed(manifest(v), "a:b") for v in ("1.9.0", "1.10.0", "1.2.0")])
        assert found.get("bright").manifest.version == "1.10.0"


class TestDiscover:
    def test_finds_the_installed_applications(self) -> None:
        found = discover()
        assert {a.manifest.id for a in found.newest()} | {b.name for b in found.broken} >= {
            "lung-ct"
        }
