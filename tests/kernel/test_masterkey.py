# SPDX-License-Identifier: Apache-2.0
"""The master key file: made once, private, outside the data."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from healthvision.kernel.masterkey import BadMasterKey, MasterKey


class TestLoadOrCreate:
    def test_makes_a_private_file_and_reads_it_again(self, tmp_path: Path) -> None:
        path = tmp_path / "keys" / "master.key"
        made = MasterKey.load_or_create(path)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert MasterKey.load_or_create(path).derive(b"a") == made.derive(b"a")

    def test_many_starters_agree_on_one_key(self, tmp_path: Path) -> None:
        path = tmp_path / "master.key"
        with ThreadPoolExecutor(8) as pool:
            keys = list(pool.map(lambda _: MasterKey.load_or_create(path).derive(b"x"), range(8)))
        assert len(set(keys)) == 1
        assert [p.name for p in tmp_path.iterdir()] == ["master.key"]

    def test_a_file_others_can_read_is_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "master.key"
        MasterKey.load_or_create(path)
        path.chmod(0o640)
        with pytest.raises(BadMasterKey, match="chmod 600"):
            MasterKey.load_or_create(path)

    def test_a_place_inside_the_data_folder_is_refused(self, tmp_path: Path) -> None:
        inside = tmp_path / "data" / ".." / "data" / "master.key"
        with pytest.raises(BadMasterKey, match="HV_MASTER_KEY_FILE"):
            MasterKey.load_or_create(inside, data_dir=tmp_path / "data")
        assert not inside.exists()

    @pytest.mark.parametrize("content", ["", "not hex", "abcd", "é" * 64])
    def test_a_file_without_a_key_is_refused(self, tmp_path: Path, content: str) -> None:
        path = tmp_path / "master.key"
        path.write_text(content, encoding="utf-8")
        path.chmod(0o600)
        with pytest.raises(BadMasterKey):
            MasterKey.load_or_create(path)


class TestDerive:
    def test_labels_give_different_keys_of_32_bytes(self) -> None:
        key = MasterKey(bytes(range(32)))
        assert len(key.derive(b"a")) == 32
        assert key.derive(b"a") != key.derive(b"b")

    def test_the_text_of_the_object_holds_no_secret(self) -> None:
        assert repr(MasterKey(b"\x41" * 32)) == "MasterKey(...)"
