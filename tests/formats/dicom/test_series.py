# SPDX-License-Identifier: Apache-2.0
"""The series-to-Volume function on made series of known geometry and on real ones."""

import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import DataElement
from pydicom.config import IGNORE
from tests.formats.dicom.factories import (
    enhanced,
    noise,
    rotation,
    series_of,
    shared,
    slice_of,
    volume,
)

from healthvision.clinical.study import SeriesImage
from healthvision.clinical.volume import Volume
from healthvision.formats.dicom.errors import NotAVolume
from healthvision.formats.dicom.header import read_header
from healthvision.formats.dicom.series import assemble, header_of
from healthvision.formats.dicom.uids import derive_uid
from healthvision.formats.dicom.writer import ds_text, to_part10


def _ids(image: SeriesImage) -> list[str]:
    return [note.id for note in image.notes]


def _same_place(a: Volume, b: Volume, tolerance: float = 1e-6) -> None:
    assert np.allclose(a.spacing, b.spacing, atol=tolerance)
    assert np.allclose(a.origin, b.origin, atol=tolerance)
    assert np.allclose(a.direction, b.direction, atol=tolerance)


def _members(path: Path) -> list[Any]:
    archive = zipfile.ZipFile(path)
    return [lambda n=n: archive.read(n) for n in archive.namelist() if n.endswith(".dcm")]


