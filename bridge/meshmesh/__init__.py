"""The near end of the bridge: the Python client, what people type (`cli`), and the way to the service (`transport`).

Importing this package imports nothing else: the client comes with the first of its names that is used, and
`meshmesh token` never pays for it. `wire` holds what both ends must spell alike.
"""

TYPE_CHECKING = False  # as typing's, which is not imported: it takes longer than all of `meshmesh token`
if TYPE_CHECKING:
    from meshmesh import aio
    from meshmesh.client import (
        AccessNotGiven,
        ApprovalRequired,
        Change,
        Connection,
        Error,
        Json,
        NextStep,
        NoAnswer,
        NotGranted,
        NotPaired,
        Org,
        PairingRefused,
        Plan,
        PlanDraft,
        PlanExpired,
        PlanItem,
        PlanNotRun,
        PlanRejected,
        PlanStale,
        Program,
        ReadOnly,
        ReconnectRequired,
        Record,
        Refused,
        Reply,
        Result,
        SalesforceError,
        ServiceNotRunning,
        Session,
        Token,
        TokenNotGranted,
        Unavailable,
        Unreadable,
        VaultLocked,
        Want,
        connect,
        pair,
        unpair,
    )

__all__ = [
    "AccessNotGiven",
    "ApprovalRequired",
    "Change",
    "Connection",
    "Error",
    "Json",
    "NextStep",
    "NoAnswer",
    "NotGranted",
    "NotPaired",
    "Org",
    "PairingRefused",
    "Plan",
    "PlanDraft",
    "PlanExpired",
    "PlanItem",
    "PlanNotRun",
    "PlanRejected",
    "PlanStale",
    "Program",
    "ReadOnly",
    "ReconnectRequired",
    "Record",
    "Refused",
    "Reply",
    "Result",
    "SalesforceError",
    "ServiceNotRunning",
    "Session",
    "Token",
    "TokenNotGranted",
    "Unavailable",
    "Unreadable",
    "VaultLocked",
    "Want",
    "aio",
    "connect",
    "pair",
    "unpair",
]


if not TYPE_CHECKING:  # or every name would be one to a type checker

    def __getattr__(name: str) -> object:
        """A name of the client, or the module `aio`."""
        if name not in __all__:
            raise AttributeError(f"module 'meshmesh' has no attribute {name!r}")
        from importlib import import_module

        return import_module("meshmesh.aio") if name == "aio" else getattr(import_module("meshmesh.client"), name)


def __dir__() -> list[str]:
    """The names of the client too, before they are there."""
    return sorted({*globals(), *__all__})
