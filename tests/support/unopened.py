"""A home with something in every place, whose service ended: what a first touch of any of it says in the next run.

After a start a connection is known by its id, its app, its status and the hash of its name, and is opened by whoever first
needs more. `furnish` makes a home whose connections have programs, plans and sign-ins, and writes down what each door said
of them in the run in which they were made. `begun_again` starts a service on a copy of it, where none of them was touched
yet but `demo`, which the start itself looks at.
"""

import http.client
import json
import re
import shutil
import socket
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Barrier
from typing import Any
from urllib.parse import urlsplit

from support.demo_org import ADA
from support.org_state import pull
from support.person import Person
from support.plans import ROOT
from support.service import Answer, Service, start

ACCOUNTS = f"{ROOT}/sobjects/Account"
QUERY = f"{ROOT}/query?q=SELECT+Id,Name+FROM+Account+ORDER+BY+Name+LIMIT+3"
RUN = {"Name": "Was approved before the end"}  # its answer is still to be picked up
WELL = ("apart", "spare")
TOKENS_OF = (*WELL, "ill", "walled")  # the agent's
CROWD = tuple(f"crowd-{number:02}" for number in range(20))
MAX_APPROVALS = 5  # of one user and app, at Salesforce
READY_SCOPES = ("api", "refresh_token", "web")
_PORT = re.compile(r"localhost:\d+")
_TIME = re.compile(r"<time .*?</time>")

# Who asks, and what; names in braces stand for ids.
Read = tuple[str, str]


@dataclass(frozen=True, kw_only=True)
class Furnished:
    """A home that can be begun again, as it was left.

    `tokens` are the programs' by their names; `ids` what the braces of a read stand for; `sign_in` an attempt that
    waits to renew `spare`; `access_tokens` those of the well ones; `told` what each read was answered, `activity` the rows that
    there were.
    """

    home: Path
    tokens: Mapping[str, str] = field(repr=False)
    ids: Mapping[str, str]
    sign_in: Mapping[str, str]
    access_tokens: Mapping[str, str] = field(repr=False)
    told: Mapping[Read, object]
    activity: Sequence[Mapping[str, object]]


@dataclass(frozen=True, kw_only=True)
class Cold:
    """The service of a furnished home, begun again."""

    service: Service
    was: Furnished

    def owner(self, method: str, target: str, body: object = None) -> Answer:
        """One call of the owner's."""
        return self.service.call(method, target.format_map(self.was.ids), body, owner=True)

    def agent(self, method: str, target: str, body: object = None, *, name: str = "agent") -> Answer:
        """One call of a program's."""
        return self.service.call(method, target.format_map(self.was.ids), body, token=self.was.tokens[name])

    def look(self, read: Read) -> object:
        """What a read says, without the times and ports of this run."""
        return looked(self.service, read, self.was.tokens, self.was.ids)

    def token(self, name: str) -> str:
        """A connection's token, which must be there."""
        answer = self.agent("GET", f"/v1/connections/{name}/token", name="crowd" if name in CROWD else "agent")
        assert answer.status == 200, answer.body
        return str(answer.json()["access_token"])

    def at_once(self, calls: Sequence[Callable[[], Answer]]) -> list[int]:
        """The statuses of calls that all begin together."""
        ready = Barrier(len(calls))

        def begin(call: Callable[[], Answer]) -> int:
            ready.wait(20)
            return call().status

        with ThreadPoolExecutor(len(calls)) as pool:
            return list(pool.map(begin, calls))

    def end_sign_in(self, authorize_url: str) -> None:
        """A person goes through a sign-in's pages, and their browser comes back to where the service is now."""
        self._arrive(Person(ADA).come_back(self._moved(authorize_url)))

    def _arrive(self, address: str) -> None:
        parts = urlsplit(address)
        answer = self.service.call("GET", f"{parts.path}?{parts.query}")
        assert answer.status == 303, answer.body

    def _moved(self, authorize_url: str) -> str:
        """The address at the demo org where that is now: it has its old port if nobody has taken it."""
        here = self.owner("GET", "/v1/connections/demo").json()["login_host"]
        return str(here) + authorize_url.removeprefix(_origin(authorize_url))


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def looked(service: Service, read: Read, tokens: Mapping[str, str], ids: Mapping[str, str]) -> object:
    """What a read says: its status, and its body without times and ports."""
    who, target = read
    if "{org}" in target:
        org = service.call("GET", "/v1/connections/demo", owner=True).json()["instance_url"]
        ids = {**ids, "org": str(org).removeprefix("http://")}
    answer = service.call("GET", target.format_map(ids), owner=who == "owner", token=tokens.get(who))
    text = _PORT.sub("localhost", answer.body.decode().replace(str(service.home), "home"))
    if "json" in answer.headers["content-type"]:
        return answer.status, json.loads(text, object_hook=_timeless)
    return answer.status, _TIME.sub("", text)


