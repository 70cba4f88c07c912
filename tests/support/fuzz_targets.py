"""What is fuzzed: each target takes any bytes, and fails where a law of the parser behind it is broken.

A refusal in the parser's own words is no failure.
"""

import asyncio
import io
import json
from collections.abc import Callable, Mapping
from contextlib import suppress

from aiohttp import HttpVersion11, web
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict

from meshmesh import http1
from meshmesh_bridge.arrivals import Arrivals
from meshmesh_bridge.caller import CallerKind
from meshmesh_bridge.cors import EXTENSION
from meshmesh_bridge.guard import Guard, Need
from meshmesh_daemon.core import oauth
from meshmesh_daemon.core.classify import Kind, classify
from meshmesh_daemon.core.classify.strict_json import is_object
from meshmesh_daemon.core.problems import Problem
from meshmesh_daemon.core.targets import BadTarget, read_target
from meshmesh_daemon.usecases.beginning import read_pasted
from meshmesh_demo.errors import SalesforceError
from meshmesh_demo.soql import parser
from meshmesh_storage import backup_file
from meshmesh_storage.errors import BackupBroken
from meshmesh_storage.passphrase import Cost
from meshmesh_storage.sealing import Place, SealBroken, Sealer

V = "/services/data/v66.0"
ID = "001000000000001AAA"
JSON = "application/json"
PORT = 1717
CALLBACK = f"http://localhost:{PORT}/OauthRedirect"
OWN_HOSTS = {f"localhost:{PORT}", f"127.0.0.1:{PORT}", f"[::1]:{PORT}"}
OWN_ORIGINS = {f"http://{host}" for host in OWN_HOSTS}
EXTENSION_PAIRED = "chrome-extension://abcdefghijklmnop"

# Each changes something wherever it stands: (method, address, body).
WRITES: tuple[tuple[str, str, object], ...] = (
    ("POST", f"{V}/sobjects/Account", {"Name": "x"}),
    ("PATCH", f"{V}/sobjects/Account/{ID}", {"Name": "x"}),
    ("DELETE", f"{V}/sobjects/Account/{ID}", None),
    ("POST", f"{V}/composite/sobjects", {"records": []}),
    ("DELETE", f"{V}/composite/sobjects?ids={ID}", None),
    ("POST", f"{V}/actions/custom/flow/Go", {"inputs": []}),
    ("GET", f"{V}/tooling/executeAnonymous?anonymousBody=delete+x", None),
    ("GET", f"{V}/query?q=SELECT+Id+FROM+Account+FOR+VIEW", None),
)
SHAPES = ("composite", "tooling/composite", "composite/batch", "composite/graph")


def redirect(data: bytes) -> None:
    """The query of a redirect, pasted: it is refused, or holds each parameter once, and gives a code or an error."""
    text = data.decode("utf-8", "replace")
    for url in (text, f"{CALLBACK}?{text}"):
        with suppress(Problem):
            query = read_pasted(url, CALLBACK)
            assert url.strip().startswith(f"{CALLBACK}?") or url.strip() == CALLBACK
            found = oauth.read_redirect(query)
            assert isinstance(found, oauth.Refused) or found.code == query["code"] != ""


class _Line(asyncio.Transport):
    """A TCP connection whose socket nobody asks the kernel about."""


class _OwnArrivals(Arrivals):
    """Everybody is the owner's user, so that nothing but the headers decides."""

    def uid(self, transport: object) -> int | None:
        """The owner's."""
        return 0 if transport is not None else None


_GUARD = Guard(
    port=lambda: PORT,
    arrivals=_OwnArrivals(owner_uid=0, uid_of=lambda _: 0, files=4096),
    authenticate=lambda _: None,
    is_dashboard=lambda _: False,
    is_paired=lambda origin: origin == EXTENSION_PAIRED,
    client_of_process=lambda _: None,
    owner_uid=0,
)
_REQUEST = make_mocked_request("GET", "/status", version=HttpVersion11, transport=_Line())
_NEEDS = (Need.OPEN, Need.PAGE, Need.FORM, Need.PAIR, Need.CLIENT, Need.OWNER)


def knocking(data: bytes) -> None:
    """Host, Origin and fetch metadata: who is let in named this very service, and is no web page."""
    need = _NEEDS[data[0] % len(_NEEDS)] if data else Need.OPEN
    headers = CIMultiDict[str]()
    for line in data[1:].decode("latin-1").split("\n")[:8]:
        name, _, value = line.partition(":")
        if name and name.isascii() and name.replace("-", "").isalnum() and "\r" not in value and "\0" not in value:
            headers.add(name, value.strip(" \t"))
    request = _REQUEST.clone(headers=headers)
    try:
        caller = _GUARD.admit(request, need)
    except (Problem, web.HTTPException):
        return
    origins = headers.getall("Origin", [])
    assert headers.getall("Host", []) in [[host] for host in OWN_HOSTS]
    assert caller.kind is CallerKind.OPEN
    navigated = need is Need.PAGE and headers.get("Sec-Fetch-Mode") == "navigate"
    assert navigated or all(one in OWN_ORIGINS or EXTENSION.fullmatch(one) for one in origins)
    assert navigated or not origins or origins[0] in OWN_ORIGINS or need is Need.PAIR or origins == [EXTENSION_PAIRED]


