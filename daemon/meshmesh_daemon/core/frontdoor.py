"""A single-use link that signs a browser in to an org, as values: what is asked of Salesforce, and what an answer says.

`/services/oauth2/singleaccess` gives it to a session that has the scope `web`; it works once, for about a minute. Whoever
has it is signed in as the user, so it is treated as a token.
"""

import json
from typing import cast
from urllib.parse import urlsplit

SINGLE_ACCESS_PATH = "/services/oauth2/singleaccess"
SCOPE = "web"
LIFE_SECONDS = 60


def link_in(body: bytes, instance_url: str) -> str | None:
    """The link that an answer brings.

    Args:
        body: the answer's.
        instance_url: the org's own origin.

    Returns:
        The link; None where the answer brings none, or one that leads anywhere but to the org that was asked.
    """
    try:
        document: object = json.loads(body)
    except ValueError:
        return None
    if not isinstance(document, dict):
        return None
    link = cast("dict[str, object]", document).get("frontdoor_uri")
    if not isinstance(link, str) or not link.isprintable():
        return None
    return link if _origin(link) == _origin(instance_url) else None


def _origin(address: str) -> tuple[str, str] | None:
    try:
        parts = urlsplit(address)
    except ValueError:
        return None
    return parts.scheme, parts.netloc.lower()
