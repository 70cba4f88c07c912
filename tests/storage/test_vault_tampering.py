"""The laws against a hand in the file: whoever has no key can change nothing without being noticed."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from meshmesh_storage import apps, clients, header, rotations
from meshmesh_storage.digest import Ledger, table_digest
from meshmesh_storage.errors import VaultCorrupt, VaultTampered
from meshmesh_storage.keys import KeyFile
from meshmesh_storage.records import App, Client, Grant, Mode, RotationIntent
from meshmesh_storage.schema import APPS, TABLES
from meshmesh_storage.vault import FILE_NAME, Vault
from support.vaults import NOW, Open

Rows = list[tuple[object, ...]]


def client(client_id: str, mode: Mode) -> Client:
    """A client with one grant."""
    grants = (Grant(connection_id="c1", mode=mode),)
    return Client(
        id=client_id, name="agent", kind="cli", token_hash=bytes(32), created_at=NOW, expires_at=None, grants=grants
    )


async def furnish(vault: Vault) -> None:
    """Rows of several tables."""
    async with vault.transaction() as tx:
        await apps.put(tx, App(id="a1", client_id="one", client_secret="old", created_at=NOW))
        await apps.put(tx, App(id="a2", client_id="two", client_secret="old", created_at=NOW))
        await clients.put(tx, client("p1", Mode.BUILD))
        await rotations.begin(tx, RotationIntent(connection_id="c1", generation=7, sent_at=NOW))


async def live_on(vault: Vault) -> None:
    """The grant is narrowed, then a secret changes: so neither table is as old as the other's last change."""
    async with vault.transaction() as tx:
        await clients.put(tx, client("p1", Mode.READ))
    async with vault.transaction() as tx:
        await apps.put(tx, App(id="a1", client_id="one", client_secret="new", created_at=NOW))


class Hand:
    """Somebody with the file open in SQLite's own tool, and with copies of how it was."""

    def __init__(self, home: Path) -> None:
        self._path = home / "vault" / FILE_NAME
        self._then = {table: self.read(table) for table in ("digest", *(table.name for table in TABLES))}

    def read(self, table: str) -> Rows:
        """The rows of a table."""
        with closing(sqlite3.connect(self._path)) as db:
            return db.execute(f"SELECT * FROM {table}").fetchall()

    def run(self, *statements: str) -> None:
        """Change the file."""
        with closing(sqlite3.connect(self._path, isolation_level=None)) as db:
            db.execute("BEGIN IMMEDIATE")
            for statement in statements:
                db.execute(statement)
            db.execute("COMMIT")

    def put_back(self, *tables: str) -> None:
        """Make tables as they were, row for row."""
        with closing(sqlite3.connect(self._path)) as db:
            for table in tables:
                db.execute(f"DELETE FROM {table}")
                for row in self._then[table]:
                    db.execute(f"INSERT INTO {table} VALUES ({','.join('?' * len(row))})", row)
            db.commit()


async def enter(vault: Vault) -> None:
    """Begin a transaction, which must not be let."""
    async with vault.transaction():
        pytest.fail("the block was entered")


SWAP = "UPDATE apps SET {0} = (SELECT {1} FROM apps AS other WHERE other.id {2} apps.id)"
ATTACKS: dict[str, Callable[[Hand], None]] = {
    "one old row put back": lambda hand: hand.put_back("clients"),
    "one old row and the old digest put back": lambda hand: hand.put_back("clients", "digest"),
    "the old digest put back": lambda hand: hand.put_back("digest"),
    "a value swapped with another row's": lambda hand: hand.run(SWAP.format("secret", "secret", "!=")),
    "two columns of a row swapped": lambda hand: hand.run("UPDATE apps SET profile = secret, secret = profile"),
    "a row deleted": lambda hand: hand.run("DELETE FROM apps WHERE id = 'a2'"),
    "a table emptied": lambda hand: hand.run("DELETE FROM clients"),
    "a table emptied, and the digest": lambda hand: hand.run("DELETE FROM clients", "DELETE FROM digest"),
    "everything emptied": lambda hand: hand.run(*(f"DELETE FROM {table.name}" for table in TABLES)),
    "a row renamed": lambda hand: hand.run("UPDATE apps SET id = 'a3' WHERE id = 'a2'"),
    "a row doubled": lambda hand: hand.run("INSERT INTO clients SELECT 'p2', version, profile FROM clients"),
    "a row moved to another table": lambda hand: hand.run("INSERT INTO sign_ins SELECT * FROM clients"),
    "a version changed": lambda hand: hand.run("UPDATE clients SET version = version + 1"),
    "a version made negative": lambda hand: hand.run("UPDATE clients SET version = -1"),
    "a plain number changed": lambda hand: hand.run("UPDATE rotations SET generation = 8"),
    "a plain text changed": lambda hand: hand.run("UPDATE rotations SET sent_at = '2020-01-01T00:00:00+00:00'"),
    "two hashes of names swapped": lambda hand: hand.run(
        "CREATE TABLE t AS SELECT id, client_index FROM apps",
        "UPDATE apps SET client_index = randomblob(32)",
        "UPDATE apps SET client_index = (SELECT t.client_index FROM t WHERE t.id != apps.id)",
        "DROP TABLE t",
    ),
    "a secret taken away": lambda hand: hand.run("UPDATE apps SET secret = NULL WHERE id = 'a1'"),
    "a secret cut short": lambda hand: hand.run("UPDATE apps SET secret = substr(secret, 1, 8)"),
    "the digest's version raised": lambda hand: hand.run("UPDATE digest SET version = version + 1"),
    "the digest's version negative": lambda hand: hand.run("UPDATE digest SET version = -1"),
    "the digest damaged": lambda hand: hand.run("UPDATE digest SET sealed = zeroblob(200)"),
    "a trigger planted": lambda hand: hand.run(
        "CREATE TRIGGER t AFTER UPDATE ON apps BEGIN UPDATE apps SET secret = NULL WHERE id = 'a2'; END"
    ),
    "a view planted": lambda hand: hand.run("CREATE VIEW v AS SELECT * FROM apps"),
    "a table made anew without its rules": lambda hand: hand.run(
        "CREATE TABLE copy AS SELECT * FROM apps", "DROP TABLE apps", "ALTER TABLE copy RENAME TO apps"
    ),
    "a table dropped": lambda hand: hand.run("DROP TABLE clients"),
}


