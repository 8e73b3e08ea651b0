# SPDX-License-Identifier: Apache-2.0
"""Files made to hurt, sent to a running platform: it answers, stays small and stays alive.

D1-D8 of the threat list are generated, the shared corpus of known attacks on readers is added
where it is there; real files must come back byte for byte, with the pixels their manifest names.
"""

import asyncio
import csv
import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx
import pytest

from healthvision.app import schema
from healthvision.kernel.settings import CoreSettings
from tests.factories.dicom import ct_bytes
from tests.factories.hostile import generated, zip_corpus
from tests.journeys.world import environment, make_people
from tests.support.platform import Process, platform
from tests.support.services import shared

ROOT = "/dicomweb/default"
TAILS = ("", "/metadata", "/frames/1", "/rendered", "/thumbnail", "/bulkdata/7FE00010")
PATIENCE_S = 60.0  # ten seconds on a quiet machine; more is a hang
MOST_BYTES = 512 << 20  # above what the process held before
CONFLICT, DUPLICATE_INSTANCE = 0, 0x0111
ANSWERS = {CONFLICT, 200, 202, 400, 409, 413, 415}
READS = {200, 400, 404, 406, 409, 413, 415, 422}
EXPLICIT = {"Accept": "application/dicom; transfer-syntax=1.2.840.10008.1.2.1"}
AS_STORED = {"Accept": "application/dicom; transfer-syntax=*"}


class Door:
    """The platform's DICOMweb root, and the process behind it."""

    def __init__(self, client: httpx.Client, process: Process) -> None:
        self.client = client
        self.process = process
        self.why = ""  # the reason of the last refusal

    def send(self, data: bytes) -> tuple[int, str]:
        """Store one object; returns the status and the path of the stored instance or ''.

        The status is CONFLICT when another object with its UID is shown (both are kept).
        """
        kind = {"Content-Type": "application/dicom"}
        answer = self.client.post(f"{ROOT}/studies", content=data, headers=kind)
        stored = answer.json().get("00081199", {}).get("Value", []) if answer.content else []
        url = stored[0]["00081190"]["Value"][0] if stored else ""
        told = answer.json() if answer.content else {}
        failed = [f for tag in ("00081198", "0008119A") for f in told.get(tag, {}).get("Value", ())]
        self.why = str(failed[0].get("00741048", "")) if failed else ""
        if failed and failed[0]["00081197"]["Value"] == [DUPLICATE_INSTANCE]:
            return CONFLICT, ""
        return answer.status_code, httpx.URL(url).path if url else ""

    def peak(self) -> int:
        """Return the most bytes the process ever held resident (VmHWM)."""
        assert self.process.popen is not None
        told = Path(f"/proc/{self.process.popen.pid}/status").read_text()
        return int(told.split("VmHWM:")[1].split()[0]) << 10

    def alive(self) -> bool:
        """Tell whether the process that was started still runs."""
        assert self.process.popen is not None
        return self.process.popen.poll() is None

    def quarantined(self) -> set[str]:
        """Return the SHA-256 of all that the administrator sees in quarantine."""
        found: set[str] = set()
        cursor = None
        while True:
            told = {"limit": 200, **({"cursor": cursor} if cursor else {})}
            page = self.client.get("/v1/quarantine", params=told).json()
            found |= {item["sha256"] for item in page["items"]}
            cursor = page.get("next_cursor")
            if not cursor:
                return found


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    with platform(tmp_path_factory.mktemp("hostile")) as running:
        with environment(running.environment):
            schema.upgrade(CoreSettings().resolved_database_url())
            admin = asyncio.run(make_people("hostile", []))["admin"]
        process = running.add("all")
        process.wait_ready()
        address = f"http://127.0.0.1:{process.port}"
        with httpx.Client(base_url=address, headers=admin.headers, timeout=PATIENCE_S) as client:
            yield Door(client, process)


def _endured(door: Door, cases: Mapping[str, bytes]) -> dict[str, int]:
    """Send all cases, read back what was taken; returns name -> status of the store."""
    before = door.peak()
    told: dict[str, int] = {}
    wrong: list[tuple[str, str, int]] = []
    for name, data in cases.items():
        told[name], url = door.send(data)
        if told[name] not in ANSWERS:
            wrong.append((name, "store", told[name]))
        for tail in TAILS if url else ():
            status = door.client.get(url + tail).status_code
            if status not in READS:
                wrong.append((name, tail, status))
    assert wrong == []
    assert door.alive()
    assert door.peak() - before < MOST_BYTES
    held = door.quarantined()
    lost = {n for n, status in told.items() if status not in (CONFLICT, 200, 202) and cases[n]}
    lost = {n for n in lost if hashlib.sha256(cases[n]).hexdigest() not in held}
    assert lost == set()
    good, url = door.send(ct_bytes())
    assert good == 200 and door.client.get(url + "/rendered").status_code == 200
    return told


