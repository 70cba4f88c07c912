"""The JSON Schemas of what the API gives: one for each shape of `shapes.py` and of the handlers.

They are kept by tests: every answer of the fuzzed service is held against them.
"""

from enum import StrEnum

from meshmesh_daemon.core.diagnosis_findings import Verdict
from meshmesh_daemon.core.loans import Hold
from meshmesh_daemon.usecases.access_requests import Standing
from meshmesh_storage.plan_records import ItemStatus, PlanStatus
from meshmesh_storage.records import Environment, Flow, Kind, Mode, Reason, Status

Json = dict[str, object]

_TEXT: Json = {"type": "string"}
_TEXT_OR_NULL: Json = {"type": ["string", "null"]}
_MOMENT: Json = {"type": "string", "format": "date-time"}
_MOMENT_OR_NULL: Json = {"type": ["string", "null"], "format": "date-time"}
_WHOLE: Json = {"type": "integer"}
_WHOLE_OR_NULL: Json = {"type": ["integer", "null"]}
_FLAG: Json = {"type": "boolean"}
_FLAG_OR_NULL: Json = {"type": ["boolean", "null"]}
_TEXTS: Json = {"type": "array", "items": _TEXT}
_NULL: Json = {"type": "null"}


def _one_of(enum: type[StrEnum]) -> Json:
    return {"type": "string", "enum": [member.value for member in enum]}


def ref(name: str) -> Json:
    """Where a schema stands in the document."""
    return {"$ref": f"#/components/schemas/{name}"}


def _or_null(schema: Json) -> Json:
    return {"anyOf": [schema, _NULL]}


def _list(schema: Json) -> Json:
    return {"type": "array", "items": schema}


def _object(**members: object) -> Json:
    """All of these members, and whatever a later version adds."""
    return {"type": "object", "required": list(members), "properties": members}


def _page(name: str, schema: Json) -> Json:
    """A list under its own plural name, and where it goes on."""
    return _object(**{name: _list(schema), "next": {"type": ["integer", "string", "null"]}})


_CONNECTION: Json = {
    "name": _TEXT,
    "status": _one_of(Status),
    "reason": _or_null(_one_of(Reason)),
    "detail": _TEXT_OR_NULL,
    "next": _or_null(ref("Next")),
    "kind": _one_of(Kind),
    "org_id": _TEXT_OR_NULL,
    "org_name": _TEXT_OR_NULL,
    "username": _TEXT_OR_NULL,
    "broker_url": {"type": "string", "format": "uri"},
    "mode": _or_null(_one_of(Mode)),
    "raw_token": _FLAG_OR_NULL,
    "api_version": _TEXT_OR_NULL,
    "session": _or_null(_object(issued_at=_MOMENT_OR_NULL, expires_at=_MOMENT_OR_NULL)),
    "signed_in_at": _MOMENT_OR_NULL,
    "last_used_at": _MOMENT_OR_NULL,
}
_OWNERS: Json = {
    "id": _TEXT,
    "environment": _one_of(Environment),
    "login_host": _TEXT,
    "instance_url": _TEXT,
    "app": _or_null(_object(client_id=_TEXT, flow=_one_of(Flow))),
    "scopes": _TEXTS,
    "last_used_by": _TEXT_OR_NULL,
    "grants": _list(ref("Grant")),
}
_ME: Json = {
    "id": _TEXT,
    "name": _TEXT,
    "kind": _TEXT,
    "created_at": _MOMENT_OR_NULL,
    "expires_at": _MOMENT_OR_NULL,
    "grants": _list(ref("Grant")),
}
_CLIENT: Json = {**_ME, "origin": _TEXT_OR_NULL, "last_used_at": _MOMENT_OR_NULL}
_STATUS: Json = {
    "version": _TEXT,
    "pid": _WHOLE,
    "port": _WHOLE,
    "vault": {"type": "string", "enum": ["unlocked", "locked", "trouble"]},
    "counts": {"type": "object", "additionalProperties": _WHOLE},
    "detail": _TEXT,
    "next": _or_null(ref("Next")),
    "notes": _TEXTS,
}

