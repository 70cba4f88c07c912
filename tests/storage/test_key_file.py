"""The laws of the key file: one key, made once, whole, private, and never made over another."""

import base64
import stat
from pathlib import Path

import pytest

from meshmesh_storage.errors import KeyUnavailable, UnsafePath
from meshmesh_storage.keys import KeyFile


async def test_a_key_is_made_once_and_read_back(tmp_path: Path) -> None:
    """32 random bytes, base64, one line, 0600, in a 0700 folder."""
    path = tmp_path / "keys" / "vault.key"
    source = KeyFile(path)
    assert await source.load() is None
    key = await source.create()

    assert await source.load() == key
    assert len(key) == 32
    assert path.read_bytes() == base64.b64encode(key) + b"\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


async def test_a_key_is_never_made_over_another(tmp_path: Path) -> None:
    """A second create fails and leaves the first key as it is."""
    source = KeyFile(tmp_path / "vault.key")
    key = await source.create()

    with pytest.raises(FileExistsError):
        await source.create()
    assert await source.load() == key


async def test_two_keys_differ(tmp_path: Path) -> None:
    """Keys are random."""
    assert await KeyFile(tmp_path / "one").create() != await KeyFile(tmp_path / "two").create()


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"not base64!\n", base64.b64encode(b"short"), base64.b64encode(bytes(33)), b"\xff" * 44]
)
async def test_a_file_without_a_key_is_said(content: bytes, tmp_path: Path) -> None:
    """What holds no key of 32 bytes is named, not taken, and its content is not repeated."""
    path = tmp_path / "vault.key"
    path.touch(0o600)
    path.write_bytes(content)

    with pytest.raises(KeyUnavailable) as refused:
        await KeyFile(path).load()
    assert str(path) in str(refused.value)
    assert "short" not in str(refused.value)


@pytest.mark.parametrize(("file", "folder"), [(0o644, 0o700), (0o600, 0o755)])
async def test_an_open_key_file_or_folder_is_refused(file: int, folder: int, tmp_path: Path) -> None:
    """A key that others may read, or replace, is no key."""
    path = tmp_path / "keys" / "vault.key"
    await KeyFile(path).create()
    path.chmod(file)
    path.parent.chmod(folder)

    with pytest.raises(UnsafePath):
        await KeyFile(path).load()
