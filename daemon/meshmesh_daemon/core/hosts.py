"""Which host may ever see a token, a code or a secret; and what a person pasted, as the host to sign in at.

Three rules, each by exact labels and never by a loose suffix:
    - signing in begins at Salesforce's own login hosts, at an origin from the settings, or at the demo org;
    - what a server names (`instance_url`, `id`, a redirect) is Salesforce's own, or exactly the origin signed in at;
    - a secret is sent to an origin in its one canonical form, or not at all.
Hosts under which customers publish (`force.com`, `site.com`, `salesforce-sites.com`) never qualify.

An address is taken apart by hand. General URL parsers mend what they read (tabs, backslashes, `https:host`), and a
mended address may be another host than the one that the client connects to.
"""

import ipaddress
import re
from dataclasses import dataclass

from meshmesh_daemon.core.names import slug
from meshmesh_daemon.core.problems import bad_field
from meshmesh_storage.records import Environment

_DOORS = {
    Environment.PRODUCTION: "https://login.salesforce.com",
    Environment.SANDBOX: "https://test.salesforce.com",
}
_GENERIC_HOSTS = frozenset({"login.salesforce.com", "test.salesforce.com", "welcome.salesforce.com"})
_GENERIC_ORIGINS = frozenset(f"https://{host}" for host in _GENERIC_HOSTS)

# A host under one of these is run by Salesforce alone, and one of an org's own.
_MY_DOMAINS = (".my.salesforce.com", ".my.salesforce.mil", ".my.sfcrmproducts.cn")
_INSTANCE = re.compile(r"[a-z]{2,4}[0-9]{1,4}[sz]?\.salesforce\.com")  # na35, cs174: before My Domains
_API_HOSTS = frozenset({"api.salesforce.com"})
_API_DOMAINS = (".c360a.salesforce.com",)  # Data Cloud tenants

# Hosts of the same org that people copy from the address bar, and what stands there at the login host.
_CONVERSIONS = (
    (".lightning.force.com", ".my.salesforce.com"),
    (".my.salesforce-setup.com", ".my.salesforce.com"),
    (".lightning.crmforce.mil", ".my.salesforce.mil"),
    (".lightning.sfcrmapps.cn", ".my.sfcrmproducts.cn"),
    (".setup.sfcrmproducts.cn", ".my.sfcrmproducts.cn"),
    (".vf.force.com", ".my.salesforce.com"),
)
_VISUALFORCE = ".vf.force.com"  # its first label ends in `--` and a package's namespace, `c` for the org's own pages

_ASK = "Use the org's My Domain, such as acme.my.salesforce.com (Setup, My Domain)."
_SITE = f"It is a site, whose pages customers write themselves. {_ASK}"
_OLD = f"It is an old address of Salesforce. {_ASK}"
_REFUSALS = (
    (".site.com", _SITE),
    (".salesforce-sites.com", _SITE),
    (".salesforce-experience.com", _SITE),
    (".force.com", f"It serves pages or files and takes no sign-in. {_ASK}"),
    (".cloudforce.com", _OLD),
    (".database.com", _OLD),
    (".my-salesforce.com", f"MeshMesh does not know this host as Salesforce's own. {_ASK}"),
    (".salesforce-setup.com", f"It serves Setup and takes no sign-in. {_ASK}"),
    (".salesforce.com", f"It belongs to Salesforce, but no one signs in to an org there. {_ASK}"),
)

# The name a person gives for a My Domain: `acme`, `acme--uat.sandbox`.
_BARE_NAME = re.compile(
    r"[a-z][a-z0-9]*(?:-{1,2}[a-z0-9]+)*(?:\.(?:sandbox|develop|scratch|trailblaze|demo|free|patch))?"
)
_NO_NAMES = frozenset({"api", "localhost", "login", "my", "salesforce", "test", "welcome", "www"})

_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_MAX_HOST = 253  # RFC 1035, section 2.3.4, without the final dot
_MAX_TEXT = 4096  # an address bar's worth; a longer text is not an address
_HTTPS_PORT = "443"


class UntrustedHost(ValueError):
    """A server named an address that is neither Salesforce's own nor the one signed in at. Its text is safe to show."""