class TestAssemble:
    @pytest.mark.parametrize(
        "turned", [None, rotation(0.3, 0.2, -0.4), rotation(-1.2, 0.9, 2.2), np.diag([1.0, -1, -1])]
    )
    def test_gives_back_the_volume_it_was_cut_from(self, turned: Any) -> None:
        made = volume(turned=turned)
        image = assemble(reversed(series_of(made)))
        assert image.volume.voxels.dtype == np.int16
        assert np.array_equal(image.volume.voxels, made.voxels)
        _same_place(image.volume, made)
        assert image.notes == ()

    def test_each_slice_names_its_object(self) -> None:
        made = volume()
        image = assemble(series_of(made)[::-1])
        expected = [str(slice_of(made, i).SOPInstanceUID) for i in range(made.shape[0])]
        assert [ref.sop_instance_uid for ref in image.slices] == expected

    def test_takes_paths_functions_and_data_sets(self, tmp_path: Path) -> None:
        files = series_of(volume())
        (tmp_path / "0").write_bytes(files[0])
        ds = slice_of(volume(), 2)
        to_part10(ds)
        image = assemble([tmp_path / "0", lambda: files[1], ds, *files[3:]])
        assert np.array_equal(image.volume.voxels, noise())

    def test_applies_each_slices_own_rescale(self) -> None:
        made = volume()
        files = series_of(made, lambda i: {"RescaleIntercept": str(-1024 + 10 * i)})
        expected = made.voxels + 10 * np.arange(9)[:, None, None]
        assert np.array_equal(assemble(files).volume.voxels, expected)

    def test_turns_to_float_when_values_are_no_int16(self) -> None:
        files = series_of(volume(), lambda i: {"RescaleSlope": "0.5"} if i == 4 else {})
        voxels = assemble(files).volume.voxels
        assert voxels.dtype == np.float32
        assert np.array_equal(voxels[3], noise()[3])
        assert np.array_equal(voxels[4], (noise()[4] + 1024.0) * 0.5 - 1024)

    def test_fills_a_single_missing_slice_and_says_so(self) -> None:
        grown = np.repeat(np.arange(20, dtype=np.int16)[:, None, None] * 10, 16, axis=1)
        made = volume(np.repeat(grown, 20, axis=2))
        files = series_of(made)
        image = assemble(files[:7] + files[8:])
        assert image.volume.shape[0] == 20
        assert _ids(image) == ["gap"]
        assert np.array_equal(image.volume.voxels[7], made.voxels[7])
        assert len(image.slices) == 20

    def test_refuses_a_large_gap(self) -> None:
        files = series_of(volume(noise((20, 16, 20))))
        with pytest.raises(NotAVolume) as caught:
            assemble(files[:6] + files[14:])
        assert caught.value.reason == "gap"
        assert caught.value.text.zh

    def test_drops_copies_and_says_so(self) -> None:
        files = series_of(volume())
        image = assemble([*files, files[3], files[3]])
        assert _ids(image) == ["duplicate"]
        assert image.notes[0].value == 2
        assert np.array_equal(image.volume.voxels, noise())

    def test_refuses_a_time_series(self) -> None:
        first = series_of(volume(), lambda i: {"AcquisitionNumber": 1})
        second = series_of(volume(noise(seed=2)), lambda i: {"AcquisitionNumber": 2})
        with pytest.raises(NotAVolume) as caught:
            assemble([*first, *second])
        assert caught.value.reason == "four-dimensional"

    def test_leaves_a_localizer_out_and_says_so(self) -> None:
        files = series_of(volume())
        turned = volume(turned=rotation(0, 0, np.pi / 2))
        scout = slice_of(turned, 0, SOPInstanceUID="1.2.3", InstanceNumber=0)
        image = assemble([to_part10(scout), *files])
        assert _ids(image) == ["mixed-orientation"]
        assert np.array_equal(image.volume.voxels, noise())

    def test_refuses_two_orientations_of_equal_size(self) -> None:
        files = series_of(volume())
        turned = volume(turned=rotation(0, 0, np.pi / 2))
        other = series_of(turned, lambda i: {"SOPInstanceUID": f"1.2.{i}"})
        with pytest.raises(NotAVolume) as caught:
            assemble([*files, *other])
        assert caught.value.reason == "mixed-orientation"

    def test_corrects_gantry_tilt(self) -> None:
        blob = np.zeros((12, 40, 40), np.int16) - 1000
        blob[:, 18:24, 18:24] = 40
        upright = Volume(blob, (2.0, 1.0, 1.0), (0.0, 0.0, 0.0), volume().direction)
        files = []
        for i in range(12):
            ds = slice_of(upright, i)
            # slice i starts i pixels further back; what it shows moves i pixels to the front
            ds.ImagePositionPatient = ["0", str(float(i)), ds_text(2.0 * i)]
            moved = np.roll(blob[i], -i, axis=0).astype(np.int32) + 1024
            ds.PixelData = moved.astype("<u2").tobytes()
            files.append(to_part10(ds))
        image = assemble(files)
        assert _ids(image) == ["tilt"]
        assert image.notes[0].value == pytest.approx(26.565, abs=0.01)
        assert np.array_equal(image.volume.voxels[:, 18:24, 18:24], blob[:, 18:24, 18:24])
        assert (image.volume.voxels[:, 12:30, 12:30] == 40).sum() == (blob == 40).sum()

    def test_puts_unevenly_spaced_slices_on_an_even_grid(self) -> None:
        ramp = np.zeros((10, 4, 4), np.int16)
        files = []
        for i in range(10):
            z = 3.0 * i + (0.9 if i == 5 else 0.0)
            ramp[i] = round(z * 10)
            base = Volume(ramp, (3.0, 1.0, 1.0), (0.0, 0.0, 0.0), volume().direction)
            files.append(to_part10(slice_of(base, i, ImagePositionPatient=["0", "0", ds_text(z)])))
        image = assemble(files)
        assert _ids(image) == ["uneven"]
        assert image.volume.voxels[5, 0, 0] == 150

    def test_reads_an_enhanced_multi_frame_object(self) -> None:
        made = volume(turned=rotation(0.2, 0.1, 0.3))
        image = assemble([enhanced(made)])
        assert np.array_equal(image.volume.voxels, made.voxels)
        _same_place(image.volume, made)
        assert [ref.frame_number for ref in image.slices] == [9, 8, 7, 6, 5, 4, 3, 2, 1]

    def test_says_that_there_is_only_one_slice(self) -> None:
        assert _ids(assemble(series_of(volume())[:1])) == ["single-slice"]

    def test_takes_a_radiograph_without_position(self) -> None:
        ds = slice_of(volume(), 0, Modality="DX", PhotometricInterpretation="MONOCHROME1")
        for keyword in ("ImagePositionPatient", "ImageOrientationPatient"):
            del ds[keyword]
        ds.RescaleIntercept, ds.BitsStored, ds.HighBit = "0", 12, 11
        image = assemble([to_part10(ds)])
        assert set(_ids(image)) == {"projection", "inverted"}
        assert np.array_equal(image.volume.voxels[0], 4095 - (noise()[0] + 1024))

    def test_refuses_objects_without_pixels_and_of_two_series(self) -> None:
        with pytest.raises(NotAVolume) as caught:
            assemble([])
        assert caught.value.reason == "no-images"
        other = to_part10(slice_of(volume(), 1, SeriesInstanceUID="1.2.3"))
        with pytest.raises(NotAVolume) as mixed:
            assemble([series_of(volume())[0], other])
        assert mixed.value.reason == "mixed-series"

    def test_reads_the_real_chest_ct(self) -> None:
        image = assemble(_members(shared("ct/lung_pet_ct_dx_A0001/dicom.zip")))
        assert image.volume.shape == (64, 512, 512)
        assert image.volume.spacing == (5.0, 0.841796875, 0.841796875)
        assert image.notes == ()
        assert image.header.slice_thickness_mm == 5.0
        assert image.volume.voxels.min() >= -1024 and np.median(image.volume.voxels) < -500

    def test_reads_the_real_oblique_mr(self) -> None:
        image = assemble(_members(shared("mri/studyforrest_t1/dicom.zip")))
        assert image.volume.shape[0] == 192
        assert 0.98 < abs(image.volume.direction[2, 0]) < 0.9999

    def test_refuses_a_real_multi_frame_object_that_lost_its_positions(self) -> None:
        with pytest.raises(NotAVolume) as caught:
            assemble([shared("dicom/pydicom_data/emri_small_RLE.dcm")])
        assert caught.value.reason == "no-geometry"