@pytest.mark.parametrize("running", [False, True])
@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
async def test_a_change_by_hand_is_noticed(
    attack: Callable[[Hand], None], running: bool, opened: Open, tmp_path: Path
) -> None:
    """At the next start, and while the vault is open before anything is read or written."""
    vault = await opened()
    await furnish(vault)
    hand = Hand(tmp_path)
    await live_on(vault)
    if not running:
        await vault.close()
    attack(hand)

    with pytest.raises(VaultTampered, match="outside MeshMesh") as noticed:
        await (enter(vault) if running else opened())
    assert str(tmp_path / "vault") in noticed.value.next_step


async def test_the_table_is_named(opened: Open, tmp_path: Path) -> None:
    """A person learns where the hand was."""
    vault = await opened()
    await furnish(vault)
    Hand(tmp_path).run("DELETE FROM clients")

    with pytest.raises(VaultTampered, match="'clients'"):
        await vault.verify()


async def test_a_vault_that_was_touched_stays_shut_until_it_is_mended(opened: Open, tmp_path: Path) -> None:
    """It is noticed each time, not once; and when the rows are right again it goes on."""
    vault = await opened()
    await furnish(vault)
    hand = Hand(tmp_path)
    hand.run("DELETE FROM clients")
    for _ in range(2):
        with pytest.raises(VaultTampered):
            await enter(vault)
    hand.put_back("clients")

    async with vault.transaction() as tx:
        assert [one.id for one in await clients.load_all(tx)] == ["p1"]


async def test_all_of_it_put_back_is_noticed_while_the_vault_is_open(opened: Open, tmp_path: Path) -> None:
    """The ledger never goes back to an earlier version under a running service."""
    vault = await opened()
    await furnish(vault)
    hand = Hand(tmp_path)
    await live_on(vault)
    hand.put_back("digest", *(table.name for table in TABLES))

    with pytest.raises(VaultTampered, match="digest"):
        await vault.verify()


async def test_a_whole_old_file_opens(opened: Open, tmp_path: Path) -> None:
    """The limit that SECURITY.md and FORMAT.md state: without a counter outside of the file this cannot be noticed."""
    vault = await opened()
    await furnish(vault)
    hand = Hand(tmp_path)
    await live_on(vault)
    await vault.close()
    hand.put_back("digest", *(table.name for table in TABLES))

    vault = await opened()
    async with vault.transaction() as tx:
        assert [one.grants[0].mode for one in await clients.load_all(tx)] == [Mode.BUILD]


@pytest.mark.parametrize(
    "swap", ["secret = (SELECT secret FROM apps AS other WHERE other.id != apps.id)", "version = 9"]
)
async def test_a_moved_value_does_not_open_even_where_the_digest_agrees(
    swap: str, opened: Open, tmp_path: Path
) -> None:
    """The seal of each value is a wall of its own behind the digest, on every read."""
    vault = await opened()
    await furnish(vault)
    await vault.close()
    hand = Hand(tmp_path)
    hand.run(f"UPDATE apps SET {swap}")
    await forge_digest(tmp_path)

    vault = await opened()
    async with vault.transaction() as tx:
        assert len(await clients.load_all(tx)) == 1
        with pytest.raises(VaultTampered, match="'apps'"):
            await apps.load_all(tx)
        with pytest.raises(VaultTampered, match="'apps'"):
            await tx.row(APPS, "a1")


async def forge_digest(home: Path) -> None:
    """Make the digest fit the rows, as only one who holds the key can."""
    master_key = await KeyFile(home / "keys" / "vault.key").load()
    assert master_key is not None
    path = home / "vault" / FILE_NAME
    keys = header.read(path).unlock(master_key, home)
    with closing(sqlite3.connect(path)) as db:
        digests = {
            table.name: table_digest(
                keys.lookup.digest_key,
                table.name,
                db.execute(f"SELECT {', '.join(table.columns)} FROM {table.name}"),
            )
            for table in TABLES
        }
        ledger = Ledger(100, digests)
        db.execute("UPDATE digest SET version = 100, sealed = ?", (ledger.seal(keys.sealer),))
        db.commit()


async def test_text_that_is_no_text_any_more_is_damage(opened: Open, tmp_path: Path) -> None:
    """A flipped bit can leave bytes that are no UTF-8; that is a refusal of ours, not a crash of SQLite's."""
    vault = await opened()
    await furnish(vault)
    Hand(tmp_path).run("UPDATE rotations SET sent_at = CAST(x'ff' AS TEXT)")

    with pytest.raises(VaultCorrupt):
        await vault.verify()


async def test_a_hash_of_a_name_is_not_to_be_guessed(opened: Open, tmp_path: Path) -> None:
    """Two vaults have other hashes for one name, so a list of common names is no help."""
    vault = await opened()
    await furnish(vault)
    other = await Vault.open(tmp_path / "other", KeyFile(tmp_path / "keys" / "other.key"), now=NOW)
    await furnish(other)
    async with vault.transaction() as tx, other.transaction() as other_tx:
        hashes = {index.index("app", "one") for index in (tx, other_tx)}
    await other.close()

    assert len(hashes) == 2
