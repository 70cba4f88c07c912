"""The link that signs a browser in: only one to the org that was asked is one."""

import json

import pytest

from meshmesh_daemon.core.frontdoor import link_in

ORG = "https://acme.my.salesforce.com"
LINK = f"{ORG}/secur/frontdoor.jsp?otp=abc&cshc=def"


def body(link: object) -> bytes:
    """An answer of `singleaccess`."""
    return json.dumps({"frontdoor_uri": link}).encode()


@pytest.mark.parametrize("origin", [ORG, "https://ACME.my.salesforce.com", f"{ORG}/"])
def test_a_link_to_the_org_is_taken(origin: str) -> None:
    """As it stands, whatever the case of the host."""
    assert link_in(body(LINK), origin) == LINK


@pytest.mark.parametrize(
    "answer",
    [
        b"", b"<html>", b"[]", b"null", b"{}", body(None), body(5), body(""), body("/secur/frontdoor.jsp?otp=abc"),
        body("http://acme.my.salesforce.com/secur/frontdoor.jsp"), body("https://evil.example.com/secur/frontdoor.jsp"),
        body("https://acme.my.salesforce.com@evil.example.com/"), body("https://acme.my.salesforce.com.evil.example.com/"),
        body("javascript:alert(1)"), body(f"{LINK}\nX"), body("https://[acme"), body("https://acme.my.salesforce.com:8443/x"),
    ],
)  # fmt: skip
def test_anything_else_is_none(answer: bytes) -> None:
    """Another host, another scheme, another port, a page, or nothing: the browser is sent nowhere."""
    assert link_in(answer, ORG) is None