SCHEMAS: dict[str, Json] = {
    "Next": _object(label=_TEXT, command=_TEXT_OR_NULL, url=_TEXT_OR_NULL),
    "Problem": {
        "description": "A refusal (RFC 9457). `code` is for programs, `detail` and `next` are for people.",
        **_object(type=_TEXT, title=_TEXT, status=_WHOLE, detail=_TEXT, code=_TEXT, next=_or_null(ref("Next"))),
    },
    "BadInput": {
        "description": "A refusal that names fields of the input.",
        "allOf": [ref("Problem"), _object(errors=_list(_object(field=_TEXT, detail=_TEXT)))],
    },
    "SalesforceErrors": {
        "description": "A refusal as Salesforce words its own, so that its clients print it.",
        **_list(_object(errorCode=_TEXT, message=_TEXT)),
    },
    "DeviceFlowError": _object(
        error={"type": "string", "enum": ["authorization_pending", "slow_down", "access_denied", "expired_token"]}
    ),
    "Status": {
        **_object(**_STATUS),
        "properties": {**_STATUS, "connections": _list(_object(**_CONNECTION)), "key": _TEXT_OR_NULL},
        "description": "What anybody may see; `connections` and `key` (where the master key is kept) are the owner's.",
    },
    "Backup": _object(path=_TEXT, made_at=_MOMENT, connections=_TEXTS, activity_rows=_WHOLE, notes=_TEXTS),
    "Restored": _object(made_at=_MOMENT, connections=_TEXTS, moved_aside=_TEXT_OR_NULL, notes=_TEXTS),
    "Health": _object(status=_TEXT),
    "Lend": _object(
        status=_one_of(Hold), port=_WHOLE, until=_MOMENT_OR_NULL, holder=_TEXT_OR_NULL, detail=_TEXT_OR_NULL
    ),
    "Discovery": _object(
        name=_TEXT, version=_TEXT, api=_TEXT, broker=_TEXT, pairing=_TEXT, status=_TEXT, openapi=_TEXT
    ),
    "OpenApi": {"type": "object", "required": ["openapi", "info", "paths"]},
    "Grant": _object(connection=_TEXT, mode=_one_of(Mode), raw_token=_FLAG, expires_at=_MOMENT_OR_NULL),
    "Connection": {
        **_object(**_CONNECTION),
        "properties": {**_CONNECTION, **_OWNERS},
        "description": "A connection; from `id` on what the owner sees.",
    },
    "Connections": _page("connections", ref("Connection")),
    "ConnectionMade": _object(connection=ref("Connection")),
    "Token": _object(
        access_token={"type": "string", "format": "password"},
        token_type=_TEXT,
        instance_url=_TEXT,
        issued_at=_MOMENT_OR_NULL,
        expires_at=_MOMENT_OR_NULL,
        scope=_TEXT,
        username=_TEXT_OR_NULL,
        org_id=_TEXT_OR_NULL,
        api_version=_TEXT_OR_NULL,
    ),
    "SignIn": _object(
        id=_TEXT,
        status={"type": "string", "enum": ["waiting", "done", "failed", "expired", "cancelled"]},
        authorize_url=_TEXT_OR_NULL,
        expires_at=_MOMENT_OR_NULL,
        connection=_TEXT_OR_NULL,
        error=_or_null(ref("Problem")),
    ),
    "SignInBegun": _object(sign_in=ref("SignIn")),
    "Disconnected": _object(revoked=_FLAG, detail=_TEXT),
    "Diagnosis": _object(
        verdict=_one_of(Verdict),
        evidence=_TEXTS,
        message_for_admin=_TEXT_OR_NULL,
        next=_or_null(ref("Next")),
    ),
    "PairingBegun": _object(
        device_code={"type": "string", "format": "password"},
        user_code=_TEXT,
        verification_uri=_TEXT,
        verification_uri_complete=_TEXT,
        expires_in=_WHOLE,
        interval=_WHOLE,
    ),
    "PairingToken": _object(
        access_token={"type": "string", "format": "password"},
        token_type=_TEXT,
        client_id=_TEXT,
        grants=_list(ref("Grant")),
    ),
    "Pairing": _object(
        user_code=_TEXT,
        client_name=_TEXT,
        client_kind=_TEXT,
        wants=_list(_object(connection=_TEXT_OR_NULL, mode=_one_of(Mode), raw_token=_FLAG, purpose=_TEXT_OR_NULL)),
        claimed=_object(name=_TEXT, kind=_TEXT),
        seen=_object(
            exe=_TEXT_OR_NULL,
            pid=_WHOLE_OR_NULL,
            parent=_TEXT_OR_NULL,
            cwd=_TEXT_OR_NULL,
            uid=_WHOLE_OR_NULL,
            origin=_TEXT_OR_NULL,
        ),
        expires_at=_MOMENT,
    ),
    "Pairings": _page("pairings", ref("Pairing")),
    "Refusals": _page(
        "refusals",
        _object(id=_TEXT, client_name=_TEXT, exe=_TEXT_OR_NULL, origin=_TEXT_OR_NULL, created_at=_MOMENT),
    ),
    "Me": _object(**_ME),
    "Client": _object(**_CLIENT),
    "Clients": _page("clients", ref("Client")),
    "ClientMinted": _object(**_CLIENT, access_token={"type": "string", "format": "password"}, token_type=_TEXT),
    "AccessRequest": {
        "description": "What an agent asks for; the owner sees whose it is, too.",
        **_object(
            id=_TEXT,
            status=_one_of(Standing),
            purpose=_TEXT,
            mode=_one_of(Mode),
            raw_token=_FLAG,
            connection=_TEXT_OR_NULL,
            expires_at=_MOMENT,
        ),
    },
    "AccessRequests": _page("access_requests", ref("AccessRequest")),
    "PlanItem": _object(
        id=_TEXT,
        method=_TEXT,
        path=_TEXT,
        summary=_TEXT,
        sha256=_TEXT,
        size=_WHOLE,
        changes=_list(
            _object(part=_WHOLE, object=_TEXT_OR_NULL, record=_TEXT_OR_NULL, field=_TEXT, before={}, after={})
        ),
        status=_one_of(ItemStatus),
        note=_TEXT_OR_NULL,
        result=_or_null(_object(status=_WHOLE, body={})),
    ),
    "Plan": {
        "description": "What a program would change, held until the owner decides.",
        **_object(
            id=_TEXT,
            connection=_TEXT_OR_NULL,
            client=_TEXT,
            client_id=_TEXT,
            reason=_TEXT_OR_NULL,
            status=_one_of(PlanStatus),
            created_at=_MOMENT,
            expires_at=_MOMENT,
            decided_at=_MOMENT_OR_NULL,
            ended_at=_MOMENT_OR_NULL,
            rejection=_TEXT_OR_NULL,
            undoes=_TEXT_OR_NULL,
            can_be_approved=_FLAG,
            can_be_undone=_FLAG,
            url={"type": "string", "format": "uri"},
            items=_list(ref("PlanItem")),
        ),
    },
    "Plans": _page("plans", ref("Plan")),
    "ActivityRow": _object(
        seq=_WHOLE,
        at=_MOMENT_OR_NULL,
        actor=_object(kind=_TEXT, id=_TEXT_OR_NULL, name=_TEXT_OR_NULL),
        action=_TEXT,
        connection=_TEXT_OR_NULL,
        outcome=_TEXT,
        detail=_TEXT_OR_NULL,
        hash=_TEXT_OR_NULL,
    ),
    "Activity": _page("activity", ref("ActivityRow")),
    "ActivityVerdict": _object(whole=_FLAG, rows=_WHOLE, bad_row=_WHOLE_OR_NULL, detail=_TEXT),
    "LaunchCode": _object(
        launch_code={"type": "string", "format": "password"},
        url={"type": "string", "format": "uri"},
        expires_at=_MOMENT,
    ),
    "OrgLink": _object(url={"type": "string", "format": "password"}, expires_at=_MOMENT),
    "DashboardSession": _object(session={"type": "string", "format": "password"}, expires_at=_MOMENT),
    "Lever": {"type": "object", "description": "What the demo org says of the lever."},
}

PROBLEM = ref("Problem")
BAD_INPUT = ref("BadInput")
SALESFORCE_ERRORS = ref("SalesforceErrors")
