# SPDX-License-Identifier: Apache-2.0
"""NIfTI files into DICOM series: right side, right values, bounded input."""

import gzip
import struct
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.formats.dicom.factories import noise, rotation, series_of, shared, volume

from healthvision.clinical.volume import Array, FloatArray, Volume
from healthvision.formats.dicom.header import read_header
from healthvision.formats.dicom.series import assemble
from healthvision.formats.nifti.errors import NiftiRefused
from healthvision.formats.nifti.export import from_volume
from healthvision.formats.nifti.reading import read_nifti
from healthvision.formats.nifti.series import SeriesMeta, to_dicom_series

META = SeriesMeta(patient_id="P1", patient_name="王^小东", modality="CT", study_date="20260304")
NIB: Any = nib


def _nifti(voxels: Array, affine: FloatArray, *, codes: tuple[int, int] = (1, 1)) -> bytes:
    image = NIB.Nifti1Image(voxels, affine, dtype=voxels.dtype)
    image.set_sform(affine, codes[0])
    image.set_qform(affine, codes[1])
    return bytes(image.to_bytes())


def _series(source: bytes | Path, meta: SeriesMeta = META, salt: str = "org") -> list[bytes]:
    return list(to_dicom_series(source, meta, uid_salt=salt))


def _voxels_by_lps(source: Volume) -> dict[tuple[float, ...], int]:
    """Every voxel value keyed by its rounded place in the patient."""
    out = {}
    for index in np.ndindex(source.shape):
        key = tuple(round(v, 2) + 0.0 for v in source.to_lps(index))
        out[key] = int(source.voxels[index])
    return out


