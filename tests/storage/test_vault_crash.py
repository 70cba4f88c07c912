"""The laws of bad days: killed at any moment or out of disk, what was reported as committed is there."""

import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from meshmesh_storage import apps, fingerprint
from meshmesh_storage.keys import KeyFile
from meshmesh_storage.records import App
from meshmesh_storage.vault import FILE_NAME, Vault
from support.vaults import NOW, Open

CHILD = Path(__file__).with_name("vault_child.py")
ROUNDS = 30
CROWD_ROUNDS = 12
MORE_STEPS_THAN_A_FOUNDING_HAS = 60


def child(*arguments: object) -> subprocess.Popen[str]:
    """The other process."""
    command = [sys.executable, str(CHILD), *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def lines_of(*arguments: object) -> tuple[int, list[str]]:
    """What the other process said until its end, and its exit code."""
    with child(*arguments) as process:
        said = process.communicate(timeout=60)[0].splitlines()
    return process.returncode, said


def killed_after(lines: int, home: Path, task: str = "write") -> list[str]:
    """All that a counting process said, which was killed when it had said this many lines."""
    with child(task, home) as process:
        assert process.stdout is not None
        said = [process.stdout.readline() for _ in range(lines)]
        process.kill()
        said += process.stdout.readlines()
    assert process.returncode == -signal.SIGKILL
    return said


def last(word: str, said: list[str]) -> int:
    """The last count said with a word; 0 if none."""
    return max((int(line.split()[1]) for line in said if line.startswith(word)), default=0)


async def secrets(vault: Vault) -> list[str]:
    """The secrets of all apps."""
    async with vault.transaction() as tx:
        return [app.client_secret or "" for app in await apps.load_all(tx)]


async def test_what_was_committed_survives_sigkill(opened: Open, tmp_path: Path) -> None:
    """At random moments, over and over on one vault: never less than was reported, never half of a transaction."""
    chance = random.Random(1717)  # noqa: S311 - which moment, not which key
    done = 0
    for _ in range(ROUNDS):
        said = killed_after(chance.randint(1, 25), tmp_path)
        done, begun = max(done, last("done", said)), last("begun", said)
        vault = await opened()
        found = await secrets(vault)
        await vault.verify()
        await vault.close()

        assert len(set(found)) <= 1
        count = int(found[0].split(":")[0]) if found else 0
        assert done <= count <= max(begun, done)
    assert done > ROUNDS


async def test_what_was_committed_together_survives_sigkill(opened: Open, tmp_path: Path) -> None:
    """Between the blocks of a group and in its commit: whoever was told that it is done finds it done."""
    chance = random.Random(1718)  # noqa: S311 - which moment, not which key
    done: dict[str, int] = {}
    for _ in range(CROWD_ROUNDS):
        begun: dict[str, int] = {}
        for line in killed_after(chance.randint(1, 200), tmp_path, "crowd"):
            word, name, count = line.split()
            (done if word == "done" else begun)[name] = int(count)
        vault = await opened()
        async with vault.transaction() as tx:
            found = {app.id: int(app.client_secret or "0") for app in await apps.load_all(tx)}
        await vault.verify()
        await vault.close()

        for name in done.keys() | begun.keys() | found.keys():
            least = done.get(name, 0)
            assert least <= found.get(name, 0) <= max(least, begun.get(name, 0)), name
        done |= found
    assert sum(done.values()) > CROWD_ROUNDS


async def test_killed_at_any_step_of_its_making_the_vault_is_made_next_time(tmp_path: Path) -> None:
    """Before each file operation in turn: the next start finds nothing in its way, and keeps the key that was made."""
    for step in range(1, MORE_STEPS_THAN_A_FOUNDING_HAS):
        home = tmp_path / str(step)
        home.mkdir(mode=0o700)
        code, said = lines_of("found", home, step)
        source = KeyFile(home / "keys" / "vault.key")
        key = await source.load()
        vault = await Vault.open(home / "vault", source, now=NOW)
        async with vault.transaction() as tx:
            await apps.put(tx, App(id="a", client_id="a", created_at=NOW))
        await vault.close()

        assert key in (None, await source.load())
        assert {path.name for path in home.glob("*/*")} == {"vault.key", FILE_NAME, fingerprint.FILE_NAME}
        if said == ["made"]:
            assert code == 0
            assert step > 5
            return
        assert code == -signal.SIGKILL
    pytest.fail("the vault was never made")


async def test_a_full_disk_is_said_and_costs_only_what_did_not_fit(opened: Open, tmp_path: Path) -> None:
    """The write is refused with the next step, the rows are as they were, and with space it goes on."""
    code, said = lines_of("starve", tmp_path)

    assert code == 0
    assert said == [f"refused: Look at the disk space and rights of {tmp_path / 'vault'}.", "still 1", "mended"]
    assert await secrets(await opened()) == ["3:", "3:"]


@pytest.mark.parametrize("size", [0, 20, 100, 5000, 20_000])
async def test_a_full_disk_at_the_first_start_leaves_nothing_in_the_way(
    size: int, opened: Open, tmp_path: Path
) -> None:
    """No space for the key, or for the vault: a refusal of ours, and with space the vault is made."""
    code, said = lines_of("poor", tmp_path, size)

    assert code == 0
    assert said == [f"refused: Look at the disk space and rights of {tmp_path / 'vault'}."]
    assert await secrets(await opened()) == []
