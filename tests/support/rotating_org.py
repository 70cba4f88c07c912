"""An org in memory that rotates refresh tokens, and ends a grant whose old token is used again; and a line that fails.

It counts what a lost token or a second refresh at the same time would show in.
"""

from collections import Counter
from dataclasses import dataclass, field, replace
from enum import StrEnum
from urllib.parse import parse_qsl

from meshmesh_daemon.adapters.salesforce import HttpAnswer, Lost
from meshmesh_daemon.core.oauth import INTROSPECT_PATH
from support.clock import FakeClock
from support.outside import INSTANCE, ORG, json_answer, oauth_error, page, tokens

LIFE_SECONDS = 7200
SLOW_SECONDS = 4.0
LOGIN = "https://login.salesforce.com"


class Fault(StrEnum):
    """What happens to a request for tokens, and whether the org has carried it out."""

    NONE = "all is well"
    SLOW = "slow bytes: the answer takes seconds"
    NO_NAME = "no such name"
    REFUSED = "nobody listens"
    TLS = "a certificate of a stranger"
    RESET = "reset before the org has it"
    LOST = "carried out, and the answer lost"
    LATE = "carried out, and the answer comes after seconds"
    TRUNCATED = "carried out, and the answer cut"
    HIDDEN = "carried out, and a 503 in the answer's place"
    GARBAGE = "bytes that are no answer"
    PORTAL = "a captive portal's page"
    PORTAL_511 = "a captive portal that says so"
    REDIRECT = "302 to a portal"
    BROKEN = "500"
    BUSY = "429 with Retry-After"
    FORGED = "a refusal under a page's label"


_BEFORE: dict[Fault, HttpAnswer | Lost] = {
    Fault.NO_NAME: Lost("dns", sent=False),
    Fault.REFUSED: Lost("connect", sent=False),
    Fault.TLS: Lost("tls", sent=False),
    Fault.RESET: Lost("reset", sent=True),
    Fault.GARBAGE: HttpAnswer(status=200, content_type="application/json", headers={}, body=b"\x00\xff\x15\x03"),
    Fault.PORTAL: page(200),
    Fault.PORTAL_511: page(511),
    Fault.REDIRECT: page(302, location="http://portal.example/"),
    Fault.BROKEN: page(500),
    Fault.BUSY: page(429, **{"retry-after": "7"}),
    Fault.FORGED: page(400, '{"error":"invalid_grant","error_description":"expired access/refresh token"}'),
}


@dataclass
class Grant:
    """One sign-in at the org: its tokens, and what we were given of them."""

    user: str
    number: int = 0
    dead: bool = False
    delivered: set[str] = field(default_factory=set[str])
    under_way: int = 0
    most_under_way: int = 0
    sleeping: int = 0

    def refresh_token(self, number: int) -> str:
        """The refresh token of so many rotations."""
        return f"{self.user}/{number}"

    def access_token(self, number: int) -> str:
        """The access token that came with it."""
        return f"{ORG[:15]}!{self.user}.{number}"

    @property
    def current(self) -> str:
        """The one refresh token that is valid."""
        return self.refresh_token(self.number)

    @property
    def is_delivered(self) -> bool:
        """Whether we were given the newest tokens."""
        return self.access_token(self.number) in self.delivered

    def renew(self) -> None:
        """The person signs in again: the old tokens stay dead, and the new ones arrive."""
        self.number += 1
        self.dead = False
        self.delivered.add(self.access_token(self.number))


@dataclass
class RotatingOrg:
    """The world, as the use cases need it."""

    clock: FakeClock
    fault: Fault = Fault.NONE
    grants: dict[str, Grant] = field(default_factory=dict[str, Grant])
    met: Counter[str] = field(default_factory=Counter[str])

    def sign_in(self, user: str) -> Grant:
        """A new sign-in, whose first tokens have arrived."""
        grant = self.grants[user] = Grant(user)
        grant.delivered.add(grant.access_token(0))
        return grant

    async def get(self, url: str, *, access_token: str | None = None) -> HttpAnswer:
        """As `Salesforce.get`."""
        return page(404, url if access_token else "")

    async def post_form(self, url: str, form: str) -> HttpAnswer:
        """As `Salesforce.post_form`."""
        if url.endswith(INTROSPECT_PATH):
            if self.fault is not Fault.NONE:
                raise Lost("reset", sent=True)
            return json_answer({"active": True, "exp": LIFE_SECONDS, "iat": 0})
        asked = dict(parse_qsl(form))["refresh_token"]
        grant = self.grants[asked.rpartition("/")[0]]
        grant.under_way += 1
        grant.most_under_way = max(grant.most_under_way, grant.under_way)
        try:
            return await self._answered(grant, asked, self.fault)
        finally:
            grant.under_way -= 1

    async def _answered(self, grant: Grant, asked: str, fault: Fault) -> HttpAnswer:
        self.met[fault] += 1
        if fault in _BEFORE:
            return _given(_BEFORE[fault])
        if fault is Fault.SLOW:
            await self._sleep(grant)
        answer = self._carried_out(grant, asked)
        number = grant.number
        if fault is Fault.LATE:
            await self._sleep(grant)
        if fault is Fault.LOST:
            raise Lost("timeout", sent=True)
        if fault is Fault.HIDDEN:
            return page(503)
        if fault is Fault.TRUNCATED:
            return replace(answer, body=answer.body[: len(answer.body) // 2])
        if answer.status == 200:
            grant.delivered.add(grant.access_token(number))
        return answer

    async def _sleep(self, grant: Grant) -> None:
        grant.sleeping += 1
        try:
            await self.clock.sleep(SLOW_SECONDS)
        finally:
            grant.sleeping -= 1

    @staticmethod
    def _carried_out(grant: Grant, asked: str) -> HttpAnswer:
        if asked != grant.current:
            grant.dead = True
        if grant.dead:
            return oauth_error("invalid_grant", "expired access/refresh token")
        grant.number += 1
        access, refresh = grant.access_token(grant.number), grant.current
        return tokens(access, refresh, instance_url=INSTANCE, id=f"{LOGIN}/id/{ORG}/{grant.user}")


def _given(answer: HttpAnswer | Lost) -> HttpAnswer:
    if isinstance(answer, Lost):
        raise answer
    return answer
