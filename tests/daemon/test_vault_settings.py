"""The laws of `[vault]` in config.toml: known words, bearable numbers, and a sentence for everything else."""

from pathlib import Path

import pytest

from meshmesh_daemon.settings import SettingsError, VaultSettings, load


def settings(tmp_path: Path, text: str) -> VaultSettings:
    """What a `[vault]` table means."""
    (tmp_path / "config.toml").write_text(f"[vault]\n{text}\n")
    return load(tmp_path / "config.toml", {}).vault


@pytest.mark.parametrize("key", ["auto", "keyring", "credential", "passphrase", "file"])
def test_every_source_can_be_chosen(key: str, tmp_path: Path) -> None:
    """By its word."""
    assert settings(tmp_path, f'key = "{key}"') == VaultSettings(key=key)


def test_locking_by_itself_is_off_unless_it_is_set(tmp_path: Path) -> None:
    """Nobody is surprised by a locked vault."""
    assert settings(tmp_path, "") == VaultSettings(key="auto", lock_after_seconds=0, lock_with_screen=False)
    told = settings(tmp_path, "lock_after_seconds = 900\nlock_with_screen = true")
    assert (told.lock_after_seconds, told.lock_with_screen) == (900, True)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('key = "keychain"', "vault.key must be one of"),
        ("key = 5", "vault.key"),
        ("lock_after_seconds = -1", "vault.lock_after_seconds"),
        ("lock_after_seconds = true", "vault.lock_after_seconds"),
        ('lock_with_screen = "yes"', "vault.lock_with_screen"),
        ("lock_after = 5", "did you mean 'lock_after_seconds'"),
    ],
)
def test_what_cannot_be_taken_is_named(text: str, said: str, tmp_path: Path) -> None:
    """A setting that is misspelt and silently ignored would be worse than no start."""
    with pytest.raises(SettingsError, match=said):
        settings(tmp_path, text)
