# SPDX-License-Identifier: Apache-2.0
"""Hostile packages are refused by a stable word, and nothing of them lies outside."""

import io
import zipfile
from pathlib import Path

import pytest

from healthvision.domains.modelhub.errors import PackageRefused
from healthvision.domains.modelhub.unpacking import MAX_FILES, unpack
from tests.domains.modelhub import packages
from tests.domains.modelhub.packages import zipped

LIMIT = 8 << 20


def _unpacked(tmp_path: Path, data: bytes, limit: int = LIMIT) -> Path:
    package, inside = tmp_path / "p.zip", tmp_path / "inside"
    package.write_bytes(data)
    inside.mkdir()
    return unpack(package, inside, limit)


HOSTILE = {
    "climbs": ("path", packages.renamed("aa/model.yaml", "../model.yaml")),
    "climbs within": ("path", packages.renamed("aa/bb/m.yaml", "aa/../m.yaml")),
    "is absolute": ("path", packages.renamed("/tmp/m.yaml".replace("/", "_", 1), "/tmp/m.yaml")),
    "is of Windows": ("path", packages.renamed("c_\\m.yaml".replace("\\", "_"), "c:\\m.yaml")),
    "has a NUL": ("path", packages.renamed("model_yaml", "model\0yaml")),
    "has an empty part": ("path", packages.renamed("aa/b/m.yaml", "aa///m.yaml")),
    "is deep": ("path", zipped({"a/" * 8 + "m": b""})),
    "is a link": ("link", packages.link("model.onnx", "/etc/passwd")),
    "is encrypted": ("encrypted", packages.flagged(1)),
    "is packed oddly": ("compression", zipped({"m": b"x" * 99}, zipfile.ZIP_LZMA)),
    "are two of one name": ("duplicate", zipped({"A.yaml": b"1", "a.yaml": b"2"})),
    "expands far": ("ratio", zipped({"model.onnx": bytes(4 << 20)})),
    "is too large": ("expanded", zipped({"m": b"x" * 100, "n": b"y" * (LIMIT)}, 0)),
    "says more": ("damaged", packages.lying(10_000)),
    "says less": ("damaged", packages.lying(10)),
    "lie upon each other": ("overlap", packages.upon_each_other()),
    "are many": ("files", zipped({str(i): b"" for i in range(MAX_FILES + 1)})),
    "are said to be many": ("files", packages.many_promised(60_000, 100)),
    "has a huge directory": ("files", packages.many_promised(1, 0x7FFFFFFF)),
    "has a huge ZIP64 directory": ("files", packages.zip64(length=1 << 40)),
    "has a decoy of its directory": ("bad-zip", packages.zip64(0, length=1 << 40)),
    "hides it behind a comment": ("files", packages.zip64(count=60_000, comment=65_535)),
    "hides a decoy there": ("bad-zip", packages.zip64(0, length=1 << 40, comment=65_535)),
    "is no zip": ("bad-zip", b"model: yes\n" * 10),
    "is empty": ("bad-zip", b""),
    "is cut": ("bad-zip", zipped({"model.yaml": b"x" * 100})[:-5]),
}


class TestUnpack:
    @pytest.mark.parametrize("what", HOSTILE)
    def test_refuses_what(self, what: str, tmp_path: Path) -> None:
        reason, data = HOSTILE[what]
        with pytest.raises(PackageRefused) as refused:
            _unpacked(tmp_path, data)
        assert refused.value.extra == {"reason": reason}
        assert {p.name for p in tmp_path.iterdir()} == {"p.zip", "inside"}

    def test_a_file_that_is_also_a_folder(self, tmp_path: Path) -> None:
        with pytest.raises(PackageRefused) as refused:
            _unpacked(tmp_path, zipped({"a": b"1", "a/b": b"2"}))
        assert refused.value.extra == {"reason": "duplicate"}

    def test_no_cut_or_changed_byte_gives_anything_else(self, tmp_path: Path) -> None:
        files = {"model.yaml": b"abc" * 50, "model.onnx": bytes(range(256))}
        whole = zipped(files)
        package = tmp_path / "p.zip"
        for at in range(len(whole)):
            inside = tmp_path / str(at)
            inside.mkdir()
            package.write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
            try:
                found = unpack(package, inside, LIMIT)
            except PackageRefused:
                continue
            held = sorted(p.read_bytes() for p in found.rglob("*") if p.is_file())
            assert held == sorted(files.values()), at  # a changed name or date at most

    @pytest.mark.parametrize("comment", [0, 9, 65_535])
    def test_an_honest_zip64_with_a_comment_is_taken(self, comment: int, tmp_path: Path) -> None:
        found = _unpacked(tmp_path, packages.zip64(comment=comment))
        assert (found / "model.yaml").read_bytes() == b"x"

    def test_the_one_folder_at_the_top_is_the_model(self, tmp_path: Path) -> None:
        found = _unpacked(tmp_path, zipped({"mine/model.yaml": b"x", "__MACOSX/mine": b"y"}))
        assert (found.name, [p.name for p in found.iterdir()]) == ("mine", ["model.yaml"])

    def test_a_torchscript_archive_inside_stays_one_file(self, tmp_path: Path) -> None:
        inner = zipped({"code/x.py": b"1"})
        found = _unpacked(tmp_path, zipped({"model.json": b"{}", "model.ts": inner}))
        assert (found / "model.ts").read_bytes() == inner
        assert zipfile.is_zipfile(io.BytesIO(inner))