class TestHeaderOf:
    def test_tells_what_gates_need(self) -> None:
        files = series_of(
            volume(),
            lambda i: {"KVP": "120", "ConvolutionKernel": "B30f", "BodyPartExamined": "CHEST"},
        )
        header = header_of([read_header(f) for f in files])
        assert (header.modality, header.kvp, header.convolution_kernel) == ("CT", 120.0, "B30f")
        assert (header.instance_count, header.body_part) == (9, "CHEST")
        assert header.slice_thickness_mm == 1.25
        assert header.series_uid == derive_uid("series")

    def test_finds_values_of_enhanced_objects(self) -> None:
        header = header_of([read_header(enhanced(volume()))])
        assert header.instance_count == 1
        assert header.extra["NumberOfFrames"] == 9

    def test_refuses_nothing(self) -> None:
        with pytest.raises(ValueError, match="at least one"):
            header_of([])

    def test_needs_no_pixels(self) -> None:
        ds = slice_of(volume(), 0, PixelData=None)
        out = BytesIO(to_part10(ds))
        assert header_of([read_header(out)]).patient_id == "P1"

    @pytest.mark.parametrize(
        ("age", "birth", "years", "doubt"),
        [("5Y", "", 5, ""), ("5Y", "19700615", 5, "disagrees"), ("five", "", None, "unreadable")],
    )
    def test_tells_whether_the_age_is_to_be_relied_on(
        self, age: str, birth: str, years: int | None, doubt: str
    ) -> None:
        ds = slice_of(volume(), 0, PatientBirthDate=birth, PixelData=None)
        ds.add(DataElement("PatientAge", "AS", age, validation_mode=IGNORE))
        found = header_of([read_header(BytesIO(to_part10(ds)))])
        assert (found.patient_age_years, found.age_doubt) == (years, doubt)
