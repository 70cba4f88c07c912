"""Hosts: what people paste becomes the right login host, and no look-alike ever gets a secret."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from meshmesh_daemon.core.hosts import HostPolicy, UntrustedHost, suggest_name
from meshmesh_daemon.core.problems import Problem
from meshmesh_storage.records import Environment

PEER = "https://localhost:9443"
DEMO = "http://127.0.0.1:40123"
ACME = "https://acme.my.salesforce.com"
LOGIN = "https://login.salesforce.com"
POLICY = HostPolicy(frozenset({PEER, "https://idp.example:8443", "http://[::1]:9000"}), DEMO)
BARE = HostPolicy(frozenset())

OWN_HOSTS = [
    "login.salesforce.com",
    "test.salesforce.com",
    "welcome.salesforce.com",
    "acme.my.salesforce.com",
    "acme--uat.sandbox.my.salesforce.com",
    "power-saver-1234.scratch.my.salesforce.com",
    "acme-dev-ed.develop.my.salesforce.com",
    "curious-otter.trailblaze.my.salesforce.com",
    "acme.demo.my.salesforce.com",
    "acme.free.my.salesforce.com",
    "acme.patch.my.salesforce.com",
    "acme.my.salesforce.mil",
    "acme.my.sfcrmproducts.cn",
    "acme--uat.sandbox.my.sfcrmproducts.cn",
    "acme.cs42.my.salesforce.com",
    "na35.salesforce.com",
    "cs174.salesforce.com",
    "eu11.salesforce.com",
    "ap5.salesforce.com",
]
API_HOSTS = ["api.salesforce.com", "abc123.c360a.salesforce.com"]
CUSTOMER_CONTENT = [
    "acme.lightning.force.com",
    "acme.my.salesforce-setup.com",
    "acme--c.vf.force.com",
    "acme.file.force.com",
    "acme.my.site.com",
    "acme.my.salesforce-sites.com",
    "acme.builder.salesforce-experience.com",
    "c.na35.visual.force.com",
    "acme.secure.force.com",
    "force.com",
]
LOOK_ALIKES = [
    # suffix tricks
    "https://evil-salesforce.com",
    "https://loginsalesforce.com",
    "https://login.salesforce.com.evil.com",
    "https://my.salesforce.com.evil.com",
    "https://acme.my.salesforce.com.evil.com",
    "https://acmemy.salesforce.com",
    "https://evil.com/login.salesforce.com",
    "https://evil.com?login.salesforce.com",
    "https://evil.com#login.salesforce.com",
    "https://evil.com/.my.salesforce.com",
    "https://my.salesforce.com",
    "https://.my.salesforce.com",
    "https://acme..my.salesforce.com",
    "https://acme.my-salesforce.com",
    "https://acme.my.salesforce.co",
    "https://a.login.salesforce.com",
    "https://na35.salesforce.com.salesforce.evil",
    "https://org.pc-rnd.salesforce.com",
    "https://help.salesforce.com",
    "https://trailhead.salesforce.com",
    "https://salesforce.com",
    # user-info
    "https://login.salesforce.com@evil.com",
    "https://login.salesforce.com:443@evil.com",
    "https://user@login.salesforce.com",
    "https://evil.com@login.salesforce.com",
    "https://login.salesforce.com%40evil.com",
    # other alphabets
    "https://login.sаlesforce.com",  # a Cyrillic a
    "https://login.salesforce。com",
    "https://ｌogin.salesforce.com",
    "https://login.salesforce.com\u200b",
    "https://login.saleſforce.com",
    "https://xn--80ak6aa92e.my.salesforce.com",
    "https://login.xn--slesforce-4fg.com",
    # dots, ports, escapes
    "https://login.salesforce.com..",
    "https://login..salesforce.com",
    "https://login.salesforce.com:8443",
    "https://login.salesforce.com:0443",
    "https://login.salesforce.com:",
    "https://login.salesforce.com:443:443",
    "https://login.salesforce.com:+443",
    "https://login.salesforce.com:443.evil.com",
    "https://login%2esalesforce.com",
    "https://evil.com%2f.my.salesforce.com",
    "https://evil.com%00.my.salesforce.com",
    "https://acme_x.my.salesforce.com",
    "https://-acme.my.salesforce.com",
    "https://acme-.my.salesforce.com",
    "https://*.my.salesforce.com",
    # control characters, spaces and backslashes inside
    "https://login.sales\tforce.com",
    "https://login.salesforce.com\n.evil.com",
    "https://evil.com\\.my.salesforce.com",
    "https://evil.com\\@login.salesforce.com",
    "https:\\\\login.salesforce.com",
    "https://evil.com .my.salesforce.com",
    "https://login.salesforce.com\x00",
    # schemes
    "http://login.salesforce.com",
    "https:login.salesforce.com",
    "https:/login.salesforce.com",
    "https:///login.salesforce.com",
    "//login.salesforce.com",
    "ftp://login.salesforce.com",
    "javascript://login.salesforce.com/%0aalert(1)",
    "data:text/html,login.salesforce.com",
    "file:///etc/passwd",
    "https://https://login.salesforce.com",
    # IP addresses
    "https://127.0.0.1",
    "https://136.146.46.112",
    "https://[::1]",
    "https://[::ffff:127.0.0.1]:443",
    "https://2130706433",
    "https://0x7f000001",
    "https://0177.0.0.1",
    "https://127.1",
    "https://0x7f.1",
    "https://[::1].my.salesforce.com",
    # near misses of the origins in the settings
    "https://localhost",
    "https://localhost:9444",
    "http://localhost:9443",
    "https://localhost.evil.com:9443",
    "https://idp.example",
    "https://x.idp.example:8443",
    "http://127.0.0.1:40124",
    "https://127.0.0.1:40123",
    # long ones
    "https://" + "a" * 64 + ".my.salesforce.com",
    "https://" + "a." * 130 + "my.salesforce.com",
    "https://login.salesforce.com/" + "a" * 5000,
]


@pytest.mark.parametrize(
    ("environment", "domain", "expected"),
    [
        (Environment.PRODUCTION, None, LOGIN),
        (Environment.PRODUCTION, "  ", LOGIN),
        (Environment.SANDBOX, None, "https://test.salesforce.com"),
        (Environment.SANDBOX, "acme.my.salesforce.com", ACME),
        (Environment.PRODUCTION, "acme--uat.sandbox", "https://acme--uat.sandbox.my.salesforce.com"),
        (Environment.PRODUCTION, "login.salesforce.com", LOGIN),
        (Environment.CUSTOM, "test.salesforce.com", "https://test.salesforce.com"),
        (Environment.SANDBOX, "welcome.salesforce.com", "https://welcome.salesforce.com"),
        (Environment.DEMO, None, DEMO),
        (Environment.CUSTOM, PEER, PEER),
        (Environment.SANDBOX, PEER + "/", PEER),
        (Environment.CUSTOM, "HTTPS://IDP.example:8443/services/oauth2/authorize?x=y", "https://idp.example:8443"),
        (Environment.CUSTOM, "http://[::1]:9000", "http://[::1]:9000"),
    ],
)
def test_the_door_picked_and_the_domain_decide(environment: Environment, domain: str | None, expected: str) -> None:
    """Each environment has its door, a My Domain beats it, and an extra origin is taken when it is given whole."""
    assert POLICY.login_origin(environment, domain) == expected


@pytest.mark.parametrize(
    "pasted",
    [
        "acme",
        "ACME",
        "acme.my.salesforce.com",
        "  acme.my.salesforce.com \n",
        "acme.my.salesforce.com.",
        "https://acme.my.salesforce.com",
        "HTTPS://ACME.My.Salesforce.Com:443/",
        "https://acme.my.salesforce.com/home/home.jsp?source=lex#top",
        "https://acme.my.salesforce.com?next=https://evil.com/@x",
        "acme.my.salesforce.com/001/o",
        "https://acme.lightning.force.com/lightning/r/Account/001xx000003DGb2AAG/view",
        "acme.lightning.force.com",
        "https://acme.my.salesforce-setup.com/lightning/setup/SetupOneHome/home",
        "https://acme--c.vf.force.com/apex/Page?id=1",
        "https://acme--ns.vf.force.com",
        "acme.vf.force.com",
    ],
)
def test_whatever_is_pasted_of_an_org_becomes_its_my_domain(pasted: str) -> None:
    """Lightning, Setup, Visualforce, with or without https, in any case, with path and query."""
    assert POLICY.login_origin(Environment.CUSTOM, pasted) == ACME


@pytest.mark.parametrize(
    ("pasted", "host"),
    [
        ("acme--uat.sandbox.lightning.force.com", "acme--uat.sandbox.my.salesforce.com"),
        ("acme--uat--c.sandbox.vf.force.com", "acme--uat.sandbox.my.salesforce.com"),
        ("acme--uat.sandbox.my.salesforce-setup.com", "acme--uat.sandbox.my.salesforce.com"),
        ("fun-1.trailblaze.my.salesforce-setup.com", "fun-1.trailblaze.my.salesforce.com"),
        ("acme-dev-ed.develop.lightning.force.com", "acme-dev-ed.develop.my.salesforce.com"),
        ("acme.lightning.crmforce.mil", "acme.my.salesforce.mil"),
        ("acme.lightning.sfcrmapps.cn", "acme.my.sfcrmproducts.cn"),
        ("acme.setup.sfcrmproducts.cn", "acme.my.sfcrmproducts.cn"),
        ("acme-dev-ed.develop", "acme-dev-ed.develop.my.salesforce.com"),
        *((host, host) for host in OWN_HOSTS),
    ],
)
def test_every_kind_of_org_has_its_login_host(pasted: str, host: str) -> None:
    """Every pattern of a login host is taken, and every other host of an org is turned into it."""
    assert POLICY.login_origin(Environment.CUSTOM, pasted) == f"https://{host}"


@pytest.mark.parametrize(
    "pasted",
    [
        *LOOK_ALIKES,
        *(text.removeprefix("https://") for text in LOOK_ALIKES if text.count("https://") == 1),
        "acme.my.site.com",
        "acme.cloudforce.com",
        "c.na35.visual.force.com",
        "api.salesforce.com",
        "localhost",
        "login",
        "--c.vf.force.com",
        "a----c.vf.force.com",
    ],
)
def test_no_look_alike_is_a_login_host(pasted: str) -> None:
    """What is not exactly one of Salesforce's own login hosts is refused, with or without its scheme."""
    with pytest.raises(Problem) as refused:
        POLICY.login_origin(Environment.CUSTOM, pasted)

    assert (refused.value.status, refused.value.errors[0].field) == (422, "domain")