def _timeless(member: dict[str, Any]) -> dict[str, Any]:
    """What stays of an object of JSON in another run."""
    return {key: value for key, value in member.items() if not key.endswith("_at") and key not in {"pid", "port"}}


@contextmanager
def listening(service: Service, token: str | None = None) -> Generator[Iterator[tuple[str, Any]]]:
    """A stream of events, as names and data, of a program or of the owner."""
    line = http.client.HTTPConnection("localhost", service.port, timeout=20)
    line.sock = socket.socket(socket.AF_INET if token else socket.AF_UNIX)
    line.sock.settimeout(20)
    line.sock.connect(("127.0.0.1", service.port) if token else str(service.socket_path))
    try:
        line.request("GET", "/v1/events", headers={"Authorization": f"Bearer {token}"} if token else {})
        answer = line.getresponse()
        assert answer.status == 200
        yield _events(answer)
    finally:
        line.close()


def _events(lines: http.client.HTTPResponse) -> Iterator[tuple[str, Any]]:
    name = ""
    for line in lines:
        key, _, value = line.decode().strip().partition(": ")
        if key == "event":
            name = value
        elif key == "data":
            yield name, json.loads(value)


@contextmanager
def begun_again(was: Furnished, home: Path) -> Generator[Cold]:
    """The service of a home, which is the furnished one or a copy of it; it ends well, with nothing to complain of."""
    service = start(home, **compiled_beside(was.home))
    try:
        yield Cold(service=service, was=was)
    finally:
        code = service.stop()
    complaints = [line for line in service.log.splitlines() if line.startswith("E ") or "Traceback" in line]
    assert (code, complaints) == (0, [])


def killed(was: Furnished, home: Path) -> Path:
    """A copy of a home in which a service was killed while it was at work: nothing spares the next one the proof."""
    service = start(copied(was.home, home), **compiled_beside(was.home))
    try:
        used = service.call("GET", "/v1/connections/spare/token", token=was.tokens["agent"])
    finally:
        service.kill()
    assert used.status == 200
    return home


def compiled_beside(home: Path) -> dict[str, str]:
    """Where the services of a home keep their compiled code: most of a start is compiling, and there are many starts."""
    return {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(home.with_name("compiled"))}


def copied(home: Path, other: Path) -> Path:
    """A copy of a home, without what belongs to one run."""
    shutil.copytree(home, other, ignore=shutil.ignore_patterns("runtime", "stderr.log"))
    return other


def furnish(home: Path, *, reads: Sequence[Read] = (), crowd: Sequence[str] = ()) -> Furnished:
    """Make the home, ask the reads, and end its service as a person would.

    Of its connections `ill` needs its person and `walled` an admin; `apart` and `spare` are well, and `busy` has plans.
    One was given no name, so that it is `demo-2`.

    Args:
        home: a folder.
        reads: what is asked before the end.
        crowd: names of further connections, which are well.
    """
    service = start(home, **compiled_beside(home))
    try:
        _connect_all(service, crowd)
        tokens = {
            "agent": service.pair(*map(_all_of, TOKENS_OF), {"connection": "busy", "mode": "plan"}, name="agent"),
            "crowd": service.pair(*map(_all_of, crowd), name="crowd"),
            "newcomer": service.pair({"connection": "demo", "mode": "read"}, name="newcomer"),
        }
        ids = _ids(service) | _plans(service, tokens["agent"])
        for name, token in tokens.items():
            ids[name] = str(service.call("GET", "/v1/me", token=token).json()["id"])
        begun = service.call("POST", "/v1/connections/spare/reconnect", {}, owner=True).json()["sign_in"]
        ids["sign_in"] = begun["id"]
        given = {
            name: service.call("GET", f"/v1/connections/{name}/token", token=tokens["agent"]).json()["access_token"]
            for name in WELL
        }
        assert service.eventually(lambda: _ends_are_known(service))
        told = {read: looked(service, read, tokens, ids) for read in reads}
        activity = service.call("GET", "/v1/activity?limit=1000", owner=True).json()["activity"]
    finally:
        code = service.stop()
    assert code == 0
    assert (home / "data" / "vault.fingerprint").exists()  # the next run believes it, and opens nothing
    return Furnished(
        home=home,
        tokens=tokens,
        ids=ids,
        sign_in=begun,
        access_tokens=given,
        told=told,
        activity=activity,
    )