@dataclass(frozen=True, slots=True)
class HostPolicy:
    """The rule, with what the settings add to it.

    Args:
        extra_login_origins: exact origins (`https://host[:port]`, lower case) that are trusted as a login host is.
        demo_origin: the demo org's loopback origin, or None where it is switched off.
    """

    extra_login_origins: frozenset[str]
    demo_origin: str | None = None

    def login_origin(self, environment: Environment, domain: str | None) -> str:
        """The origin where a sign-in begins.

        Args:
            environment: the door the person picked; a My Domain beats it.
            domain: whatever was pasted: a host or any URL of the org, the bare name of a My Domain, or an extra login
                origin whole, with scheme and port.

        Returns:
            An origin that `may_receive_secret` accepts.

        Raises:
            Problem: 422 that names the field and says why not.
        """
        pasted = (domain or "").strip()
        if environment is Environment.DEMO:
            return self._demo(pasted)
        if not pasted:
            return _door(environment)
        try:
            scheme, host, port = _take_apart(pasted)
            whole = _join(scheme, host, port)
            origin = whole if whole in self.extra_login_origins else _login_host(scheme, host, port)
        except ValueError as error:
            raise bad_field("domain", str(error)) from None
        _check_door(environment, origin)
        return origin

    def is_generic(self, origin: str) -> bool:
        """Whether the host serves all orgs, so that a browser may already be signed in to another one."""
        return origin in _GENERIC_ORIGINS

    def trusted(self, url: str, *, signed_in_at: str) -> str:
        """The origin of an address that a server named, if it may be followed.

        Args:
            url: an absolute URL: `instance_url`, `id`, or the Location of a redirect.
            signed_in_at: the origin of this very sign-in, from `login_origin`.

        Returns:
            Scheme, host and port; never more of the address.

        Raises:
            UntrustedHost: the address is another's, or cannot be read without doubt.
        """
        try:
            scheme, host, port = _take_apart(url)
        except ValueError as error:
            raise UntrustedHost(
                f"Salesforce's answer names an address that MeshMesh does not follow. {error}"
            ) from None
        if _join(scheme, host, port) == signed_in_at:
            return signed_in_at
        if scheme == "https" and port in {"", _HTTPS_PORT} and _is_token_host(host):
            return f"https://{host}"
        raise UntrustedHost(f"Salesforce's answer names {host}, which is not a host of Salesforce's by https.")

    def may_receive_secret(self, origin: str) -> bool:
        """Whether a token, code or secret may be sent to this origin; an address with a path is none."""
        if origin in self.extra_login_origins or (self.demo_origin is not None and origin == self.demo_origin):
            return True
        try:
            scheme, host, _ = _take_apart(origin)
        except ValueError:
            return False
        return scheme == "https" and origin == f"https://{host}" and _is_token_host(host)

    def _demo(self, pasted: str) -> str:
        if self.demo_origin is None:
            raise bad_field("environment", "The demo org is switched off in the settings.")
        if pasted:
            raise bad_field("domain", "The demo org has an address of its own; leave this empty.")
        return self.demo_origin


def suggest_name(origin: str, environment: Environment) -> str:
    """A name for a new connection, from where it signs in: `acme`, `acme-uat`, `sandbox`, `demo`."""
    if environment is Environment.DEMO:
        return "demo"
    host = origin.partition("://")[2].rsplit(":", 1)[0].strip("[]")
    if host in _GENERIC_HOSTS:
        return "sandbox" if origin == _DOORS[Environment.SANDBOX] else "production"
    first = host.partition(".")[0]
    return slug(host if first.isdigit() else first) or "org"


def serves(origin: str, host: str) -> bool:
    """Whether a host is a face of the org at an origin: its Lightning, Setup and Visualforce hosts are.

    Args:
        origin: where the org's API is, such as `https://acme.my.salesforce.com`.
        host: from a browser's address bar, with its port where it has one.
    """
    return origin.partition("://")[2] in {host.lower(), _converted(host.lower())}


def _door(environment: Environment) -> str:
    if environment not in _DOORS:
        raise bad_field("domain", f"A custom domain needs its address. {_ASK}")
    return _DOORS[environment]


def _check_door(environment: Environment, origin: str) -> None:
    """Refuse a generic host that contradicts the door picked: one of the two is a slip, and nobody knows which."""
    for other, door in _DOORS.items():
        if origin == door and environment not in {other, Environment.CUSTOM}:
            raise bad_field(
                "domain",
                f"{door.removeprefix('https://')} is the door to {other} orgs, and {environment} was picked. "
                f"Leave the domain empty, or pick {other}.",
            )