@pytest.mark.parametrize(
    ("environment", "domain", "field", "words"),
    [
        (Environment.CUSTOM, None, "domain", "My Domain"),
        (Environment.CUSTOM, "http://acme.my.salesforce.com", "domain", "https only"),
        (Environment.CUSTOM, "https://acme.my.site.com/s", "domain", "site"),
        (Environment.CUSTOM, "https://help.salesforce.com", "domain", "no one signs in"),
        (Environment.CUSTOM, "10.0.0.1", "domain", "IP address"),
        (Environment.CUSTOM, "acme.my.salesforce.com:8443", "domain", "port"),
        (Environment.CUSTOM, "ana@acme.com", "domain", "user name"),
        (Environment.CUSTOM, "login.sаlesforce.com", "domain", "letters"),
        (Environment.CUSTOM, "xn--e1afmkfd.my.salesforce.com", "domain", "alphabet"),
        (Environment.CUSTOM, "login%2esalesforce.com", "domain", "percent-encoded"),
        (Environment.CUSTOM, "acme.cloudforce.com", "domain", "old address"),
        (Environment.SANDBOX, "login.salesforce.com", "domain", "production"),
        (Environment.PRODUCTION, "https://test.salesforce.com/", "domain", "sandbox"),
        (Environment.DEMO, "acme", "domain", "leave this empty"),
    ],
)
def test_a_refusal_says_why_not(environment: Environment, domain: str | None, field: str, words: str) -> None:
    """Each refusal names the field and what is wrong with what was pasted."""
    with pytest.raises(Problem) as refused:
        POLICY.login_origin(environment, domain)

    assert refused.value.errors[0].field == field
    assert words in refused.value.detail


