"""A restored vault takes the place of the one that is there, which is moved aside and never deleted.

The restored files lie whole and on disk in a folder of their own; giving that folder its final name is the one moment
that decides. What follows are steps that can be done again: whoever opens the vault next brings them to their end.
"""

import os
import shutil
from datetime import datetime
from pathlib import Path

from meshmesh_storage import fingerprint
from meshmesh_storage.activity_tail import SUFFIX as TAIL
from meshmesh_storage.database import SIDE_FILES
from meshmesh_storage.paths import FOLDER_MODE, create_private_file, sync

FILES = ("activity.db", "vault.db")  # the vault last: while it is missing, nobody takes the folder for a new one
READY = "vault.restored"
_ASIDE = "aside"


def decide(unpacked: Path, folder: Path, now: datetime) -> Path:
    """From now on the restored vault is the vault; `finish` puts it in its place.

    Args:
        unpacked: a folder within the vault's, with all of `FILES`, closed.
        folder: the vault's; no service works on it.
        now: names the folder to which the old files go.

    Returns:
        That folder; it is there after `finish`, if there was anything to move.
    """
    aside = f"replaced-{now:%Y%m%dT%H%M%S}Z"
    create_private_file(unpacked / _ASIDE, aside.encode())
    for name in FILES:
        sync(unpacked / name)
    sync(unpacked)
    unpacked.rename(folder / READY)
    sync(folder)
    return folder / aside


def finish(folder: Path) -> None:
    """Bring a restore that was decided to its end; without one, do nothing.

    Raises:
        OSError: the disk does not let us; it is tried again at the next opening.
    """
    ready = folder / READY
    if not (ready / _ASIDE).is_file():
        shutil.rmtree(ready, ignore_errors=True)  # all of it is in place, only the folder was left
        return
    aside = folder / (ready / _ASIDE).read_text()
    for name in FILES:
        if (ready / name).exists():
            files = (folder / f"{name}{suffix}" for suffix in ("", *SIDE_FILES, TAIL))
            _move_aside([folder / fingerprint.FILE_NAME, *files], aside)
            (ready / name).rename(folder / name)
            sync(folder)
    (ready / _ASIDE).unlink()
    shutil.rmtree(ready)
    sync(folder)


def _move_aside(files: list[Path], aside: Path) -> None:
    for file in files:
        if file.exists():
            aside.mkdir(mode=FOLDER_MODE, exist_ok=True)
            file.rename(aside / file.name)
    if aside.exists():
        sync(aside)


def make_scratch(folder: Path, name: str) -> Path:
    """An empty private folder within the vault's; what a crash left there is cleared away."""
    scratch = folder / name
    shutil.rmtree(scratch, ignore_errors=True)
    os.mkdir(scratch, FOLDER_MODE)
    return scratch
