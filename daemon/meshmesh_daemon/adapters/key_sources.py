"""Which source gives the master key: what the vault remembers; for a new vault what the person set, or the best there is."""

from collections.abc import Mapping
from pathlib import Path

from meshmesh_daemon.adapters.keyring import NoKeyring, SystemKeyring
from meshmesh_storage.credential import CredentialKey
from meshmesh_storage.errors import KeyLocked, KeyUnavailable
from meshmesh_storage.keyring_key import KeyringKey
from meshmesh_storage.keys import KeyFile, KeySource

AUTO = "auto"
KEYRING, CREDENTIAL, PASSPHRASE, FILE = "keyring", "credential", "passphrase", "file"
KINDS = (KEYRING, CREDENTIAL, PASSPHRASE, FILE)
KEY_FILE = "master.key"


class PassphraseNeeded(KeyLocked):
    """The vault opens with a passphrase, and nobody has typed it yet."""

    code = "passphrase_needed"


class PassphraseMissing(PassphraseNeeded):
    """A new vault is to open with a passphrase, and nobody has chosen one yet."""

    code = "passphrase_missing"


class KeySources:
    """Makes key sources.

    Args:
        wanted: one of `KINDS`, or `AUTO`.
        config: the folder of the key file.
        credentials: `$CREDENTIALS_DIRECTORY`, or None.
        apart: this is an instance with a home of its own; it leaves the person's keyring alone unless told to use it.
    """

    def __init__(self, *, wanted: str, config: Path, credentials: str | None, apart: bool) -> None:
        self._wanted = wanted
        self._credential = CredentialKey(Path(credentials) if credentials else None)
        self._file = KeyFile(config / KEY_FILE)
        self._keyring = SystemKeyring()
        self._may_use_keyring = wanted == KEYRING or not apart

    async def first(self, passphrase: str | None) -> KeySource:
        """The source for a vault that is not made yet.

        Args:
            passphrase: what the person chose, where it is to be one.

        Raises:
            KeyUnavailable: the chosen one cannot be had; no other is taken in its place.
        """
        if self._wanted != AUTO:
            return await self.target(self._wanted, passphrase)
        if await self._file.load() is not None:
            return self._file  # a key without a vault: what a crash between the two left
        if self._may_use_keyring:
            try:
                await self._keyring.check()
                return KeyringKey(self._keyring)
            except NoKeyring:
                pass
        return self._credential if await self._credential.load() is not None else self._file

    def remembered(self, note: Mapping[str, object], passphrase: str | None) -> KeySource:
        """The source that a vault remembers.

        Args:
            note: what it remembers.
            passphrase: what was typed, or None.

        Raises:
            PassphraseNeeded: it opens with a passphrase, and none was typed.
            KeyUnavailable: this program knows no such source, or may not use it.
        """
        match note.get("kind"):
            case "file":
                return self._file
            case "credential":
                return self._credential
            case "keyring":
                self._refuse_foreign_keyring()
                return KeyringKey(self._keyring, str(note.get("name")))
            case "passphrase":
                return _from_passphrase(_typed(passphrase), note)
            case _:
                raise KeyUnavailable(
                    "The vault says that its key is in a place that this version does not know.",
                    "Install the version that you had before.",
                )

    async def target(self, kind: str, passphrase: str | None) -> KeySource:
        """A source for a key that the vault is to get.

        Args:
            kind: one of `KINDS`.
            passphrase: the new one, where that is the kind.

        Raises:
            KeyUnavailable: it cannot be had now.
        """
        if kind == KEYRING:
            self._refuse_foreign_keyring()
            await self._keyring.check()
            return KeyringKey(self._keyring)
        if kind == PASSPHRASE and passphrase is None:
            raise PassphraseMissing("The vault is to open with a passphrase, and none was chosen yet.", "Choose one")
        if kind == PASSPHRASE:
            return _from_passphrase(passphrase or "", {"kind": PASSPHRASE})
        return self._credential if kind == CREDENTIAL else self._file

    async def for_restored(self, note: Mapping[str, object] | None, passphrase: str) -> KeySource:
        """The source for a vault that comes from a backup: where the key was until now, else where a new one would be.

        Args:
            note: what the vault that is there remembers; None where it tells nothing.
            passphrase: the backup's, which opens the vault too, where it is to be a passphrase.
        """
        kind = note.get("kind") if note else None
        chosen = await self.target(str(kind), passphrase) if kind in KINDS else await self.first(passphrase)
        if chosen is self._file:
            await self._file.clear_damaged()
        return chosen

    def _refuse_foreign_keyring(self) -> None:
        if not self._may_use_keyring:
            raise KeyUnavailable(
                "An instance with a MESHMESH_HOME of its own does not touch your keyring unless it is told to.",
                'Say so in its config.toml: [vault] key = "keyring"',
            )


def _typed(passphrase: str | None) -> str:
    if passphrase is None:
        raise PassphraseNeeded("The vault opens with a passphrase.", "Type it")
    return passphrase


def _from_passphrase(passphrase: str, note: Mapping[str, object]) -> KeySource:
    from meshmesh_storage.passphrase import PassphraseKey  # late: only who has a passphrase pays for it

    return PassphraseKey(passphrase, dict(note))
