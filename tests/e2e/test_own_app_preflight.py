"""What is wrong with an own app is told before a browser opens, and leaves nothing behind.

What only shows once the user is known ends on our page instead.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from html import unescape

import pytest

from support.demo_org import ADA, RITA
from support.own_app import SECRET, Setting, is_refusal, own, side_by_side
from support.peer import Json
from support.person import Person

ERROR_PAGE = "/setup/secur/RemoteAccessErrorPage.apexp"


@pytest.fixture(scope="module")
def setting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Setting]:
    """One service and one org for all."""
    with side_by_side(tmp_path_factory.mktemp("org"), tmp_path_factory.mktemp("home")) as made:
        yield made


@pytest.fixture
def name(setting: Setting) -> Iterator[str]:
    """A name that no other test has."""
    with setting.fresh_name() as mine:
        yield mine


@dataclass(frozen=True, kw_only=True)
class Wrong:
    """A mistake: how the app was set up, what is asked of it, what is told, and what mends it."""

    policies: Mapping[str, object] = field(default_factory=dict[str, object])
    scopes: list[str] | None = None
    words: tuple[str, ...]
    step: str
    for_admin: bool = False
    mended: Mapping[str, object]


WRONG = {
    "the callback is another": Wrong(
        policies={"callbacks": ["http://localhost:1718/OauthRedirect"]}, words=("callback", "/OauthRedirect"),
        step="app's settings", mended={"callbacks": ["http://localhost:*/OauthRedirect"]},
    ),
    "the callback ends in a slash": Wrong(
        policies={"callbacks": ["http://localhost:*/OauthRedirect/"]}, words=("callback", "/OauthRedirect"),
        step="app's settings", mended={"callbacks": ["http://localhost:*/OauthRedirect"]},
    ),
    "a scope is not the app's": Wrong(
        scopes=["api", "refresh_token", "wave_api"], words=("lacks a permission", "scopes"), step="app's settings",
        mended={"scopes": ["api", "refresh_token", "wave_api"]},
    ),
    "the app may not stay signed in": Wrong(
        policies={"scopes": ["api"]}, words=("lacks a permission", "refresh_token"), step="app's settings",
        mended={"scopes": ["api", "refresh_token"]},
    ),
    "the code flow is off": Wrong(
        policies={"code_flow": False}, words=("does not allow this flow",), step="app's settings", mended={"code_flow": True},
    ),
    "the app is not installed": Wrong(
        policies={"installed": False}, words=("not installed",), step="admin", for_admin=True, mended={"installed": True},
    ),
}  # fmt: skip


@pytest.mark.parametrize("mistake", WRONG)
def test_a_mistake_is_told_before_the_browser(setting: Setting, name: str, mistake: str) -> None:
    """The answer to the request is the sentence; put right, the very same request begins a sign-in that works."""
    case = WRONG[mistake]
    client_id = setting.eight_steps(**case.policies)
    refused = setting.house.ask(name, app=own(client_id), scopes=case.scopes)

    assert is_refusal(refused, 400, "sign_in_failed", *case.words)
    assert case.step in refused.json()["next"]["label"]
    assert ("message_for_admin" in refused.json()) is case.for_admin
    setting.org.app(client_id, **case.mended)
    assert setting.connect(name, own(client_id), scopes=case.scopes)["status"] == "connected"


def test_an_unknown_client_id_asks_for_the_my_domain(setting: Setting, name: str) -> None:
    """The app may be known at its own org only, or be too new: both are said."""
    refused = setting.house.ask(name, app=own("3MVG9.nobody"))

    assert is_refusal(refused, 400, "sign_in_failed", "client ID is not known", "My Domain", "2 to 10 minutes")
    assert "My Domain" in refused.json()["next"]["label"]


PLAYED = {
    "OAUTH_APP_BLOCKED": ("this app is blocked by admin", "must allow this app"),
    "OAUTH_APP_ACCESS_DENIED": ("user is not admin approved to access this app", "Access Denied"),
    "OAUTH_EC_APP_NOT_FOUND": ("External client app is not installed in this org", "not installed"),
    "OAUTH_APPROVAL_ERROR_GENERIC": ("An unexpected error has occured during authentication.", "must allow this app"),
    "invalid_client_id": ("client identifier invalid", "client ID is not known"),
    "redirect_uri_mismatch": ("redirect_uri must match configuration", "callback"),
    "invalid_request": ("missing required code challenge", "proof"),
}


@pytest.mark.parametrize("shape", ["its error page", "our callback", "a text", "a page"])
@pytest.mark.parametrize("code", PLAYED)
def test_an_error_of_the_login_host_is_read_in_every_shape(setting: Setting, name: str, code: str, shape: str) -> None:
    """A redirect to Salesforce's error page or to us, a bare text, a page with a link: one sentence, no browser."""
    description, word = PLAYED[code]
    query = f"error={code}&error_description={description.replace(' ', '+')}"
    callback = f"http://localhost:{setting.house.service.port}/OauthRedirect"
    status, headers, body = {
        "its error page": (302, {"Location": f"{ERROR_PAGE}?{query}"}, ""),
        "our callback": (302, {"Location": f"{callback}?{query}&state=x"}, ""),
        "a text": (400, {"Content-Type": "text/plain"}, query.replace("+", "%20")),
        "a page": (200, {}, f'<html><a href="{ERROR_PAGE}?{query.replace("&", "&amp;")}">OAuth Error</a></html>'),
    }[shape]
    client_id = setting.eight_steps()
    setting.org.play(status, body, where="oauth", headers=headers)
    refused = setting.house.ask(name, app=own(client_id))

    assert is_refusal(refused, 400, "sign_in_failed", word)
    assert refused.json()["next"]["label"]


