"""The key in a real keyring: made there at the first start, waited for at login, and carried elsewhere and back."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.keyring import GnomeKeyring, gnome_keyring
from support.service import TELLING, Service, start

CONFIG = '[vault]\nkey = "keyring"\n\n[demo]\nenabled = false\n'


@pytest.fixture(scope="module")
def keyring() -> Iterator[GnomeKeyring]:
    """A session whose login keyring is open."""
    with tempfile.TemporaryDirectory(prefix="ks") as folder, gnome_keyring(Path(folder)) as session:
        session.unlocked()
        yield session


def begun(home: Path, keyring: GnomeKeyring) -> Service:
    """A service in that session, told to use its keyring."""
    (home / "config").mkdir(mode=0o700, parents=True, exist_ok=True)
    (home / "config" / "config.toml").touch(0o600)
    (home / "config" / "config.toml").write_text(CONFIG)
    return start(home, program=TELLING, **keyring.environ)


def vault_of(service: Service) -> str:
    """The state of its vault."""
    return str(service.call("GET", "/status").json()["vault"])


def test_the_key_lives_in_the_keyring(keyring: GnomeKeyring, tmp_path: Path) -> None:
    """No key file is made, and the library that got it does not stay. Locked at login: everything waits, one sentence says why, and it opens when the keyring does."""
    service = begun(tmp_path, keyring)
    try:
        assert service.call("GET", "/status", owner=True).json()["key"] == "keyring"
        assert not (tmp_path / "config" / "master.key").exists()
        assert "in the keyring of your desktop" in service.cli("doctor").stdout
    finally:
        service.stop()
    assert {"keyring", "secretstorage", "jeepney"} & service.loaded == set()
    keyring.end()
    keyring.locked()
    service = begun(tmp_path, keyring)
    try:
        status = service.call("GET", "/status").json()
        refused = service.call("GET", "/v1/connections", owner=True)
        assert (status["vault"], "keyring" in status["detail"]) == ("locked", True)
        assert refused.status == 423
        keyring.end()
        keyring.unlocked()
        assert service.eventually(lambda: vault_of(service) == "unlocked", seconds=30)
        for source in ("file", "keyring"):
            assert service.cli("key", "move", source).returncode == 0
            assert (tmp_path / "config" / "master.key").exists() == (source == "file")
    finally:
        service.stop()
    service = begun(tmp_path, keyring)
    assert vault_of(service) == "unlocked"
    service.stop()
