"""How a program is let in, once (RFC 8628): it shows a code, the owner compares it and decides, the token is kept."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from meshmesh import wire
from meshmesh.client.errors import PairingRefused
from meshmesh.client.refusals import of_api
from meshmesh.client.talk import Call, Json, Pause, Talk, json_call
from meshmesh.documents import Document
from meshmesh.failures import UnexpectedAnswer

MODES = ("read", "plan", "build")
_UNKNOWN = 401
_SLOW_DOWN_SECONDS = 5  # RFC 8628, section 3.5
_ENDED = {"access_denied": "The owner denied it.", "expired_token": "Nobody approved it in time."}

Show: TypeAlias = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Want:
    """What a program would like to do; the owner decides what it gets.

    Args:
        connection: its name; "" leaves the choice to the owner.
        mode: `read`, `plan` (writes are held until the owner approves them) or `build`.
        raw_token: whether it needs the access token itself.
        purpose: what for, in a sentence.
    """

    connection: str = ""
    mode: str = "read"
    raw_token: bool = False
    purpose: str = ""

    @classmethod
    def of(cls, want: "Want | str") -> "Want":
        """From the short form `NAME`, `NAME:MODE` or `NAME:MODE:token`.

        Raises:
            ValueError: it is of another form.
        """
        if isinstance(want, Want):
            return want
        name, *rest = want.split(":")
        mode, *rest = rest or ["read"]
        if mode not in MODES or rest not in ([], ["token"]):
            raise ValueError(f"{want!r} is not of the form NAME:MODE[:token]; MODE is one of {', '.join(MODES)}.")
        return cls(connection=name, mode=mode, raw_token=bool(rest))

    @property
    def body(self) -> dict[str, Json]:
        """As it is sent."""
        texts = {"connection": self.connection, "purpose": self.purpose}
        given: dict[str, Json] = {name: text for name, text in texts.items() if text}
        return given | {"mode": self.mode, "raw_token": self.raw_token}

    @property
    def grant(self) -> str:
        """As it is spelled on the command line."""
        return f"{self.connection or 'NAME'}:{self.mode}" + (":token" if self.raw_token else "")


def is_known() -> Talk[bool]:
    """Whether the token that is sent along is still one."""
    reply = yield Call(method="GET", target="/v1/me")
    if reply.status == _UNKNOWN:
        return False
    if reply.refused:
        raise of_api(reply.status, reply.headers, reply.body, attempt="ask who this program is")
    return True


def ask(program: str, wants: Iterable[Want], *, kind: str, show: Show) -> Talk[str]:
    """Ask to be paired, and wait for the owner.

    Args:
        program: the name that the owner reads.
        wants: what it would like.
        kind: `script`, `app` or `agent`.
        show: is told what the owner must be shown.

    Returns:
        The pairing token.

    Raises:
        PairingRefused: denied, or nobody decided in time.
    """
    wanted = tuple(wants)
    body: dict[str, object] = {"client_name": program, "client_kind": kind, "wants": [want.body for want in wanted]}
    reply = yield json_call("POST", "/v1/pair", body)
    if reply.refused:
        raise of_api(reply.status, reply.headers, reply.body, attempt=f"ask to pair {program!r}")
    begun = Document.parse(reply.body)
    show(_invitation(program, begun, wanted))
    return (yield from _collect(begun))


def _invitation(program: str, begun: Document, wants: tuple[Want, ...]) -> str:
    code = begun.text("user_code")
    grants = " ".join(f"--grant {want.grant}" for want in wants) or "--grant NAME:MODE"
    return (
        f"{program} asks to be paired with MeshMesh. Its code is {code}.\n"
        f"Compare it and decide: {begun.text('verification_uri_complete')}\n"
        f"or run: meshmesh approve {code} {grants}\n"
    )


def _collect(begun: Document) -> Talk[str]:
    pause = begun.number("interval")
    call = json_call("POST", "/v1/pair/token", {"device_code": begun.text("device_code")})
    while True:
        yield Pause(pause)
        reply = yield call
        answer = Document.parse(reply.body)
        if not reply.refused:
            return answer.text("access_token")
        error = answer.values.get("error")
        if not isinstance(error, str):
            raise of_api(reply.status, reply.headers, reply.body, attempt="be paired")
        if error in _ENDED:
            raise PairingRefused(_ENDED[error])
        if error not in {"authorization_pending", "slow_down"}:
            raise UnexpectedAnswer(f"Pairing answered {error!r}.")
        pause += _SLOW_DOWN_SECONDS if error == "slow_down" else 0


def lent_token(environ: Mapping[str, str]) -> str | None:
    """The token that `meshmesh exec`, or whoever started this program, handed it."""
    return environ.get(wire.ENV_TOKEN) or None
