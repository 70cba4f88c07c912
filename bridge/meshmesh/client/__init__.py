"""The Python client: what `import meshmesh` offers to programs.

    import meshmesh

    tool = meshmesh.pair("My tool", wants=["acme:plan"])
    with tool.connect("acme") as org:
        for account in org.query("SELECT Id, Name FROM Account LIMIT 5"):
            print(account["Name"])

A program never holds the org's token, but a handle that works through the broker. The standard library is enough;
`meshmesh.aio` is the same on asyncio.
"""

from meshmesh.client.asking import Record
from meshmesh.client.errors import (
    AccessNotGiven,
    ApprovalRequired,
    Error,
    NoAnswer,
    NotGranted,
    NotPaired,
    PairingRefused,
    PlanExpired,
    PlanNotRun,
    PlanRejected,
    PlanStale,
    ReadOnly,
    ReconnectRequired,
    Refused,
    SalesforceError,
    ServiceNotRunning,
    TokenNotGranted,
    Unavailable,
    Unreadable,
    VaultLocked,
)
from meshmesh.client.org import Org, PlanDraft, Session
from meshmesh.client.pairing import Want
from meshmesh.client.program import Program, connect, pair, unpair
from meshmesh.client.talk import Json, Reply
from meshmesh.client.views import Change, Connection, NextStep, Plan, PlanItem, Result, Token

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
    "connect",
    "pair",
    "unpair",
]