class TestToDicomSeries:
    @pytest.mark.parametrize("turned", [None, rotation(0.3, 0.2, -0.4), rotation(-0.2, 0.4, 0.1)])
    def test_the_phantom_is_the_same_through_both_doors(self, turned: FloatArray | None) -> None:
        made = volume(turned=turned)
        through_dicom = assemble(series_of(made)).volume
        through_nifti = assemble(_series(from_volume(made))).volume
        assert through_nifti.voxels.dtype == through_dicom.voxels.dtype == np.int16
        assert np.array_equal(through_nifti.voxels, through_dicom.voxels)
        assert np.allclose(through_nifti.affine, through_dicom.affine, atol=1e-4)

    def test_an_axial_phantom_has_exactly_the_same_geometry(self) -> None:
        made = volume()
        a, b = assemble(series_of(made)).volume, assemble(_series(from_volume(made))).volume
        assert (a.spacing, a.origin) == (b.spacing, b.origin)
        assert np.array_equal(a.direction, b.direction)

    @pytest.mark.parametrize("flips", [(1, 1, 1), (-1, 1, 1), (1, -1, 1), (1, 1, -1), (-1, -1, -1)])
    @pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2), (2, 1, 0), (0, 2, 1)])
    def test_every_voxel_stays_at_its_place_in_the_patient(
        self, flips: tuple[int, int, int], order: tuple[int, int, int]
    ) -> None:
        made = volume(noise((4, 5, 6)), rotation(0.2, -0.3, 0.1))
        ras = np.diag([-1.0, -1.0, 1.0, 1.0]) @ made.affine
        affine = ras[:, [*order, 3]].copy()
        stored = made.voxels.transpose(order)
        for axis, sign in enumerate(flips):
            if sign < 0:
                affine[:, 3] += affine[:, axis] * (stored.shape[axis] - 1)
                affine[:, axis] *= -1
                stored = np.flip(stored, axis)
        back = assemble(_series(_nifti(np.ascontiguousarray(stored), affine))).volume
        assert _voxels_by_lps(back) == _voxels_by_lps(made)

    def test_pictures_are_in_standard_view(self) -> None:
        affine = np.diag([1.0, 1.0, 2.0, 1.0])  # RAS+: i to the right, j to the front
        header = read_header(_series(_nifti(noise((6, 5, 4)), affine))[0])
        assert header.json["00200037"]["Value"] == [1, 0, 0, 0, 1, 0]  # to the left, to the back

    def test_same_content_salt_and_patient_give_the_same_uids(self) -> None:
        data = from_volume(volume())
        plain = gzip.decompress(data)
        assert _series(data) == _series(data) == _series(plain)
        uids = {read_header(_series(data, salt=salt)[0]).study_uid for salt in ("org", "other")}
        other = SeriesMeta(patient_id="P2")
        assert len(uids | {read_header(_series(data, other)[0]).study_uid}) == 3

    def test_keeps_what_the_caller_says(self) -> None:
        meta = SeriesMeta(
            patient_id="P1",
            patient_name="王^小东",
            accession_number="A7",
            priority="STAT",
            study_uid="1.2.3",
            body_part="CHEST",
        )
        header = read_header(_series(from_volume(volume()), meta)[0])
        assert (header.patient_name, header.accession_number) == ("王^小东", "A7")
        assert (header.study_uid, header.requested_procedure_priority) == ("1.2.3", "STAT")
        assert header.sop_class_uid == "1.2.840.10008.5.1.4.1.1.2"

    @pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int32, np.float32, np.float64])
    def test_whole_values_of_any_type_are_exact(self, dtype: Any) -> None:
        values = (noise((5, 6, 7)) % 100).astype(dtype)
        back = assemble(_series(_nifti(values, np.diag([-1.0, -1, 1, 1])))).volume
        assert back.voxels.dtype == np.int16
        assert np.array_equal(back.voxels.transpose(2, 1, 0), values)

    def test_unsigned_16_bit_values_are_exact(self) -> None:
        values = np.arange(120, dtype=np.uint16).reshape(4, 5, 6) * 546
        back = assemble(_series(_nifti(values, np.diag([-1.0, -1, 1, 1])))).volume
        assert np.array_equal(back.voxels.transpose(2, 1, 0), values)

    def test_the_files_own_slope_is_kept(self) -> None:
        values = noise((4, 5, 6))
        raw = bytearray(_nifti(values, np.diag([-1.0, -1, 1, 1])))
        raw[112:120] = struct.pack("<ff", 0.25, -3.5)
        series = _series(bytes(raw))
        assert read_header(series[0]).json["00281053"]["Value"] == [0.25]
        back = assemble(series).volume.voxels.transpose(2, 1, 0)
        assert np.array_equal(back, values * 0.25 - 3.5)

    def test_fractions_are_scaled_within_half_a_step(self) -> None:
        values = np.random.default_rng(0).normal(0, 3, (5, 6, 7)).astype(np.float32)
        values[0, 0, 0] = np.nan
        back = assemble(_series(_nifti(values, np.diag([-1.0, -1, 1, 1])))).volume
        got = back.voxels.transpose(2, 1, 0)
        values[0, 0, 0] = np.nanmin(values)
        assert np.abs(got - values).max() <= (values.max() - values.min()) / 65534

    def test_a_sheared_plane_is_refused(self) -> None:
        affine = np.diag([1.0, 1.0, 1.0, 1.0])
        affine[0, 1] = 0.2
        with pytest.raises(NiftiRefused) as caught:
            _series(_nifti(noise((4, 5, 6)), affine, codes=(1, 0)))
        assert caught.value.reason == "sheared"

    def test_reads_the_real_files(self) -> None:
        paths = sorted(shared("ct/totalsegmentator").rglob("*.nii.gz"))
        assert paths
        seen = 0
        for path in paths[:6]:
            image = NIB.load(path)
            if len(image.shape) != 3:
                continue
            truth = np.asarray(image.dataobj)
            if not np.array_equal(truth, np.rint(truth)) or abs(truth).max() > 32767:
                continue
            back = assemble(_series(path)).volume
            assert back.voxels.size == truth.size
            assert np.array_equal(np.sort(back.voxels, axis=None), np.sort(truth, axis=None))
            lps = np.diag([-1.0, -1, 1, 1]) @ image.affine
            for index in np.random.default_rng(1).integers(0, truth.shape, (50, 3)):
                place = (lps @ [*index, 1.0])[:3]
                z, y, x = (round(v) for v in back.to_index(place))
                assert back.voxels[z, y, x] == truth[tuple(index)]
            seen += 1
        assert seen >= 2


