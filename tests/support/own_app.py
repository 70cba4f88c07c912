"""The person's own External Client App at an org: set up by the guide's eight steps, and asked for in a sign-in."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from support.attempts import House, house_of
from support.demo_org import ADA
from support.peer import Json, Peer, peer, view
from support.person import Person
from support.service import Answer

NUMBERS = count(1)
SECRET = "a secret of the test"


@dataclass(frozen=True, kw_only=True)
class Setting:
    """A service, an org beside it, and the apps that its admin makes."""

    house: House
    org: Peer

    def eight_steps(self, **otherwise: object) -> str:
        """An app by the guide: a secret with code and refresh, client credentials without a Run As user, no PKCE."""
        client_id = f"3MVG9.own.{next(NUMBERS)}"
        guide: Json = {
            "scopes": ["api", "refresh_token", "offline_access"],
            "callbacks": [f"http://localhost:{self.house.service.port}/OauthRedirect"],
            "secret": SECRET,
            "secret_for_code": True,
            "secret_for_refresh": True,
            "client_credentials": True,
            "run_as": None,
            "pkce_required": False,
            "rotation": False,
        }
        self.org.app(client_id, **guide | otherwise)
        return client_id

    @contextmanager
    def fresh_name(self) -> Generator[str]:
        """A name that no other test has; what was connected is disconnected, or the org would count to five."""
        mine = f"own-{next(NUMBERS)}"
        yield mine
        for one in self.house.names():
            if one.startswith(mine):
                self.house.call("DELETE", f"/v1/connections/{one}")

    def connect(self, name: str, app: Json, login: str = ADA, **asked: object) -> Json:
        """Connect with an app, as somebody, and look at what came of it."""
        ended = self.house.begin(name, app=app, **asked).end(Person(login))
        assert ended.status == "done", ended.told.body
        return view(self.house.service, name)


@contextmanager
def side_by_side(org_folder: Path, home: Path) -> Generator[Setting]:
    """An org and a service that may sign in to it, ended with the block."""
    with peer(org_folder) as org, house_of(org.origin, home) as house:
        yield Setting(house=house, org=org)


def own(client_id: str, secret: str | None = SECRET, **more: object) -> Json:
    """An app as Advanced Settings name it."""
    return {"client_id": client_id, **({"client_secret": secret} if secret else {}), **more}


def robot(client_id: str, secret: str = SECRET) -> Json:
    """The same, for the client credentials flow."""
    return own(client_id, secret, flow="client_credentials")


def is_refusal(answer: Answer, status: int, code: str, *words: str) -> bool:
    """Whether an answer is this refusal, with these words in its title and sentence, and no attempt is open for it."""
    told = answer.json()
    assert (answer.status, told["code"]) == (status, code), answer.body
    assert "sign_in" not in told
    assert all(word in f"{told['title']} {told['detail']}" for word in words), told
    return True