def _take_apart(text: str) -> tuple[str, str, str]:
    """Scheme, host and port of an address as written, in lower case; a part that is missing is empty.

    Raises:
        ValueError: with a sentence for the person.
    """
    if len(text) > _MAX_TEXT:
        raise ValueError("It is too long for an address.")
    if not text.isascii():
        raise ValueError("It holds letters that no address of Salesforce has; type it, or copy it from Setup.")
    if "\\" in text or any(not " " < letter < "\x7f" for letter in text):
        raise ValueError("It holds a space, a control character or a backslash.")
    scheme, separator, rest = text.partition("://")
    if not separator or any(mark in scheme for mark in "/?#"):
        scheme, rest = "", text
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0].lower()
    if "@" in authority:
        raise ValueError("It holds a user name before the host, which addresses of Salesforce never do.")
    if "[" in authority or "]" in authority:
        return scheme.lower(), *_ipv6(authority)
    host, colon, port = authority.partition(":")
    if colon and not (port.isdigit() and len(port) <= len("65535")):
        raise ValueError("What stands behind the colon is not a port.")
    return scheme.lower(), _host(host), port


def _ipv6(authority: str) -> tuple[str, str]:
    """An IPv6 literal, which only an extra login origin can be."""
    matched = re.fullmatch(r"(\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?", authority)
    if not matched:
        raise ValueError("It is not the address of a host.")
    return matched[1], matched[2] or ""


def _host(host: str) -> str:
    """A host of letters, digits and hyphens, without its one trailing dot (RFC 1123, section 2.1)."""
    bare = host.removesuffix(".")
    if "%" in bare:
        raise ValueError("Its host is percent-encoded.")
    if not bare or len(bare) > _MAX_HOST or not all(_LABEL.fullmatch(label) for label in bare.split(".")):
        raise ValueError("It is not the address of a host.")
    if any(label.startswith("xn--") for label in bare.split(".")):
        raise ValueError("Its host is written in another alphabet, which no host of Salesforce is.")
    return bare


def _join(scheme: str, host: str, port: str) -> str:
    return f"{scheme}://{host}" + (f":{port}" if port else "")


def _login_host(scheme: str, host: str, port: str) -> str:
    """The login origin for a host of Salesforce's that somebody pasted.

    Raises:
        ValueError: with a sentence for the person.
    """
    if not scheme and not port and _BARE_NAME.fullmatch(host) and host not in _NO_NAMES:
        return f"https://{host}.my.salesforce.com"
    if scheme not in {"", "https"}:
        raise ValueError("MeshMesh signs in by https only (another origin must stand whole in extra_login_origins).")
    if _is_ip(host):
        raise ValueError(f"It is an IP address. {_ASK}")
    if port not in {"", _HTTPS_PORT}:
        raise ValueError("Salesforce has no port in its addresses (another origin must stand in extra_login_origins).")
    converted = _host(_converted(host))  # once more: what is left of a label may be none
    if not _is_login_host(converted):
        raise ValueError(_why_not(converted))
    return f"https://{converted}"


def _is_ip(host: str) -> bool:
    """Whether a resolver may read it as an IP address: also `2130706433`, `0x7f.1` and `0177.0.0.1`."""
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return re.fullmatch(r"[0-9]+|0x[0-9a-f]*", host.rpartition(".")[2]) is not None
    return True


def _converted(host: str) -> str:
    for suffix, replacement in _CONVERSIONS:
        if host.endswith(suffix):
            org = host.removesuffix(suffix)
            return (_without_namespace(org) if suffix == _VISUALFORCE else org) + replacement
    return host


def _without_namespace(org: str) -> str:
    first, dot, partition = org.partition(".")
    name, _, namespace = first.rpartition("--")
    return (name or namespace) + dot + partition


def _is_login_host(host: str) -> bool:
    return host in _GENERIC_HOSTS or host.endswith(_MY_DOMAINS) or _INSTANCE.fullmatch(host) is not None


def _is_token_host(host: str) -> bool:
    return _is_login_host(host) or host in _API_HOSTS or host.endswith(_API_DOMAINS)


def _why_not(host: str) -> str:
    for suffix, sentence in _REFUSALS:
        if f".{host}".endswith(suffix):
            return sentence
    return f"It is not one of Salesforce's hosts. {_ASK}"