class TestReadNifti:
    def test_prefers_the_sform_and_falls_back_to_the_qform(self) -> None:
        affine = np.diag([2.0, 3.0, 4.0, 1.0])
        shifted = affine.copy()
        shifted[:3, 3] = [5, 6, 7]
        image = NIB.Nifti1Image(noise((3, 4, 5)), affine)
        image.set_sform(shifted, 1)
        image.set_qform(affine, 1)
        assert np.allclose(read_nifti(bytes(image.to_bytes())).affine[:3, 3], [-5, -6, 7])
        image.set_sform(shifted, 0)
        assert np.allclose(read_nifti(bytes(image.to_bytes())).affine[:3, 3], [0, 0, 0])

    def test_the_qform_is_that_of_nibabel(self) -> None:
        turned = np.eye(4)
        turned[:3, :3] = rotation(0.4, -0.5, 2.9) @ np.diag([-1.5, 2.0, 0.7])
        raw = _nifti(noise((3, 4, 5)), turned, codes=(0, 1))
        assert np.allclose(read_nifti(raw).affine, np.diag([-1.0, -1, 1, 1]) @ turned, atol=1e-5)

    def test_refuses_a_file_that_does_not_know_left_from_right(self) -> None:
        with pytest.raises(NiftiRefused) as caught:
            read_nifti(_nifti(noise((3, 4, 5)), np.eye(4), codes=(0, 0)))
        assert caught.value.reason == "no-orientation"

    def test_refuses_forms_that_disagree_on_left_and_right(self) -> None:
        image = NIB.Nifti1Image(noise((3, 4, 5)), np.eye(4))
        image.set_qform(np.eye(4), 1)
        image.set_sform(np.diag([-1.0, 1, 1, 1]), 1)
        with pytest.raises(NiftiRefused) as caught:
            read_nifti(bytes(image.to_bytes()))
        assert caught.value.reason == "contradictory-orientation"

    def test_refuses_four_dimensions(self) -> None:
        with pytest.raises(NiftiRefused) as caught:
            read_nifti(_nifti(np.zeros((3, 4, 5, 2), np.int16), np.eye(4)))
        assert caught.value.reason == "four-dimensional"

    def test_reads_nifti_2_and_big_endian(self) -> None:
        values = noise((3, 4, 5))
        second = NIB.Nifti2Image(values, np.diag([2.0, 2, 2, 1]))
        assert np.array_equal(read_nifti(bytes(second.to_bytes())).stored, values)
        header = NIB.Nifti1Header(endianness=">")
        big = NIB.Nifti1Image(values, np.diag([2.0, 2, 2, 1]), header)
        assert np.array_equal(read_nifti(bytes(big.to_bytes())).stored, values)

    @pytest.mark.parametrize(
        ("where", "value", "reason"),
        [
            (40, struct.pack("<4h", 3, 32767, 32767, 32767), "too-large"),
            (42, struct.pack("<h", -5), "dimensions"),
            (70, struct.pack("<h", 128), "datatype"),
            (70, struct.pack("<h", 9999), "datatype"),
            (108, struct.pack("<f", 1e9), "not-nifti"),
            (108, struct.pack("<f", float("nan")), "not-nifti"),
            (344, b"ni1\0", "pair"),
            (344, b"????", "not-nifti"),
            (280, struct.pack("<f", float("inf")), "affine"),
        ],
    )
    def test_refuses_headers_that_cannot_be(self, where: int, value: bytes, reason: str) -> None:
        raw = bytearray(_nifti(noise((3, 4, 5)), np.eye(4)))
        raw[where : where + len(value)] = value
        with pytest.raises(NiftiRefused) as caught:
            read_nifti(bytes(raw))
        assert caught.value.reason == reason

    def test_refuses_a_gzip_that_holds_less_or_is_damaged(self) -> None:
        data = from_volume(volume())
        with pytest.raises(NiftiRefused):
            read_nifti(data[: len(data) // 2])
        broken = bytearray(data)
        broken[len(broken) // 2] ^= 0xFF
        with pytest.raises(NiftiRefused):
            read_nifti(bytes(broken))

    @settings(max_examples=300, deadline=None)
    @given(st.data())
    def test_any_damage_is_read_or_refused(self, data: st.DataObject) -> None:
        raw = bytearray(_nifti(noise((2, 3, 4)), np.eye(4)))
        for _ in range(data.draw(st.integers(1, 8))):
            raw[data.draw(st.integers(0, 351))] = data.draw(st.integers(0, 255))
        try:
            list(to_dicom_series(bytes(raw), META, uid_salt="s", max_bytes=1 << 20))
        except NiftiRefused as refused:
            assert refused.reason


class TestFromVolume:
    def test_gives_the_same_bytes_and_the_same_volume(self) -> None:
        made = volume(turned=rotation(0.1, 0.2, 0.3))
        assert from_volume(made) == from_volume(made)
        image = NIB.Nifti1Image.from_bytes(gzip.decompress(from_volume(made)))
        assert np.array_equal(np.asarray(image.dataobj).transpose(2, 1, 0), made.voxels)
        place = np.diag([-1.0, -1, 1, 1]) @ image.affine @ [3, 2, 1, 1]
        assert np.allclose(place[:3], made.to_lps((1, 2, 3)), atol=1e-4)

    def test_masks_become_bytes(self) -> None:
        made = volume()
        image = NIB.Nifti1Image.from_bytes(gzip.decompress(from_volume(made.like(made.voxels > 0))))
        assert image.get_data_dtype() == np.uint8
