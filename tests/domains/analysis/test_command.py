# SPDX-License-Identifier: Apache-2.0
"""Files in, a folder with the result out, without a database."""

import json
import zipfile
from io import BytesIO
from pathlib import Path

import pydicom
import pytest

from healthvision.clinical.result import Result, ResultStatus
from healthvision.domains.analysis.command import FileOptions, analyze_files
from healthvision.domains.analysis.errors import NoImages, SeveralStudies, UnreadableInput
from healthvision.domains.analysis.runner import RunOptions
from healthvision.domains.modelhub.errors import ApplicationNotFound, NoApplicationFits
from healthvision.domains.modelhub.service import Installed, Registry
from healthvision.kernel.sandbox import SandboxFailed
from tests.support.applications import BRIGHT
from tests.support.small_ct import small_ct

REGISTRY = Registry([Installed(BRIGHT.manifest, "tests.support.applications:BRIGHT")])


def _folder(path: Path, *names: str, modality: str = "CT") -> Path:
    path.mkdir(exist_ok=True)
    for name in names:
        for index, data in enumerate(small_ct(name, modality=modality)):
            (path / f"{name}-{index}.dcm").write_bytes(data)
    return path


class TestAnalyzeFiles:
    def test_writes_everything_about_the_result(self, tmp_path: Path) -> None:
        out = tmp_path / "out"
        result = analyze_files([_folder(tmp_path / "in", "one")], "bright", out, registry=REGISTRY)
        assert result.status is ResultStatus.COMPLETE
        assert [round(m.value, 3) for m in result.measurements] == [0.064]
        names = {p.name for p in out.iterdir()}
        assert names >= {"result.json", "report.pdf", "report.html", "seg.dcm", "sr.dcm"}
        assert names >= {"key-1.png", "key-1.dcm", "pdf.dcm"}
        assert Result.model_validate(json.loads((out / "result.json").read_text())) == result
        assert pydicom.dcmread(out / "seg.dcm").Modality == "SEG"
        assert len(result.inputs) == 6

    def test_a_zip_gives_the_same_findings(self, tmp_path: Path) -> None:
        packed = tmp_path / "study.zip"
        with zipfile.ZipFile(packed, "w") as archive:
            for index, data in enumerate(small_ct("one")):
                archive.writestr(f"a/{index}", data)
            archive.writestr("readme.txt", "no image")
        folder = analyze_files([_folder(tmp_path / "in", "one")], registry=REGISTRY)
        zipped = analyze_files([packed], registry=REGISTRY)
        assert zipped.findings == folder.findings
        assert zipped.inputs == folder.inputs

    def test_outputs_coming_back_are_no_inputs(self, tmp_path: Path) -> None:
        folder = _folder(tmp_path / "in", "one")
        first = analyze_files([folder], "bright", tmp_path / "out", registry=REGISTRY)
        ours = sorted((tmp_path / "out").glob("*.dcm"))
        assert len(ours) == 4
        again = analyze_files([folder, *ours], "bright", registry=REGISTRY)
        assert again.inputs == first.inputs

    def test_names_what_is_wrong_with_the_input(self, tmp_path: Path) -> None:
        text = tmp_path / "a.txt"
        text.write_text("no image")
        empty = tmp_path / "empty"
        empty.mkdir()
        with pytest.raises(UnreadableInput, match=r"missing\.dcm"):
            analyze_files([tmp_path / "missing.dcm"], registry=REGISTRY)
        with pytest.raises(UnreadableInput, match=r"a\.txt"):
            analyze_files([text], registry=REGISTRY)
        with pytest.raises(NoImages):
            analyze_files([empty], registry=REGISTRY)

    def test_several_studies_need_a_choice(self, tmp_path: Path) -> None:
        folder = _folder(tmp_path / "in", "one", "two")
        with pytest.raises(SeveralStudies):
            analyze_files([folder], registry=REGISTRY)
        uid = pydicom.dcmread(BytesIO(small_ct("two")[0])).StudyInstanceUID
        chosen = analyze_files([folder], registry=REGISTRY, options=FileOptions(study_uid=uid))
        assert chosen.study_uid == uid

    def test_says_when_no_application_fits(self, tmp_path: Path) -> None:
        folder = _folder(tmp_path / "in", "one", modality="MR")
        with pytest.raises(NoApplicationFits, match="MR"):
            analyze_files([folder], registry=REGISTRY)
        with pytest.raises(ApplicationNotFound):
            analyze_files([folder], "nothing", registry=REGISTRY)

    def test_an_application_that_is_forced_abstains_with_its_reason(self, tmp_path: Path) -> None:
        folder = _folder(tmp_path / "in", "one", modality="MR")
        result = analyze_files([folder], "bright", tmp_path / "out", registry=REGISTRY)
        assert result.status is ResultStatus.ABSTAINED
        assert result.abstained_reason is not None
        assert result.abstained_reason.en == "There is no CT."
        assert (tmp_path / "out" / "sr.dcm").exists()

    def test_a_crash_is_a_clear_failure(self, tmp_path: Path) -> None:
        folder = _folder(tmp_path / "in", "one")
        run = RunOptions(parameters={"behave": "crash"})
        with pytest.raises(SandboxFailed, match="SIGABRT"):
            analyze_files([folder], "bright", registry=REGISTRY, run=run)
