# SPDX-License-Identifier: Apache-2.0
"""``healthvision analyze`` as a process: its files, its JSON and its exit codes."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pydicom
import pytest

from healthvision.clinical.result import Result, ResultStatus
from healthvision.formats.nifti.export import from_volume
from tests.factories.dicom import ct_series
from tests.journeys.chests import chest, zipped

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]
RESULT, FAILURE, BAD_INPUT, ABSTAINED = 0, 1, 2, 3
WRITTEN = {"result.json", "report.pdf", "report.html", "seg.dcm", "sr.dcm", "pdf.dcm"}


def analyze(*arguments: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
    """Run the command in a folder."""
    command = [sys.executable, "-m", "healthvision", "analyze", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="module")
def nifti(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small chest as a NIfTI file."""
    path = tmp_path_factory.mktemp("chest") / "chest.nii.gz"
    path.write_bytes(from_volume(chest(841).volume))
    return path


class TestAnalyze:
    def test_a_result_is_exit_code_0_with_all_files(self, nifti: Path, tmp_path: Path) -> None:
        done = analyze(str(nifti), "--app", "lung-ct", "--out", "out", cwd=tmp_path)
        assert done.returncode == RESULT, done.stderr
        written = {p.name: p for p in (tmp_path / "out").iterdir()}
        assert set(written) >= WRITTEN
        assert any(name.startswith("key-") and name.endswith(".png") for name in written)
        result = Result.model_validate_json(written["result.json"].read_bytes())
        assert result.findings
        assert "AI result, unverified" in done.stdout
        assert written["report.pdf"].read_bytes().startswith(b"%PDF-")
        uids = {o.sop_instance_uid for o in result.outputs if o.sop_instance_uid}
        for name, modality in (("seg.dcm", "SEG"), ("sr.dcm", "SR"), ("pdf.dcm", "DOC")):
            ds = pydicom.dcmread(written[name])
            assert ds.Modality == modality
            assert ds.StudyInstanceUID == result.study_uid
            assert ds.SOPInstanceUID in uids

    def test_json_on_standard_output_is_the_result_and_nothing_else(
        self, nifti: Path, tmp_path: Path
    ) -> None:
        done = analyze(str(nifti), "--json", "-", cwd=tmp_path)
        assert done.returncode == RESULT, done.stderr
        read: dict[str, Any] = json.loads(done.stdout)
        assert Result.model_validate(read).status is ResultStatus.COMPLETE
        assert list(tmp_path.iterdir()) == []

    def test_an_abstention_is_exit_code_3_with_the_reason(self, tmp_path: Path) -> None:
        files = {f"{n}.dcm": data for n, data in enumerate(ct_series(24, Modality="MR"))}
        (tmp_path / "mr.zip").write_bytes(zipped(files))
        done = analyze("mr.zip", "--json", "-", cwd=tmp_path)
        assert done.returncode == ABSTAINED, done.stderr
        result = Result.model_validate_json(done.stdout)
        assert result.abstained_reason is not None
        assert result.abstained_reason.en
        assert result.abstained_reason.zh
        assert result.findings == ()

    @pytest.mark.parametrize("content", [b"", b"no image at all", b"PK\x03\x04 broken"])
    def test_bad_input_is_exit_code_2_and_names_the_file(
        self, tmp_path: Path, content: bytes
    ) -> None:
        (tmp_path / "thing.dcm").write_bytes(content)
        done = analyze("thing.dcm", cwd=tmp_path)
        assert done.returncode == BAD_INPUT, done.stderr
        assert "thing.dcm" in done.stderr
        assert "Traceback" not in done.stderr

    def test_a_missing_file_is_exit_code_2(self, tmp_path: Path) -> None:
        done = analyze("not-there.zip", cwd=tmp_path)
        assert done.returncode == BAD_INPUT
        assert "not-there.zip" in done.stderr

    def test_an_unknown_application_is_exit_code_2(self, nifti: Path, tmp_path: Path) -> None:
        done = analyze(str(nifti), "--app", "no-such", cwd=tmp_path)
        assert done.returncode == BAD_INPUT, done.stderr
        assert "no-such" in done.stderr

    def test_what_is_not_the_inputs_fault_is_exit_code_1(self, nifti: Path, tmp_path: Path) -> None:
        """The output folder cannot be made: a file has its name."""
        (tmp_path / "taken").write_text("a file")
        done = analyze(str(nifti), "--out", "taken", cwd=tmp_path)
        assert done.returncode == FAILURE, (done.returncode, done.stderr)
        assert "Traceback" not in done.stderr
        assert "taken" in done.stderr
