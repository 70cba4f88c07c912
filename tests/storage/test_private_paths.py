"""The laws of private files: what others could read or replace is refused, with the command that mends it."""

import os
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from meshmesh_storage.errors import UnsafePath
from meshmesh_storage.paths import create_private_file, private_file, private_folder, read_private_file

STRANGER = 4242
Spoil = Callable[[Path], None]


def link(path: Path) -> None:
    """Leave a link to the real thing."""
    path.rename(path.with_name("real"))
    path.symlink_to(path.with_name("real"))


def give_away(path: Path) -> None:
    """Another owner; only root can make the scene."""
    if os.geteuid() != 0:
        pytest.skip("only root can give a file away")
    os.chown(path, STRANGER, -1)


def dangling(path: Path) -> None:
    """A link that leads nowhere."""
    path.rename(path.with_name("real"))
    path.symlink_to(path.with_name("nowhere"))


SPOILS: list[tuple[Spoil, str]] = [
    (link, "rm "),
    (dangling, "rm "),
    (give_away, f"sudo chown {os.geteuid()} "),
    (lambda path: path.chmod(0o640 if path.is_file() else 0o750), "chmod "),
    (lambda path: path.chmod(0o604 if path.is_file() else 0o701), "chmod "),
]


@pytest.mark.parametrize(("spoil", "command"), SPOILS)
@pytest.mark.parametrize("check", [private_file, read_private_file])
def test_an_unsafe_file_is_refused(spoil: Spoil, command: str, check: Callable[[Path], object], tmp_path: Path) -> None:
    """A link, another owner or any right of others is refused, naming the path and the mending command."""
    path = tmp_path / "file"
    create_private_file(path, b"content")
    check(path)
    spoil(path)

    with pytest.raises(UnsafePath) as refused:
        check(path)
    assert str(path) in str(refused.value)
    assert command in refused.value.next_step


@pytest.mark.parametrize(("spoil", "command"), SPOILS)
def test_an_unsafe_folder_is_refused(spoil: Spoil, command: str, tmp_path: Path) -> None:
    """The same for folders."""
    path = tmp_path / "folder"
    private_folder(path)
    private_folder(path)
    spoil(path)

    with pytest.raises(UnsafePath) as refused:
        private_folder(path)
    assert command in refused.value.next_step


def test_a_folder_in_place_of_a_file_and_the_other_way_round(tmp_path: Path) -> None:
    """What is not what it should be is moved away by the person, never by us; a FIFO does not hang the reader."""
    file, fifo = tmp_path / "file", tmp_path / "fifo"
    create_private_file(file, b"")
    os.mkfifo(fifo, 0o600)

    for check, path in ((private_folder, file), (private_file, tmp_path), (read_private_file, fifo)):
        with pytest.raises(UnsafePath) as refused:
            check(path)
        assert "mv " in refused.value.next_step


def test_commands_can_be_pasted(tmp_path: Path) -> None:
    """A path with a blank or a quote is quoted in the mending command."""
    path = tmp_path / "it's a file"
    create_private_file(path, b"")
    path.chmod(0o644)

    with pytest.raises(UnsafePath) as refused:
        private_file(path)
    subprocess.run(["sh", "-c", refused.value.next_step.removeprefix("Run: ")], check=True)
    private_file(path)


def test_what_is_made_is_private_under_any_umask(tmp_path: Path) -> None:
    """0700 and 0600 from the first moment, even where the umask gives everything away."""
    before = os.umask(0)
    try:
        private_folder(tmp_path / "folder")
        create_private_file(tmp_path / "folder" / "file", b"content")
    finally:
        os.umask(before)

    assert stat.S_IMODE((tmp_path / "folder").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "folder" / "file").stat().st_mode) == 0o600
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["file"]


@pytest.mark.parametrize("standing", ["file", "link"])
def test_a_new_file_takes_nobodys_place(standing: str, tmp_path: Path) -> None:
    """Where something stands, link or file, nothing is written, there or behind the link."""
    path, target = tmp_path / "file", tmp_path / "target"
    target.write_bytes(b"old")
    if standing == "file":
        path.write_bytes(b"old")
    else:
        path.symlink_to(target)

    with pytest.raises(FileExistsError):
        create_private_file(path, b"new")
    assert (path.read_bytes(), target.read_bytes()) == (b"old", b"old")


def test_what_a_crash_left_half_made_is_made_anew(tmp_path: Path) -> None:
    """A file has its name only when it is whole, so a half-made one stands in nobody's way."""
    (tmp_path / "file.new").write_bytes(b"hal")
    create_private_file(tmp_path / "file", b"whole")

    assert read_private_file(tmp_path / "file") == b"whole"
    assert not (tmp_path / "file.new").exists()


def test_a_missing_file_reads_as_none(tmp_path: Path) -> None:
    """Absent is not an error: the caller decides what it means."""
    private_file(tmp_path / "file")

    assert read_private_file(tmp_path / "file") is None


def test_a_link_that_slips_in_after_the_check_is_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between check and open the name may be moved; what is opened is judged again, and links are not followed."""
    create_private_file(tmp_path / "file", b"mine")
    link(tmp_path / "file")

    def not_looking(_path: Path) -> None:
        """The moment in which the name was moved."""

    monkeypatch.setattr("meshmesh_storage.paths.private_file", not_looking)

    with pytest.raises(OSError, match="symbolic links"):
        read_private_file(tmp_path / "file")
