"""What can be wrong with what is kept: one class a case, each with a sentence and the next step."""


class VaultError(Exception):
    """The base: `str()` is one sentence, `next_step` says how to mend it. Never holds a secret."""

    code = "vault_error"

    def __init__(self, sentence: str, next_step: str) -> None:
        super().__init__(sentence)
        self.next_step = next_step


class UnsafePath(VaultError):
    """A file or folder that others could read or that is not what it seems."""

    code = "unsafe_path"


class KeyUnavailable(VaultError):
    """There is a vault, and its key cannot be had. A new key is never made over an old vault."""

    code = "key_unavailable"


class KeyLocked(KeyUnavailable):
    """What keeps the key is locked itself; the person opens it, and then it can be had."""

    code = "key_locked"


class WrongKey(VaultError):
    """The key does not belong to this vault; nothing was written."""

    code = "wrong_key"


class VaultTampered(VaultError):
    """A row was changed, put back or taken away behind our back."""

    code = "vault_tampered"


class SchemaTooNew(VaultError):
    """A newer version of the program wrote this vault."""

    code = "schema_too_new"


class VaultCorrupt(VaultError):
    """The file is damaged, or is not a vault."""

    code = "vault_corrupt"


class VaultUnwritable(VaultError):
    """A write did not reach the disk; nothing of it is believed."""

    code = "vault_unwritable"


class VaultClosed(VaultUnwritable):
    """The vault was locked, or the service ends: nothing is read or written any more."""

    code = "vault_closed"


def closed() -> VaultClosed:
    """The refusal of a vault that is closed."""
    return VaultClosed("The vault is closed.", "Unlock it: meshmesh unlock")


class BackupBroken(VaultError):
    """A file that is no backup, or not a whole one, or of another passphrase."""

    code = "backup_broken"


class BackupOlder(VaultError):
    """The vault that is there is newer than the backup, or another one; it is not replaced unasked."""

    code = "backup_older"


class NameTaken(VaultError):
    """Another connection has this name."""

    code = "name_taken"


class StaleGeneration(VaultError):
    """The row has moved on since it was read; the late writer loses."""

    code = "stale_generation"