def test_a_demo_that_is_off_is_refused() -> None:
    """Without a demo org its door is shut, and the settings are named."""
    with pytest.raises(Problem, match="settings"):
        BARE.login_origin(Environment.DEMO, None)


@given(st.sampled_from(Environment), st.text(max_size=60))
@example(Environment.CUSTOM, "a----c.vf.force.com")
@example(Environment.CUSTOM, "0" * 63 + ".lightning.force.com")
def test_any_text_is_refused_or_gives_an_origin_fit_for_a_secret(environment: Environment, text: str) -> None:
    """No text whatever leads to a host that a secret must not reach."""
    _refused_or_fit(environment, text)


PARTS = """
    https:// HTTPS:// http:// : / ? # @ . .. - -- % [ ] \\ acme my sandbox login test na35 xn-- 127 0x7f salesforce.com
    .my.salesforce.com .lightning.force.com .vf.force.com .my.salesforce-setup.com .evil.com :443 :8443
"""
PIECES = st.sampled_from([*PARTS.split(), "\t", "é"])


@given(st.lists(PIECES, max_size=8).map("".join))
def test_any_mixture_of_address_parts_is_refused_or_fit_for_a_secret(text: str) -> None:
    """Nor does any text that is nearly an address."""
    _refused_or_fit(Environment.CUSTOM, text)


