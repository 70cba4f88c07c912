"""The demo org as a program: its folder, its port, its end, and what of it survives a kill."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from meshmesh_demo.server import serve
from support.demo_org import ECA, SECRET, Peer, PeerClock, served


async def test_the_folder_is_private(tmp_path: Path) -> None:
    """0700 for the folder, 0600 for every file, the journal too."""
    async with served(tmp_path / "demo", PeerClock()) as peer:
        await peer.sign_in()
        modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "demo").iterdir()}

    assert (tmp_path / "demo").stat().st_mode & 0o777 == 0o700
    assert {"org.db", "org.db-wal", "lever.key", "lock", "port"} <= set(modes)
    assert set(modes.values()) == {0o600}


async def test_no_token_is_on_disk(tmp_path: Path) -> None:
    """Codes, tokens and secrets are kept as hashes: none is found in any file."""
    async with served(tmp_path / "demo", PeerClock()) as peer:
        given = await peer.sign_in()
        await peer.lever("app", client_id=ECA, secret="a-very-secret-word")
        again = (await peer.refresh(given["refresh_token"])).fields
        content = b"".join(path.read_bytes() for path in (tmp_path / "demo").iterdir())

    secrets = [given["access_token"], given["refresh_token"], again["access_token"], again["refresh_token"], SECRET]
    assert [str(one) for one in [*secrets, "a-very-secret-word"] if str(one).encode() in content] == []


async def test_everything_is_there_after_a_restart(tmp_path: Path) -> None:
    """The same origin, org, lever key, records, apps and grants; a used refresh token is still a used one."""
    clock, folder = PeerClock(), tmp_path / "demo"
    async with served(folder, clock) as peer:
        given = await peer.sign_in()
        await peer.rest("POST", "sobjects/Account", {"Name": "Kept"})
        await peer.lever("app", client_id="own", secret="s", callbacks=["https://example.com/cb"], scopes=["api"])
        await peer.refresh(given["refresh_token"])
        first = (peer.origin, peer.lever_key, await peer.state())
    async with served(folder, clock) as peer:
        peer.token = str(given["access_token"])
        state = await peer.state()
        assert (peer.origin, peer.lever_key) == first[:2]
        assert [state[name] for name in ("grants", "writes", "apps")] == [
            first[2][name] for name in ("grants", "writes", "apps")
        ]
        assert len(await peer.records("SELECT Id FROM Account WHERE Name = 'Kept'")) == 1
        assert (await peer.refresh(given["refresh_token"])).status == 400


async def test_each_folder_is_an_org_of_its_own(tmp_path: Path) -> None:
    """Two folders have different org ids and keys; one's token is nothing to the other."""
    async with served(tmp_path / "a", PeerClock()) as one, served(tmp_path / "b", PeerClock()) as other:
        mine, theirs = await one.sign_in(), await other.sign_in()
        other.token = one.token

        assert (await other.rest("GET", "limits")).status == 401
    assert str(mine["id"]).split("/")[-2] != str(theirs["id"]).split("/")[-2]
    assert one.lever_key != other.lever_key


async def test_a_taken_port_is_said_or_gone_round(tmp_path: Path) -> None:
    """A port by name that is taken is an error; the remembered one that is taken is replaced."""
    clock = PeerClock()
    async with serve(tmp_path / "a", clock=clock) as one:
        with pytest.raises(OSError, match="in use"):
            async with serve(tmp_path / "b", clock=clock, port=one.port):
                pass
        (tmp_path / "b" / "port").write_text(str(one.port))
        async with serve(tmp_path / "b", clock=clock) as other:
            assert other.port != one.port


async def test_a_folder_has_one_org_at_a_time(tmp_path: Path) -> None:
    """A second org on a folder is refused and harms nothing."""
    async with served(tmp_path / "demo", PeerClock()) as peer:
        with pytest.raises(BlockingIOError):
            async with serve(tmp_path / "demo", clock=PeerClock()):
                pass
        assert (await peer.call("GET", "/services/data")).status == 200


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
async def test_both_loopback_addresses_answer(peer: Peer, host: str) -> None:
    """`localhost` may mean either."""
    address = peer.origin.replace("localhost", host)
    async with peer.http.get(f"{address}/services/data") as answer:
        assert answer.status == 200


async def test_another_host_name_is_refused(peer: Peer) -> None:
    """A page that points its own name at this address gets nothing."""
    reply = await peer.call("GET", "/services/oauth2/authorize", headers={"Host": "evil.example:80"})

    assert reply.status == 421


@pytest.fixture
def program(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """The org as a process of its own."""
    command = [sys.executable, "-m", "meshmesh_demo", "--folder", str(tmp_path / "demo")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ))
    yield process
    if process.poll() is None:
        process.kill()
    process.communicate()


def test_the_program_says_its_origin_and_ends_when_told(program: "subprocess.Popen[str]") -> None:
    """One line on stdout when it is ready; SIGTERM ends it with 0, and it wrote nothing else."""
    assert program.stdout
    line = program.stdout.readline()
    program.send_signal(signal.SIGTERM)
    rest, errors = program.communicate(timeout=20)

    assert line.startswith("origin http://localhost:")
    assert (program.returncode, rest, errors) == (0, "", "")


async def start(folder: Path) -> tuple[asyncio.subprocess.Process, str, str]:
    """The org as a process: itself, its origin, its lever key."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "meshmesh_demo", "--folder", str(folder), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout
    line = (await process.stdout.readline()).decode()
    return process, line.split()[1], (folder / "lever.key").read_text()


async def test_what_was_answered_survives_a_kill(tmp_path: Path) -> None:
    """Killed right after an answer, the org still knows the tokens and records that it gave."""
    process, origin, key = await start(tmp_path / "demo")
    async with aiohttp.ClientSession() as http:
        peer = Peer(origin, key, PeerClock(), http)
        given = await peer.sign_in()
        rotated = await peer.refresh(given["refresh_token"])
        record_id = (await peer.rest("POST", "sobjects/Account", {"Name": "Kept"})).fields["id"]
    process.kill()
    await process.wait()
    process, origin, key = await start(tmp_path / "demo")
    async with aiohttp.ClientSession() as http:
        peer = Peer(origin, key, PeerClock(), http, token=str(given["access_token"]))
        try:
            assert (await peer.rest("GET", f"sobjects/Account/{record_id}")).status == 200
            assert [one["refresh_tokens"] for one in await peer.families()] == [{"current": 1, "used": 1}]
            assert (await peer.refresh(rotated.fields["refresh_token"])).status == 200
        finally:
            process.terminate()
            await process.wait()
    assert process.returncode == 0
