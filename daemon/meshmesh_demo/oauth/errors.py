"""OAuth's refusals in Salesforce's words."""


class OAuthError(Exception):
    """A refused OAuth request.

    Args:
        code: `error`.
        description: `error_description`.
    """

    def __init__(self, code: str, description: str) -> None:
        super().__init__(f"{code}: {description}")
        self.code = code
        self.description = description

    def body(self) -> dict[str, str]:
        """The answer's body."""
        return {"error": self.code, "error_description": self.description}


def expired() -> OAuthError:
    """The one text for a refresh token that was revoked, rotated away, never given or idle too long."""
    return OAuthError("invalid_grant", "expired access/refresh token")


def unknown_client() -> OAuthError:
    """A client id that no app of this org has."""
    return OAuthError("invalid_client_id", "client identifier invalid")
