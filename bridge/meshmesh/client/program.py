"""A paired program, and how it gets at its connections."""

import os
import sys
from collections.abc import Iterable
from pathlib import Path

from meshmesh import wire
from meshmesh.client import access, asking, pairing
from meshmesh.client.errors import NotPaired
from meshmesh.client.keeping import keeper
from meshmesh.client.line import Line, find_door
from meshmesh.client.org import Org
from meshmesh.client.pairing import Show, Want
from meshmesh.client.views import Connection

ASK_SECONDS = 5 * 60
_NAMELESS = frozenset({"", "-c", "-", "-m"})


class Program:
    """This program, as a client of MeshMesh.

    Args:
        name: as the owner knows it.
        line: the way to the service, with the pairing token.
    """

    def __init__(self, name: str, line: Line) -> None:
        self.name = name
        self._line = line

    def __repr__(self) -> str:
        return f"Program({self.name!r})"

    def connect(self, connection: str = "") -> Org:
        """Use a connection; see `meshmesh.connect`."""
        name = connection or os.environ.get(wire.ENV_CONNECTION, "")
        return Org(self._line, self._line.run(asking.chosen(name)))

    def ask_for(self, purpose: str, *, mode: str = "plan", raw_token: bool = False, wait: int = ASK_SECONDS) -> Org:
        """Ask the owner for a connection, wait for the answer, and use it.

        Args:
            purpose: what for, in a sentence that the owner reads.
            mode: `read`, `plan` or `build`.
            raw_token: whether the access token itself is needed.
            wait: seconds to wait at most.

        Raises:
            AccessNotGiven: denied, or not decided.
            Error: another error of this package.
        """
        talk = access.ask(purpose, mode=mode, raw_token=raw_token, wait=wait, show=on_stderr)
        return self.connect(self._line.run(talk))

    def connections(self) -> list[Connection]:
        """All that this program may use, and how they stand; Salesforce is not called."""
        return self._line.run(asking.connections())


def connect(connection: str = "", *, program: str = "") -> Org:
    """Use a connection: `with meshmesh.connect("acme") as org:`.

    This program is who `MESHMESH_TOKEN` says (as under `meshmesh exec`), or else who it was paired as.

    Args:
        connection: its name; without one `MESHMESH_CONNECTION`, or the only connection that this program may use.
        program: the name that it was paired by; the script's own without one.

    Raises:
        NotPaired: it is nobody yet.
        NotGranted: it may not use this connection.
        Error: another error of this package.
    """
    name = program or own_name()
    return Program(name, known_line(name)).connect(connection)


def pair(
    name: str = "", *, wants: Iterable[Want | str] = (), kind: str = "script", show: Show | None = None
) -> Program:
    """Pair this program, once: later runs find the token that was kept, and ask again only when it was revoked.

    Blocks until the owner has decided, five minutes at most. Under `meshmesh exec` nothing is asked.

    Args:
        name: what the owner reads; the script's own name without one.
        wants: what it would like, as `Want` or in short: `acme`, `acme:plan`, `acme:build:token`.
        kind: `script`, `app` or `agent`.
        show: is told the code and where to approve it; printed on stderr without one.

    Raises:
        PairingRefused: denied, or nobody decided in time.
        ServiceNotRunning: nobody is there to ask.
        Error: another error of this package.
    """
    name = name or own_name()
    door = find_door(os.environ)
    lent = pairing.lent_token(os.environ)
    if lent is not None:
        return Program(name, Line(door, lent))
    kept = keeper(name, os.environ)
    token = kept.load()
    if token is not None and Line(door, token).run(pairing.is_known()):
        return Program(name, Line(door, token))
    wanted = [Want.of(want) for want in wants]
    token = Line(door).run(pairing.ask(name, wanted, kind=kind, show=show or on_stderr))
    kept.store(token)
    return Program(name, Line(door, token))


def known_line(program: str) -> Line:
    """The way to the service as the client that this program is.

    Raises:
        NotPaired: it is nobody yet.
        Error: `MESHMESH_URL` is no address on this machine.
    """
    token = pairing.lent_token(os.environ) or keeper(program, os.environ).load()
    if token is None:
        raise NotPaired(f"{program!r} is not paired, and {wire.ENV_TOKEN} is not set.")
    return Line(find_door(os.environ), token)


def unpair(name: str = "") -> None:
    """Forget the token that was kept; what the owner sees under `meshmesh clients` stays until it is revoked there."""
    keeper(name or own_name(), os.environ).forget()


def own_name() -> str:
    """The name of the running script; `python` where there is none, as in a notebook."""
    name = sys.argv[0] if sys.argv else ""
    if name in _NAMELESS or "ipykernel" in name:
        return "python"
    return Path(name).stem or "python"


def on_stderr(text: str) -> None:
    """Show something to whoever started this program."""
    sys.stderr.write(text)
    sys.stderr.flush()
