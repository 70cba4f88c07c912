"""Which hosts of a browser's address bar are faces of an org."""

import pytest

from meshmesh_daemon.core.hosts import serves

ACME = "https://acme.my.salesforce.com"
UAT = "https://acme--uat.sandbox.my.salesforce.com"


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        (ACME, "acme.my.salesforce.com"),
        (ACME, "acme.lightning.force.com"),
        (ACME, "ACME.lightning.force.com"),
        (ACME, "acme.my.salesforce-setup.com"),
        (ACME, "acme--c.vf.force.com"),
        (UAT, "acme--uat.sandbox.lightning.force.com"),
        (UAT, "acme--uat--c.sandbox.vf.force.com"),
        ("http://localhost:5555", "localhost:5555"),
    ],
)
def test_an_orgs_own_faces(origin: str, host: str) -> None:
    """Its API's host, and where Lightning, Setup and Visualforce show it."""
    assert serves(origin, host)


@pytest.mark.parametrize(
    "host",
    [
        "other.lightning.force.com",
        "acme--uat.sandbox.lightning.force.com",
        "acme.lightning.force.com.example.com",
        "acme.my.site.com",
        "acme.my.salesforce.com:8443",
        "https://acme.my.salesforce.com",
        "my.salesforce.com",
        "",
    ],
)
def test_what_is_none(host: str) -> None:
    """Other orgs, its own sandbox, its sites, another port, and what only looks alike."""
    assert not serves(ACME, host)