def _refused_or_fit(environment: Environment, text: str) -> None:
    try:
        origin = POLICY.login_origin(environment, text)
    except Problem:
        return
    assert POLICY.may_receive_secret(origin)
    assert origin in {PEER, DEMO, "https://idp.example:8443", "http://[::1]:9000"} or re.fullmatch(
        r"https://[a-z0-9.-]+\.(salesforce\.com|salesforce\.mil|sfcrmproducts\.cn)", origin
    )


@pytest.mark.parametrize("host", [*OWN_HOSTS, *API_HOSTS])
def test_salesforces_own_hosts_may_have_a_secret(host: str) -> None:
    """Every pattern of a token host is accepted, as an origin and in the answers of a server."""
    assert BARE.may_receive_secret(f"https://{host}")
    assert BARE.trusted(f"https://{host}/id/00D/005?x=y", signed_in_at=LOGIN) == f"https://{host}"


@pytest.mark.parametrize("text", [*LOOK_ALIKES, *(f"https://{host}" for host in CUSTOMER_CONTENT), "", "/", "x"])
def test_no_look_alike_may_have_a_secret(text: str) -> None:
    """Neither a look-alike nor a host with customers' content gets a secret or is followed, and what is said of it is plain."""
    assert not POLICY.may_receive_secret(text)
    with pytest.raises(UntrustedHost) as refused:
        POLICY.trusted(text, signed_in_at=LOGIN)
    assert str(refused.value).isascii()
    assert str(refused.value).isprintable()


