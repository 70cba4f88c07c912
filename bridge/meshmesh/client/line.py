"""The way to the service: its UNIX socket, or the port that `MESHMESH_URL` names. No proxy, no other machine.

A pairing token goes over the socket, which lies in a folder of the owner's alone, or to an address that somebody named
on purpose; never to whatever happens to listen on the usual port.
"""

import io
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from meshmesh import http1, places, wire
from meshmesh.client.errors import Error, NoAnswer, ServiceNotRunning, Unreadable
from meshmesh.client.talk import PATIENCE_SECONDS, Call, Pause, Reply, Step, T, Talk
from meshmesh.exits import Exit
from meshmesh.failures import Failure, UnexpectedAnswer
from meshmesh.transport import TcpDoor, UnixDoor, tcp_door

CONNECT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Line:
    """A door, and who comes through it.

    Args:
        door: where the service is.
        token: a pairing token; None only to ask for one.
    """

    door: UnixDoor | TcpDoor
    token: str | None = field(default=None, repr=False)

    def run(self, talk: Talk[T]) -> T:
        """Carry a talk to its end.

        Raises:
            Error: what the talk raises, or nobody answers.
        """
        try:
            step = next(talk)
            while True:
                step = talk.send(self._take(step))
        except StopIteration as end:
            value: T = end.value
            return value
        except UnexpectedAnswer as error:
            raise Unreadable(error.why) from None

    def _take(self, step: Step) -> Reply:
        begun = time.monotonic()
        if isinstance(step, Pause):
            time.sleep(step.seconds)
            return Reply(status=204, took=step.seconds)
        sent = compose(self, step)
        try:
            sock = self.door.open(CONNECT_SECONDS)
        except OSError as error:
            raise not_there(self.door, error) from None
        with sock:
            sock.settimeout(PATIENCE_SECONDS + step.wait)
            try:
                sock.sendall(sent)
                raw = http1.read(sock.recv)
            except http1.MalformedAnswer as error:
                raise cut(error) from None
            except OSError as error:
                raise lost(error) from None
        return Reply(status=raw.status, headers=raw.headers, body=raw.body, took=time.monotonic() - begun)


def find_door(environ: Mapping[str, str]) -> UnixDoor | TcpDoor:
    """The door that an environment leads to: the UNIX socket where it answers, else `MESHMESH_URL`.

    Raises:
        Error: `MESHMESH_URL` is no address on this machine.
    """
    door = UnixDoor(places.socket_path(environ))
    url = environ.get(wire.ENV_URL)
    if not url:
        return door
    try:
        door.open(CONNECT_SECONDS).close()
    except OSError:
        try:
            return tcp_door(url)
        except Failure as failure:
            raise Error(failure.what, failure.why, failure.next_step, failure.exit_code) from None
    return door


def compose(line: Line, call: Call) -> bytes:
    """The bytes of a request.

    Raises:
        Error: something in it would break out of its line.
    """
    headers = {"Host": line.door.host, "Accept": "application/json"}
    if line.token is not None:
        headers["Authorization"] = f"Bearer {line.token}"
    if call.wait:
        headers["Prefer"] = f"wait={call.wait}"
    try:
        return http1.compose(call.method, call.target, headers | dict(call.headers), call.body)
    except ValueError as error:
        raise Error("The request was not sent.", str(error), "Mend the value.", Exit.USAGE) from None


def parse(raw: bytes, took: float) -> Reply:
    """The reply that these bytes, all that came, are.

    Raises:
        Error: they are none.
    """
    try:
        answer = http1.read(io.BytesIO(raw).read)
    except http1.MalformedAnswer as error:
        raise cut(error) from None
    return Reply(status=answer.status, headers=answer.headers, body=answer.body, took=took)


def not_there(door: UnixDoor | TcpDoor, error: OSError) -> ServiceNotRunning:
    """Nobody answers at the door."""
    place = door.path if isinstance(door, UnixDoor) else door.host
    return ServiceNotRunning(f"Nobody answers at {place} ({error.strerror or error}).")


def lost(error: OSError) -> NoAnswer:
    """The line broke after the request went out."""
    if isinstance(error, TimeoutError):
        return NoAnswer("The service did not answer in time.")
    return NoAnswer(f"The service hung up ({error.strerror or error}).")


def cut(error: http1.MalformedAnswer) -> Error:
    """What came is no answer, or only its beginning."""
    return NoAnswer(f"{error}.".capitalize())
