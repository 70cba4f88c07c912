"""SOAP: what each operation is, by the address it is sent to; and what it would change."""

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from meshmesh_daemon.core.classify import deploys
from meshmesh_daemon.core.classify.media import is_xml
from meshmesh_daemon.core.classify.request import Matched, Opaque
from meshmesh_daemon.core.classify.statements import leaves_a_trace
from meshmesh_daemon.core.classify.strict_json import Refused
from meshmesh_daemon.core.classify.verdict import Json, Kind, Part, Verdict
from meshmesh_daemon.core.classify.words import is_name
from meshmesh_daemon.core.soap import BadEnvelope, Element, Envelope, read_envelope

_R, _W, _D = Kind.READ, Kind.WRITE, Kind.DENY
_MOST = 2000


@dataclass(frozen=True, slots=True)
class Api:
    """One SOAP API: its namespace, and its operations. A name that ends in `*` is a beginning."""

    title: str
    namespace: str
    operations: Mapping[str, tuple[Kind, str]]

    def find(self, operation: str) -> tuple[Kind, str] | None:
        """Kind and verb of an operation, None for an unknown one."""
        exact = self.operations.get(operation)
        if exact is not None:
            return exact
        beginnings = (name for name in self.operations if name.endswith("*"))
        return next((self.operations[name] for name in beginnings if operation.startswith(name[:-1])), None)


def _all(kind: Kind, action: str, names: str) -> dict[str, tuple[Kind, str]]:
    return dict.fromkeys(names.split(), (kind, action))


_RECORDS = {
    **_all(_R, "read", "query queryAll queryMore retrieve search describe* getDeleted getUpdated getServerTimestamp"),
    **_all(_R, "read", "getUserInfo findDuplicates* renderEmailTemplate"),
    **_all(_W, "create", "create"),
    **_all(_W, "update", "update"),
    **_all(_W, "upsert", "upsert"),
    **_all(_W, "delete", "delete deleteByExample emptyRecycleBin"),
    **_all(_W, "send", "sendEmail sendEmailMessage"),
    **_all(_W, "run", "process performQuickActions convertLead"),
    **_all(_W, "password", "setPassword resetPassword changeOwnPassword"),
    **_all(_W, "other", "undelete merge invalidateSessions logout"),
    **_all(_D, "other", "login"),
}
_CODE = _all(_W, "run", "executeAnonymous runTests*")

APIS: Mapping[str, Api] = {
    "u": Api("Partner", "urn:partner.soap.sforce.com", _RECORDS),
    "c": Api("Enterprise", "urn:enterprise.soap.sforce.com", _RECORDS),
    "t": Api("Tooling", "urn:tooling.soap.sforce.com", {**_RECORDS, **_CODE}),
    "s": Api("Apex", "http://soap.sforce.com/2006/08/apex", _all(_W, "run", "*")),
    "m": Api(
        "Metadata",
        "http://soap.sforce.com/2006/04/metadata",
        {
            **_all(_R, "read", "describeMetadata listMetadata readMetadata describeValueType checkDeployStatus"),
            **_all(_R, "read", "checkRetrieveStatus retrieve"),
            **_all(_W, "deploy", "deploy deployRecentValidation"),
            **_all(_W, "create", "createMetadata"),
            **_all(_W, "update", "updateMetadata renameMetadata"),
            **_all(_W, "upsert", "upsertMetadata"),
            **_all(_W, "delete", "deleteMetadata"),
            **_all(_W, "other", "cancelDeploy"),
        },
    ),
}


def soap(matched: Matched) -> Verdict:
    """A call: its one operation decides; SOAPAction says nothing."""
    request = matched.request
    api = APIS[request.path.split("/")[_LETTER].lower()]
    if not is_xml(request.content_type):
        raise Opaque("the body does not say that it is XML")
    try:
        envelope = read_envelope(request.text())
    except BadEnvelope as bad:
        raise Refused(str(bad)) from None
    known = api.find(envelope.operation) if envelope.namespace == api.namespace else None
    if known is None:
        raise Opaque(f"{envelope.operation if is_name(envelope.operation) else 'the operation'} is not known")
    kind, action = known
    if kind is Kind.DENY:
        raise Refused("a sign-in is never brokered")
    if kind is Kind.READ:
        return _read(matched, envelope)
    return matched.verdict(*_parts(matched, envelope, action))


_LETTER = 3  # in /services/Soap/u/66.0


def _read(matched: Matched, envelope: Envelope) -> Verdict:
    if any(leaves_a_trace(statement.text) for statement in envelope.call.every("queryString")):
        return matched.plain(Kind.WRITE, "Query, and count it as a look or lock the rows")
    return matched.verdict(matched.part(Kind.READ, action="read"))


def _parts(matched: Matched, envelope: Envelope, action: str) -> Iterator[Part]:
    operation, call = envelope.operation, envelope.call
    records, ids = call.every("sObjects")[:_MOST], call.every("ids")[:_MOST]
    code = call.text_of("String")
    if operation in {"create", "update", "upsert"} and records:
        yield from (_record(matched, record, action) for record in records)
    elif operation == "delete" and ids:
        yield from (matched.part(Kind.WRITE, action=action, record_id=one.text.strip()) for one in ids)
    elif operation == "executeAnonymous" and code is not None:
        yield matched.part(Kind.WRITE, action=action, fields={"anonymousBody": code}, words="Run anonymous Apex")
    else:
        yield matched.part(Kind.WRITE, action=action, words=_words(envelope))


def _words(envelope: Envelope) -> str:
    if envelope.operation == "deploy":
        options = envelope.call.every("DeployOptions")
        check_only = [option.text_of("checkOnly") for option in options] == ["true"]
        return deploys.told(check_only=check_only, archive=_decoded(envelope.call.text_of("ZipFile")))
    return _CALLED.get(envelope.operation, f"SOAP {envelope.operation}")


def _decoded(text: str | None) -> bytes:
    try:
        return base64.b64decode(text or "")
    except ValueError:
        return b""


_CALLED = {
    "deployRecentValidation": "Deploy metadata that was validated",
    "sendEmail": "Send email",
    "sendEmailMessage": "Send email",
    "convertLead": "Convert leads",
    "merge": "Merge records",
    "undelete": "Take records out of the recycle bin",
    "emptyRecycleBin": "Empty the recycle bin",
    "setPassword": "Set a password",
    "resetPassword": "Reset a password",
    "changeOwnPassword": "Change the user's password",
    "logout": "End the session",
    "invalidateSessions": "End sessions",
    "process": "Submit, approve or reject in approval processes",
}


def _record(matched: Matched, record: Element, action: str) -> Part:
    """A record of the partner API tells its type in an element, one of the enterprise API in an attribute."""
    kind, record_id = record.text_of("type"), record.text_of("Id")
    fields: dict[str, Json] = {
        child.name: child.text for child in record.children if child.name not in {"type", "Id", "fieldsToNull"}
    }
    fields |= {child.text.strip(): None for child in record.every("fieldsToNull")}
    sobject = kind if kind and is_name(kind) else None
    action = "publish" if sobject and sobject.lower().endswith("__e") else action
    return matched.part(Kind.WRITE, action=action, sobject=sobject, record_id=record_id, fields=fields)