def _ends_are_known(service: Service) -> bool:
    """Whether it is known of every session when it ends, which is learnt after a sign-in."""
    listed = service.call("GET", "/v1/connections", owner=True).json()["connections"]
    return all(one["session"]["expires_at"] for one in listed if one["status"] == "connected")


def _all_of(name: str) -> dict[str, object]:
    """A grant of everything."""
    return {"connection": name, "mode": "build", "raw_token": True}


def _ids(service: Service) -> dict[str, str]:
    listed = service.call("GET", "/v1/connections", owner=True).json()["connections"]
    return {f"{one['name']}_id": str(one["id"]) for one in listed}


def _connect_all(service: Service, crowd: Sequence[str]) -> None:
    _connect(service, "ill")
    _lever(service, "revoke")
    _lever(service, "expire-session")
    assert _test(service, "ill") == "needs_you"
    assert _test(service, "demo") == "needs_you"
    _finish(service, service.call("POST", "/v1/connections/demo/reconnect", {}, owner=True))
    pull(service, "app", client_id="walled", rotation=True)
    _connect(service, "walled", app={"client_id": "walled"})
    pull(service, "app", client_id="walled", blocked=True)
    _lever(service, "expire-session")
    assert _test(service, "walled") == "blocked"
    for name in ("apart", "spare", "busy"):
        _connect(service, name, scopes=READY_SCOPES)
    _connect(service, None)
    for number, name in enumerate(crowd):
        app = f"app-{number // MAX_APPROVALS}"
        if number % MAX_APPROVALS == 0:
            pull(service, "app", client_id=app, rotation=True)
        _connect(service, name, app={"client_id": app})


def _lever(service: Service, name: str) -> None:
    assert service.call("POST", f"/v1/demo/{name}", {}, owner=True).status == 200


def _test(service: Service, name: str) -> str:
    """How a connection is said to be after it was tested."""
    service.call("POST", f"/v1/connections/{name}/test", {}, owner=True)
    return str(service.call("GET", f"/v1/connections/{name}", owner=True).json()["status"])


def _connect(service: Service, name: str | None, **asked: object) -> None:
    named = {"name": name} if name else {}
    _finish(service, service.call("POST", "/v1/connections", {"environment": "demo"} | named | asked, owner=True))


def _finish(service: Service, begun: Answer) -> None:
    assert begun.status == 202, begun.body
    sign_in = begun.json()["sign_in"]
    Person(ADA).go(sign_in["authorize_url"])
    ended = service.call("GET", f"/v1/sign-ins/{sign_in['id']}", owner=True).json()
    assert ended["status"] == "done", ended


def _plans(service: Service, agent: str) -> dict[str, str]:
    """One that waits, one that was rejected, one that has run: their ids, by what became of them."""
    made = {"held": "Waits", "rejected": "Was rejected"}
    ids: dict[str, str] = {}
    for fate, name in made.items():
        request = {"method": "POST", "path": ACCOUNTS, "body": {"Name": name}}
        body = {"connection": "busy", "reason": name, "requests": [request]}
        ids[fate] = service.call("POST", "/v1/plans", body, token=agent).json()["id"]
    service.call("POST", f"/v1/plans/{ids['rejected']}/reject", {"reason": "Not now"}, owner=True)
    ids["run"] = service.call("POST", f"/o/busy{ACCOUNTS}", RUN, token=agent).headers["meshmesh-plan"]
    ran = service.call("POST", f"/v1/plans/{ids['run']}/approve", {}, owner=True)
    assert ran.json()["status"] == "done", ran.body
    return ids