@pytest.mark.long
class TestGenerated:
    def test_each_is_answered_kept_apart_and_survived(self, door: Door) -> None:
        """D1-D8: bombs, lies and deep nests are refused, harmless oddities are stored."""
        told = _endured(door, generated())
        refused = {name for name, status in told.items() if status != 200}
        must = ("d1-deflate-bomb", "d2-pixel", "d3-nested-200", "d3-nested-2", "d3-nested-1", "d8-")
        for name in told:
            if name.startswith(must) or name in ("empty", "zeros", "cut-in-meta"):
                assert name in refused, name
        assert told["d3-nested-31"] == 200
        assert {told[f"d7-{k}"] for k in ("exe", "elf", "html", "tiff")} <= {200}

    def test_a_program_in_the_preamble_does_not_come_back(self, door: Door) -> None:
        """D7: what a browser or shell could run is not served; a TIFF preamble may stay."""
        data = b"<html><script>alert(1)</script>".ljust(128) + ct_bytes()[128:]
        _, url = door.send(data)
        answer = door.client.get(url, headers=AS_STORED)
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-type"].startswith("application/dicom")


@pytest.mark.long
def test_the_corpus_of_known_attacks_is_survived(door: Door) -> None:
    """Some 400 cases of 26 CVEs in other products."""
    packed = shared("dicom", "hostile", "corpus_v3_two_thirds.zip")
    told = _endured(door, zip_corpus(packed.read_bytes()))
    assert len(told) > 400


# Files that pydicom opens and that we do not store: the reason in our answer, by file.
REFUSED = {
    "uid-missing": (
        "charset/chrSQEncoding.dcm",
        "charset/chrSQEncoding1.dcm",
        "charset/fodicom_chrSQEncoding.dcm",
        "charset/fodicom_chrSQEncoding1.dcm",
        "fodicom_odd/GH220.dcm",
        "fodicom_odd/multiframe.dcm",
        "pydicom_data/HTJ2K_08_RGB.dcm",
        "pydicom_data/JLSL_08_07_0_1F.dcm",
        "pydicom_data/JLSL_16_15_1_1F.dcm",
        "pydicom_test_files/JPEGLSNearLossless_08.dcm",
        "pydicom_test_files/JPEGLSNearLossless_16.dcm",
        "pydicom_test_files/SC_rgb_jls_lossy_line.dcm",
        "pydicom_test_files/SC_rgb_jls_lossy_sample.dcm",
        "pydicom_test_files/UN_sequence.dcm",
        "pydicom_test_files/empty_charset_LEI.dcm",
        "pydicom_test_files/nested_priv_SQ.dcm",
        "pydicom_test_files/no_meta_group_length.dcm",
        "pydicom_test_files/priv_SQ.dcm",
    ),
    "uid-syntax": ("pydicom_data/bad_sequence.dcm",),
    "meta": ("pydicom_test_files/meta_missing_tsyntax.dcm",),
    "pixel-size": ("fodicom_odd/GH1146.dcm", "pydicom_test_files/badVR.dcm"),
    "vr": ("fodicom_odd/GH179A.dcm", "fodicom_odd/GH179B.dcm"),
    "structure": ("fodicom_odd/GH364.dcm", "fodicom_odd/GH626.dcm"),
    "element-length": (
        "pydicom_data/emri_small_jpeg_2k_lossless_too_short.dcm",
        "pydicom_test_files/MR_truncated.dcm",
        "pydicom_test_files/rtplan_truncated.dcm",
        "pydicom_test_files/dicomdirtests/DICOMDIR-nooffset",
    ),
}
WHY = {name: reason for reason, names in REFUSED.items() for name in names}
NO_PICTURE = {"pydicom_test_files/SC_rgb_jpeg.dcm"}  # implicit VR under the name of a JPEG syntax


@pytest.mark.long
def test_readable_files_come_back_as_the_manifest_says(door: Door) -> None:
    """Every readable file: stored, byte for byte, rendered when it has a picture."""
    folder = shared("dicom")
    with (folder / "MANIFEST.csv").open(encoding="utf-8") as file:
        rows = [r for r in csv.DictReader(file) if r["status"] == "ok"]
    wrong: list[tuple[str, str]] = []
    seen = conflicts = 0
    for row in rows:
        path = folder / row["file"]
        if not path.exists():
            continue
        data = path.read_bytes()
        status, url = door.send(data)
        if status == CONFLICT:
            conflicts += 1
        elif "DICOMDIR" in row["file"] and "dicomdir" in door.why:
            continue
        elif not url and WHY.get(row["file"], "?") + ":" not in door.why:
            wrong.append((row["file"], f"store {status}: {door.why}"))
        if not url:
            continue
        seen += 1
        back = door.client.get(url, headers=AS_STORED)
        if back.content != data:
            wrong.append((row["file"], f"bytes {back.status_code}: {back.content[:200]!r}"))
        rendered = door.client.get(url + "/rendered").status_code
        pictured = row["pixels"].startswith("ok") and row["file"] not in NO_PICTURE
        if rendered != 200 and pictured:
            wrong.append((row["file"], f"rendered {rendered}: {row['pixels']}"))
    assert wrong == [], "\n".join(f"{name}: {what}" for name, what in wrong)
    assert seen > 200 and seen + conflicts > 300