def classification(data: bytes) -> None:
    """Any request gets a verdict, and a known write is never a read, however it is wrapped."""
    if len(data) < 3:
        return
    method, _, rest = data[3:].partition(b"\n")
    address, _, body = rest.partition(b"\n")
    with suppress(BadTarget):
        target = read_target(f"/o/demo{address.decode('latin-1')}", "/o/")
        classify(method.decode("latin-1"), target, JSON if data[0] & 1 else method.decode("latin-1"), body)
    write, shape = WRITES[data[1] % len(WRITES)], SHAPES[data[2] % len(SHAPES)]
    wrapped = _wrapped(write, shape, data[3:], first=bool(data[0] & 2))
    target = read_target(f"/o/demo{V}/{shape}", "/o/")
    for content in (wrapped, data[3:] + wrapped, wrapped + data[3:]):
        kind = classify("POST", target, JSON, content).kind
        assert kind is not Kind.READ, (shape, content)


def _wrapped(write: tuple[str, str, object], shape: str, junk: bytes, *, first: bool) -> bytes:
    """The write beside what the fuzzer thinks of: another request, further members."""
    method, address, body = write
    batch = shape == "composite/batch"
    one: dict[str, object] = {"method": method, "url": address.removeprefix("/services/data/") if batch else address}
    one |= {} if batch else {"referenceId": "w"}
    one |= {} if body is None else {"richInput" if batch else "body": body}
    told = _object(junk)
    other = told or {"method": "GET", "url": junk.decode("utf-8", "replace"), "referenceId": "r"}
    requests = [one, other] if first else [other, one]
    if batch:
        document: dict[str, object] = {"batchRequests": requests}
    elif shape == "composite/graph":
        document = {"graphs": [{"graphId": "1", "compositeRequest": requests}]}
    else:
        document = {"compositeRequest": requests}
    return json.dumps({**told, **document} if first else document).encode()


def _object(junk: bytes) -> dict[str, object]:
    with suppress(ValueError, RecursionError):
        told: object = json.loads(junk)
        if is_object(told):
            return dict(told)
    return {}


def soql(data: bytes) -> None:
    """Any text is a statement, or refused as Salesforce refuses."""
    with suppress(SalesforceError):
        parser.parse(data.decode("utf-8", "replace"))


_SEALER = Sealer({1: bytes(32), 2: bytes(range(32))}, 2)
_PLACE = Place("connections", "row", "refresh", 7)
_SEALED = _SEALER.seal(b"a refresh token", _PLACE)


def sealed(data: bytes) -> None:
    """Nothing opens but what was sealed, unchanged."""
    for blob in (data, _SEALED[: len(_SEALED) - len(data)] + data, _SEALED[:5] + data, data[:40] + _SEALED[40:]):
        try:
            opened = _SEALER.open(blob, _PLACE)
        except SealBroken:
            continue
        assert (blob, opened) == (_SEALED, b"a refresh token")


def _in_pieces(data: bytes, size: int) -> Callable[[int], bytes]:
    source = io.BytesIO(data)
    return lambda most: source.read(min(most, size))


def answer(data: bytes) -> None:
    """The command line reads an answer to its end, in whatever pieces it comes, or says that it is none."""
    found: list[tuple[int, Mapping[str, str], bytes] | None] = []
    for size in (1, 7, 1 << 16):
        try:
            read = http1.read(_in_pieces(data, size))
        except http1.MalformedAnswer:
            found.append(None)
        else:
            found.append((read.status, read.headers, read.body))
            assert 200 <= read.status <= 999
            assert len(read.body) <= len(data)
    assert found[0] == found[1] == found[2]


_CIPHER = backup_file.Cipher(backup_file.Head(Cost(memory_kib=8, iterations=1, lanes=1), bytes(16)), "passphrase")


def _backup() -> bytes:
    file = io.BytesIO()
    backup_file.write(file, [b"a" * 100], _CIPHER)
    return file.getvalue()


_BACKUP = _backup()


def backup(data: bytes) -> None:
    """The head of a backup is refused, or asks for no more than is bearable; content is whole and unchanged, or refused."""
    with suppress(BackupBroken):
        head = backup_file.Head.from_bytes(data)
        assert head.cost.bearable
    for content in (data, _BACKUP[: len(_BACKUP) - len(data)] + data, data[:50] + _BACKUP[50:], _BACKUP + data):
        try:
            opened = b"".join(backup_file.read(io.BytesIO(content), _CIPHER))
        except BackupBroken:
            continue
        assert (content, opened) == (_BACKUP, b"a" * 100)


TARGETS: Mapping[str, Callable[[bytes], None]] = {
    "redirect": redirect,
    "knocking": knocking,
    "classification": classification,
    "soql": soql,
    "sealed": sealed,
    "answer": answer,
    "backup": backup,
}
