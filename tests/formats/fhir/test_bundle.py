# SPDX-License-Identifier: Apache-2.0
"""The FHIR bundle is read back with fhir.resources R4B: references, values, labels, ids."""

import base64
import json
from typing import Any

import pytest
from fhir.resources.R4B.bundle import Bundle
from tests.factories import results

from healthvision.clinical.result import VerificationState
from healthvision.formats.fhir import FhirInputError, diagnostic_report_bundle

BASE = "https://hospital.example/fhir"
PDF = b"%PDF-1.4 report"
MAKERS = ["lung_ct", "abstained", "with_warnings", "with_forty", "hostile"]


def bundle_of(name: str, *, pdf: bytes | None = None) -> dict[str, Any]:
    made = diagnostic_report_bundle(getattr(results, name)(), pdf=pdf, base_url=BASE)
    parsed: dict[str, Any] = json.loads(json.dumps(made))
    return parsed


def resources(bundle: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    found = [entry["resource"] for entry in bundle["entry"]]
    return [resource for resource in found if resource["resourceType"] == kind]


def references(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["reference"]] if isinstance(value.get("reference"), str) else []
        return own + [ref for part in value.values() for ref in references(part)]
    if isinstance(value, list):
        return [ref for part in value for ref in references(part)]
    return []


def component(observation: dict[str, Any], text: str) -> dict[str, Any]:
    found = [c for c in observation["component"] if text in c["code"]["text"]]
    assert len(found) == 1
    first: dict[str, Any] = found[0]
    return first


class TestDiagnosticReportBundle:
    @pytest.mark.parametrize("name", MAKERS)
    def test_is_valid_r4b_also_after_json(self, name: str) -> None:
        parsed = Bundle.model_validate(bundle_of(name, pdf=PDF))
        assert parsed.type == "collection"

    @pytest.mark.parametrize("name", MAKERS)
    def test_every_reference_points_into_the_bundle(self, name: str) -> None:
        bundle = bundle_of(name)
        urls = [entry["fullUrl"] for entry in bundle["entry"]]
        assert len(urls) == len(set(urls))
        wanted = set(references(bundle))
        assert wanted
        assert {f"{BASE}/{reference}" for reference in wanted} <= set(urls)

    def test_ids_and_bytes_are_the_same_for_the_same_result(self) -> None:
        assert bundle_of("lung_ct", pdf=PDF) == bundle_of("lung_ct", pdf=PDF)

    def test_another_result_of_the_same_patient_shares_patient_and_device_only(self) -> None:
        first, second = bundle_of("lung_ct"), bundle_of("abstained")
        for kind, same in (("Patient", True), ("Device", True), ("DiagnosticReport", False)):
            ids = [resources(bundle, kind)[0]["id"] for bundle in (first, second)]
            assert (ids[0] == ids[1]) is same, kind

    def test_the_report_is_preliminary_and_marked_as_made_by_ai(self) -> None:
        bundle = bundle_of("lung_ct", pdf=PDF)
        report = resources(bundle, "DiagnosticReport")[0]
        assert report["status"] == "preliminary"
        assert report["meta"]["security"][0]["code"] == "AIAST"
        assert "AI result, unverified" in report["conclusion"]
        assert all(o["status"] == "preliminary" for o in resources(bundle, "Observation"))

    def test_a_rejected_result_is_cancelled(self) -> None:
        rejected = results.lung_ct().model_copy(update={"verification": VerificationState.REJECTED})
        bundle: Any = diagnostic_report_bundle(rejected, pdf=None, base_url=BASE)
        assert resources(bundle, "DiagnosticReport")[0]["status"] == "cancelled"

    def test_the_pdf_is_embedded_byte_for_byte_or_absent(self) -> None:
        form = resources(bundle_of("lung_ct", pdf=PDF), "DiagnosticReport")[0]["presentedForm"][0]
        assert base64.b64decode(form["data"]) == PDF
        assert form["size"] == len(PDF)
        assert "presentedForm" not in resources(bundle_of("lung_ct"), "DiagnosticReport")[0]

    def test_a_finding_carries_sizes_categories_confidence_and_evidence(self) -> None:
        finding = resources(bundle_of("lung_ct"), "Observation")[0]
        size = component(finding, "平均直径 / Mean diameter")
        assert size["valueQuantity"] == {
            "value": 8.4,
            "unit": "mm",
            "system": "http://unitsofmeasure.org",
            "code": "mm",
        }
        interval = component(finding, "Mean diameter 95 % interval")["valueRange"]
        assert (interval["low"]["value"], interval["high"]["value"]) == (8.0, 8.8)
        assert component(finding, "lung-rads-v2022")["valueCodeableConcept"]["text"] == "4A"
        assert component(finding, "置信度 / Confidence")["valueQuantity"]["value"] == 0.93
        assert component(finding, "Evidence level")["valueCodeableConcept"]["text"] == "E1"
        assert finding["identifier"][0]["value"].startswith("urn:oid:1.2.826")

    def test_a_missing_confidence_is_absent_with_its_reason(self) -> None:
        part = component(resources(bundle_of("with_warnings"), "Observation")[0], "置信度")
        assert "valueQuantity" not in part
        assert "not calibrated" in part["dataAbsentReason"]["text"]

    def test_negatives_say_absent_with_the_detection_limit(self) -> None:
        negative = resources(bundle_of("lung_ct"), "Observation")[-1]
        assert negative["valueCodeableConcept"]["coding"][0]["code"] == "2667000"
        assert "0.93" in negative["note"][0]["text"]

    def test_an_abstention_has_no_observations_and_says_why(self) -> None:
        bundle = bundle_of("abstained")
        assert resources(bundle, "Observation") == []
        conclusion = resources(bundle, "DiagnosticReport")[0]["conclusion"]
        assert "Slices of 7.5 mm" in conclusion
        assert "[failed] slice-thickness" in conclusion

    def test_provenance_names_device_and_inputs(self) -> None:
        bundle = bundle_of("lung_ct")
        provenance = resources(bundle, "Provenance")[0]
        device = resources(bundle, "Device")[0]
        assert provenance["agent"][0]["who"]["reference"] == f"Device/{device['id']}"
        assert len(provenance["entity"][1]["what"]["identifier"]["value"]) == 64
        assert len(provenance["target"]) == 1 + len(resources(bundle, "Observation"))

    def test_the_patient_has_no_name(self) -> None:
        patient = resources(bundle_of("lung_ct"), "Patient")[0]
        assert "name" not in patient
        assert (patient["gender"], patient["identifier"][0]["value"]) == ("male", "P-100234")

    def test_the_versions_of_fhir_are_said(self) -> None:
        assert [t["code"] for t in bundle_of("lung_ct")["meta"]["tag"]] == ["4.3.0", "4.0.1"]

    @pytest.mark.parametrize("bad", ["", "ftp://x/fhir", "/fhir", "https://h/fhir?x=1"])
    def test_a_base_url_that_is_none_is_refused(self, bad: str) -> None:
        with pytest.raises(FhirInputError, match="base_url"):
            diagnostic_report_bundle(results.lung_ct(), pdf=None, base_url=bad)

    def test_an_impossible_study_date_is_left_out(self) -> None:
        odd = results.lung_ct().model_copy(update={"study_date": "20261332"})
        bundle: Any = diagnostic_report_bundle(odd, pdf=None, base_url=BASE)
        assert "effectiveDateTime" not in resources(bundle, "DiagnosticReport")[0]

    def test_times_without_zone_are_refused(self) -> None:
        base = results.lung_ct()
        naive = base.timings.finished_at.replace(tzinfo=None)
        odd = base.model_copy(
            update={"timings": base.timings.model_copy(update={"finished_at": naive})}
        )
        with pytest.raises(FhirInputError, match="zone"):
            diagnostic_report_bundle(odd, pdf=None, base_url=BASE)
