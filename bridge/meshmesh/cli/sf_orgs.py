"""The orgs that sf knows, read from its files: names, hosts and kinds, and nothing that opens anything.

sf keeps one JSON file a username in ~/.sfdx, with tokens among the rest. Of each only the members below are kept; its
refresh token belongs to sf, and two that refresh with one token would sign each other out.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

_AUTH_FILE = re.compile(r"[^.][^@]*@[^.]+(\.[^.\s]+)+\.json")  # sf's own rule
_MAX_BYTES = 1 << 20
_GENERIC = {"login.salesforce.com", "test.salesforce.com"}


@dataclass(frozen=True, slots=True, kw_only=True)
class SfOrg:
    """One org of sf's. `domain` is its My Domain, or "" where sf knows none."""

    username: str
    alias: str
    org_id: str
    domain: str
    sandbox: bool
    scratch: bool
    expired: bool

    @property
    def kind(self) -> str:
        """What sort of org, as far as sf knows."""
        return "scratch" if self.scratch else "sandbox" if self.sandbox else "org"

    @property
    def name(self) -> str:
        """The connection's name that is nearest to what the person calls it."""
        text = self.alias or self.username.partition("@")[2].split(".")[0] or self.username
        return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:63].rstrip("-")

    @property
    def wish(self) -> dict[str, object]:
        """Where to sign in, in the shape of the API."""
        if self.domain:
            return {"environment": "custom", "domain": self.domain}
        return {"environment": "sandbox" if self.sandbox or self.scratch else "production"}


def read(home: Path, today: date) -> list[SfOrg]:
    """All orgs of sf's, by username.

    Args:
        home: the person's home folder; sf knows no other place.
        today: tells which scratch orgs have expired.
    """
    folder = home / ".sfdx"
    aliases = {user: alias for alias, user in _texts(_document(folder / "alias.json").get("orgs")).items()}
    try:
        found = sorted(path for path in folder.iterdir() if _AUTH_FILE.fullmatch(path.name))
    except OSError:
        return []
    return [org for path in found if (org := _org(_document(path), aliases, today)) is not None]


def _document(path: Path) -> dict[str, object]:
    try:
        if path.stat().st_size > _MAX_BYTES:
            return {}
        value: object = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}


def _texts(value: object) -> dict[str, str]:
    members: Mapping[object, object] = cast("dict[object, object]", value) if isinstance(value, dict) else {}
    return {str(name): member for name, member in members.items() if isinstance(member, str)}


def _org(document: Mapping[str, object], aliases: Mapping[str, str], today: date) -> SfOrg | None:
    plain = _texts(document)
    username = plain.get("username", "")
    if not username:
        return None
    login, instance = _host(plain.get("loginUrl", "")), _host(plain.get("instanceUrl", ""))
    scratch = document.get("isScratch") is True or bool(plain.get("devHubUsername"))
    return SfOrg(
        username=username,
        alias=aliases.get(username, ""),
        org_id=plain.get("orgId", ""),
        domain=next((host for host in (instance, login) if _is_my_domain(host)), ""),
        sandbox=document.get("isSandbox") is True or login == "test.salesforce.com" or ".sandbox." in instance,
        scratch=scratch,
        expired=plain.get("expirationDate", "9999-12-31") < today.isoformat(),
    )


def _host(address: str) -> str:
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return ""


def _is_my_domain(host: str) -> bool:
    """An old instance host, such as na123.salesforce.com, is no address to sign in at."""
    return host not in _GENERIC and ".my." in host
