"""Sign-ins as their owner and the browser see them: asked for, under way, ended."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from support.person import Page, Person
from support.service import Answer, Service, start


@dataclass(frozen=True, kw_only=True)
class House:
    """A service, and the server at which its owner signs in."""

    service: Service
    origin: str

    def ask(self, name: str | None, **asked: object) -> Answer:
        """Ask for a connection there; `asked` is what else is said, or said otherwise."""
        whole = {"environment": "custom", "domain": self.origin, "name": name} | asked
        return self.call("POST", "/v1/connections", {key: value for key, value in whole.items() if value is not None})

    def begin(self, name: str | None = None, **asked: object) -> "Attempt":
        """An attempt that waits for the browser."""
        return Attempt.of(self, self.ask(name, **asked))

    def begin_reconnect(self, name: str) -> "Attempt":
        """Press Reconnect."""
        return Attempt.of(self, self.call("POST", f"/v1/connections/{name}/reconnect"))

    def names(self) -> list[str]:
        """The connections that are there."""
        return [str(one["name"]) for one in self.call("GET", "/v1/connections").json()["connections"]]

    def disconnect_all(self) -> None:
        """Leave the demo connection and no other."""
        for name in self.names():
            if name != "demo":
                self.call("DELETE", f"/v1/connections/{name}")

    def call(self, method: str, target: str, body: object = None) -> Answer:
        """One call of the owner's."""
        return self.service.call(method, target, body, owner=True)


@contextmanager
def house_of(origin: str, home: Path) -> Generator[House]:
    """A service whose owner may sign in at a server, ended with the block."""
    service = start(home, MESHMESH_EXTRA_LOGIN_ORIGINS=origin)
    try:
        yield House(service=service, origin=origin)
    finally:
        service.stop()


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One attempt, and what can be done to it."""

    house: House
    id: str
    authorize_url: str

    @classmethod
    def of(cls, house: House, begun: Answer) -> "Attempt":
        """The attempt that an answer tells of."""
        assert begun.status == 202, begun.body
        told = begun.json()["sign_in"]
        return cls(house=house, id=told["id"], authorize_url=told["authorize_url"])

    def end(self, person: Person) -> "Ended":
        """Somebody goes through the server's pages to the end."""
        page = person.go(self.authorize_url)
        return Ended(id=self.id, page=page, told=self.house.call("GET", f"/v1/sign-ins/{self.id}"))

    @property
    def back(self) -> str:
        """An address that a browser could come back to, without `code` or `error`."""
        query = parse_qs(urlsplit(self.authorize_url).query)
        return f"{query['redirect_uri'][0]}?state={query['state'][0]}"

    @property
    def page(self) -> str:
        """The address of its page."""
        return f"http://localhost:{self.house.service.port}/signed-in/{self.id}"

    def comes_back(self, **query: str) -> Page:
        """The browser comes back with these parameters, and shows the page at the end."""
        return Person("somebody").go(f"{self.back}&{urlencode(query)}")

    def told(self) -> Any:
        """What the owner is told; a test looks into it freely."""
        return self.house.call("GET", f"/v1/sign-ins/{self.id}").json()

    def pasted(self, url: str) -> Answer:
        """The owner pastes an address."""
        return self.house.call("POST", f"/v1/sign-ins/{self.id}/redirect", {"url": url})

    def kept(self, name: str | None) -> Answer:
        """The owner keeps what came."""
        return self.house.call("POST", f"/v1/sign-ins/{self.id}/keep", {"name": name} if name else {})


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How an attempt ended: the page that the browser shows, and what the owner is told."""

    id: str
    page: Page
    told: Answer

    @property
    def status(self) -> str:
        """The attempt's."""
        return str(self.told.json()["status"])