@pytest.mark.parametrize(
    "origin",
    [
        f"{LOGIN}/",
        f"{LOGIN}/services/oauth2/token",
        f"{LOGIN}:443",
        f"{LOGIN}.",
        f"{LOGIN}?",
        f"{LOGIN}#",
        "HTTPS://login.salesforce.com",
        "https://LOGIN.salesforce.com",
        " https://login.salesforce.com",
        "login.salesforce.com",
    ],
)
def test_a_secret_goes_to_an_origin_in_its_one_form(origin: str) -> None:
    """What is not exactly an origin is refused, also where its host is right."""
    assert not BARE.may_receive_secret(origin)


@pytest.mark.parametrize("origin", [PEER, DEMO, "https://idp.example:8443", "http://[::1]:9000"])
def test_origins_of_the_settings_may_have_a_secret_and_no_others(origin: str) -> None:
    """An extra origin counts exactly as it was set, and nowhere else."""
    assert POLICY.may_receive_secret(origin)
    assert not BARE.may_receive_secret(origin)
    assert POLICY.trusted(f"{origin}/id/x", signed_in_at=origin) == origin
    with pytest.raises(UntrustedHost):
        POLICY.trusted(f"{origin}/id/x", signed_in_at=LOGIN)


@pytest.mark.parametrize(
    ("url", "signed_in_at", "expected"),
    [
        ("https://acme.my.salesforce.com", LOGIN, ACME),
        ("https://ACME.my.salesforce.com:443/", LOGIN, ACME),
        ("https://acme.my.salesforce.com./services", LOGIN, ACME),
        ("https://login.salesforce.com/id/00D/005", ACME, LOGIN),
        ("https://acme.my.salesforce.com/x", PEER, ACME),
        (f"{DEMO}/id/00D/005", DEMO, DEMO),
    ],
)
def test_what_a_server_names_is_followed_as_an_origin(url: str, signed_in_at: str, expected: str) -> None:
    """Of a trusted address only scheme, host and port remain, in their one form."""
    assert POLICY.trusted(url, signed_in_at=signed_in_at) == expected


@given(st.lists(PIECES, max_size=8).map("".join))
def test_what_is_trusted_may_have_a_secret(url: str) -> None:
    """Nothing is followed that a secret must not reach."""
    try:
        origin = POLICY.trusted(url, signed_in_at=PEER)
    except UntrustedHost:
        return

    assert POLICY.may_receive_secret(origin)


def test_the_general_login_hosts_are_told_from_an_orgs_own() -> None:
    """Only hosts that serve all orgs are generic."""
    generic = [host for host in OWN_HOSTS if POLICY.is_generic(f"https://{host}")]

    assert generic == ["login.salesforce.com", "test.salesforce.com", "welcome.salesforce.com"]
    assert not POLICY.is_generic(PEER)


@pytest.mark.parametrize(
    ("origin", "environment", "expected"),
    [
        (ACME, Environment.CUSTOM, "acme"),
        ("https://acme--uat.sandbox.my.salesforce.com", Environment.SANDBOX, "acme-uat"),
        ("https://acme-dev-ed.develop.my.salesforce.com", Environment.PRODUCTION, "acme-dev-ed"),
        ("https://na35.salesforce.com", Environment.PRODUCTION, "na35"),
        (LOGIN, Environment.PRODUCTION, "production"),
        ("https://welcome.salesforce.com", Environment.CUSTOM, "production"),
        ("https://test.salesforce.com", Environment.CUSTOM, "sandbox"),
        (DEMO, Environment.DEMO, "demo"),
        (PEER, Environment.CUSTOM, "localhost"),
        ("http://127.0.0.1:9000", Environment.CUSTOM, "127-0-0-1"),
        ("http://[::1]:9000", Environment.CUSTOM, "1"),
    ],
)
def test_a_name_is_suggested_from_where_one_signs_in(origin: str, environment: Environment, expected: str) -> None:
    """The suggestion is the org's short name, or the kind of door where the host tells nothing."""
    assert suggest_name(origin, environment) == expected