@pytest.mark.parametrize(
    ("status", "body"), [(503, "<html>Service Unavailable</html>"), (404, "<html>URL No Longer Exists</html>")]
)
def test_a_login_host_without_a_login_page(setting: Setting, name: str, status: int, body: str) -> None:
    """An outage, or no org at this address: told instead of a browser that shows it."""
    client_id = setting.eight_steps()
    setting.org.play(status, body, where="oauth")
    refused = setting.house.ask(name, app=own(client_id))

    assert is_refusal(refused, 400, "sign_in_failed")
    assert refused.json()["next"]["label"]


@pytest.mark.parametrize(
    ("policies", "words"),
    [
        ({"blocked": True}, "must allow this app"),
        ({"permitted_users": [RITA]}, "Access Denied"),
        ({"ip_restricted": True}, "Access Denied"),
    ],
    ids=["blocked", "not admitted", "another network"],
)
def test_what_only_shows_after_the_login_ends_on_our_page(
    setting: Setting, name: str, policies: Json, words: str
) -> None:
    """A policy that depends on the user: the browser lands on our page, with the message for the admin."""
    ended = setting.house.begin(name, app=own(setting.eight_steps(**policies))).end(Person(ADA))
    error = ended.told.json()["error"]

    assert (ended.status, ended.page.status, error["code"]) == ("failed", 400, "sign_in_failed")
    assert words in error["title"]
    assert words in ended.page.text
    assert error["message_for_admin"] in unescape(ended.page.text)
    assert name not in setting.house.names()


def test_a_reconnect_is_looked_at_before_the_browser_too(setting: Setting, name: str) -> None:
    """The app was uninstalled since: Reconnect says so at once, as connect does, and works when it is back."""
    client_id = setting.eight_steps()
    setting.connect(name, own(client_id))
    setting.org.app(client_id, installed=False)
    refused = setting.house.call("POST", f"/v1/connections/{name}/reconnect")
    setting.org.app(client_id, installed=True)

    assert is_refusal(refused, 400, "sign_in_failed", "not installed")
    assert setting.house.begin_reconnect(name).end(Person(ADA)).status == "done"


def test_refused_sign_ins_use_up_nothing(setting: Setting, name: str) -> None:
    """Forty mistakes in a row, more than may be open at once, leave room for the sign-in that is right."""
    client_id = setting.eight_steps(installed=False)
    refused = [setting.house.ask(f"{name}-{number}", app=own(client_id)).status for number in range(40)]
    setting.org.app(client_id, installed=True)

    assert refused == [400] * 40
    assert setting.connect(name, own(client_id))["status"] == "connected"


def test_no_secret_in_any_answer_address_or_log(setting: Setting, name: str) -> None:
    """The secret is in no answer to its owner, in no address that a browser sees, and not in the log."""
    client_id = setting.eight_steps()
    begun = setting.house.ask(name, app=own(client_id))
    back = Person(ADA).come_back(begun.json()["sign_in"]["authorize_url"])
    ended = Person(ADA).go(back)
    listed = setting.house.call("GET", "/v1/connections").body.decode()

    for text in (begun.body.decode(), back, ended.text, listed, setting.house.service.log):
        assert SECRET not in text
        assert "client_secret" not in text
