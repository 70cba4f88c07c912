"""Secrets of the org: made at random, shown once, kept as SHA-256. They are 32 random bytes, so no slow hash is needed."""

import base64
import hashlib
import hmac
import secrets

from meshmesh_demo.ids import SHORT


def digest(secret: str) -> bytes:
    """What is kept of a secret."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


def access_token(org_id: str) -> str:
    """An access token of Salesforce's shape: `00D<12>!<word characters and dots>`."""
    return f"{org_id[:SHORT]}!AQ{secrets.token_urlsafe(66).replace('-', '.')}"


def refresh_token() -> str:
    """A refresh token of Salesforce's shape."""
    return f"5Aep861{secrets.token_urlsafe(54).replace('-', '.')}"


def code() -> str:
    """An authorization code; as Salesforce's, it ends in characters that an address must escape."""
    return f"aPrx{secrets.token_urlsafe(36).replace('-', '.')}=="


def random_id() -> str:
    """An id of a page's state or a browser's session."""
    return secrets.token_urlsafe(32)


def s256(verifier: str) -> str:
    """The PKCE challenge of a verifier (RFC 7636, 4.2)."""
    hashed = hashlib.sha256(verifier.encode("utf-8", "surrogatepass")).digest()
    return base64.urlsafe_b64encode(hashed).rstrip(b"=").decode()


def signature(client_secret: str, identity: str, issued_at: str) -> str:
    """Salesforce's proof that `id` and `issued_at` are its own."""
    mac = hmac.digest(client_secret.encode("utf-8", "surrogatepass"), f"{identity}{issued_at}".encode(), "sha256")
    return base64.b64encode(mac).decode()
