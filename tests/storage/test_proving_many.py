"""The proof of a vault reads some rows at a time: as many as there are, each is held against the digest once."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from meshmesh_storage import connections, fingerprint
from meshmesh_storage.errors import VaultTampered
from meshmesh_storage.vault import FILE_NAME, Vault
from support.floor import ACME
from support.vaults import Open, Statements

AT_ONCE = 500
PROVEN = ("by its fingerprint", "row by row")


async def filled(opened: Open, number: int) -> None:
    """A vault with so many connections, closed."""
    vault = await opened()
    async with vault.transaction() as tx:
        for one in range(number):
            await connections.insert(tx, replace(ACME, id=f"c{one}", name=f"n{one}"))
    await vault.close()


async def begun(opened: Open, folder: Path, how: str) -> Vault:
    """The vault, open again."""
    if how == "row by row":
        (folder / "vault" / fingerprint.FILE_NAME).unlink()
    return await opened()


def by_hand(folder: Path, statement: str) -> None:
    """Change the vault behind its back."""
    with closing(sqlite3.connect(folder / "vault" / FILE_NAME, isolation_level=None)) as db:
        db.execute(statement)


@pytest.mark.parametrize("how", PROVEN)
@pytest.mark.parametrize("number", [AT_ONCE - 1, AT_ONCE, AT_ONCE + 1, 2 * AT_ONCE])
async def test_all_of_them_are_known(opened: Open, tmp_path: Path, number: int, how: str) -> None:
    """None twice, none left out at an edge; each opens, and can be changed and taken away."""
    await filled(opened, number)
    vault = await begun(opened, tmp_path, how)

    assert [one.id for one in connections.unopened(vault)] == [f"c{one}" for one in range(number)]
    async with vault.transaction() as tx:
        await connections.rename(tx, f"c{number - 1}", "last")
        await connections.delete(tx, "c0")
    await vault.verify()
    assert [one.name for one in await connections.look_up(vault, ["c0", f"c{number - 1}", "c1"])] == ["n1", "last"]


async def test_few_are_in_memory_at_a_time(opened: Open, tmp_path: Path, asked: Statements) -> None:
    """However many there are, also where every row is read whole."""
    await filled(opened, 2 * AT_ONCE + 1)
    asked.clear()
    await begun(opened, tmp_path, "row by row")

    reads = [one for one in asked if "FROM connections" in one]
    assert len(reads) == 3
    assert all(f"LIMIT {AT_ONCE}" in one for one in reads)


HANDS = {
    "the first": "UPDATE connections SET generation = 7 WHERE id = 'c0'",
    "one at an edge": f"UPDATE connections SET generation = 7 WHERE id = 'c{AT_ONCE}'",
    "the last": f"DELETE FROM connections WHERE id = 'c{2 * AT_ONCE - 1}'",
    "one before all": "UPDATE connections SET rowid = -5, generation = 7 WHERE id = 'c3'",
    "one more": "INSERT INTO connections SELECT 'more', version, x'00', app_id, generation, status, profile, session,"
    " refresh FROM connections WHERE id = 'c0'",
}


@pytest.mark.parametrize("statement", HANDS.values(), ids=HANDS)
async def test_a_hand_is_noticed_wherever_it_was(opened: Open, tmp_path: Path, statement: str) -> None:
    """In whichever part the row stands."""
    await filled(opened, 2 * AT_ONCE)
    by_hand(tmp_path, statement)
    with pytest.raises(VaultTampered, match="'connections'"):
        await opened()
