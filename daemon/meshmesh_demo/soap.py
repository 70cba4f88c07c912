"""`/services/Soap/...`: the few calls of the partner API that programs still make, and those that this org only counts."""

import re
from collections.abc import Awaitable, Callable
from xml.sax.saxutils import escape

from aiohttp import web

from meshmesh_demo.errors import SalesforceError, refuse
from meshmesh_demo.jsons import Json, is_list, is_object
from meshmesh_demo.org import ORG, Org
from meshmesh_demo.records import Records
from meshmesh_demo.rest.call import Caller
from meshmesh_demo.rest.session import caller_of
from meshmesh_demo.seed import text_of
from meshmesh_demo.soql.evaluate import run
from meshmesh_demo.xmltree import BadXml, Element, parse

_VERSION = re.compile(r"\d{2,3}\.0", re.ASCII)
_ENVELOPE = (
    '<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" '
    'xmlns="urn:partner.soap.sforce.com" xmlns:sf="urn:sobject.partner.soap.sforce.com" '
    'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body>{}</soapenv:Body></soapenv:Envelope>'
)
_SESSION_TEXT = (
    "Invalid Session ID found in SessionHeader: Illegal Session. Session not found, missing session hash. "
    "This is expected, it can happen if the session has expired."
)
_MAX_RECORDS = 200
Call = Callable[[Org, Caller, Element, str], Awaitable[str]]


async def answer(request: web.Request, path: tuple[str, ...]) -> web.StreamResponse:
    """Answer a SOAP request.

    Args:
        request: what came.
        path: the segments below `/services/Soap`.
    """
    org = request.app[ORG]
    if (
        not path
        or path[0].lower() not in _APIS
        or len(path) < len(("u", "66.0"))
        or not _VERSION.fullmatch(path[1])
        or request.method != "POST"
    ):
        return _xml(_fault("UNKNOWN_EXCEPTION", "Destination URL not reset"), 500)
    try:
        text = await _carry_out(org, await request.read(), path[0].lower(), path[1])
    except BadXml as error:
        return _xml(_fault("soapenv:Client", f"The request is no XML that is taken here: {error}"), 500)
    except SalesforceError as error:
        code = error.fault.code
        return _xml(_fault(f"sf:{code}", _SESSION_TEXT if code == "INVALID_SESSION_ID" else error.fault.message), 500)
    return _xml(text, 200)


async def _carry_out(org: Org, data: bytes, api: str, version: str) -> str:
    envelope = parse(data)
    body = envelope.find("Body")
    if envelope.name != "Envelope" or body is None or not body.children:
        raise BadXml("there is no Envelope with a Body")
    header = envelope.find("Header")
    session = header.find("SessionHeader") if header else None
    token = session.find("sessionId") if session else None
    caller = await caller_of(org, token.text.strip() if token else None)
    operation = body.children[0]
    call = _CALLS.get(operation.name)
    if call is None or (call is not _deed and api not in _OF_RECORDS):
        raise refuse("UNKNOWN_EXCEPTION", f"No operation available for request {operation.name}")
    inner = await call(org, caller, operation, f"v{version}")
    return f"<{operation.name}Response>{inner}</{operation.name}Response>"


async def _user_info(org: Org, caller: Caller, _operation: Element, _version: str) -> str:
    record, organization = caller.user.record, org.store.organization
    inner = "".join(
        f"<{name}>{escape(str(value))}</{name}>"
        for name, value in (
            ("organizationId", org.store.org_id),
            ("organizationName", organization["Name"]),
            ("profileId", record["ProfileId"]),
            ("userEmail", record["Email"]),
            ("userFullName", record["Name"]),
            ("userId", caller.user.id),
            ("userLanguage", "en_US"),
            ("userLocale", record["LocaleSidKey"]),
            ("userName", caller.user.username),
            ("userTimeZone", record["TimeZoneSidKey"]),
            ("userType", record["UserType"]),
        )
    )
    return f"<result>{inner}</result>"


async def _timestamp(org: Org, _caller: Caller, _operation: Element, _version: str) -> str:
    return f"<result><timestamp>{text_of(org.clock())}</timestamp></result>"


async def _query(org: Org, _caller: Caller, operation: Element, version: str) -> str:
    statement = operation.find("queryString")
    if statement is None:
        raise refuse("MALFORMED_QUERY", "A query string has to be specified")
    result = run(org.store.visible(), statement.text, version=version, today=org.clock().date())
    records = "".join(f'<records xsi:type="sf:sObject">{_record(record)}</records>' for record in result.records)
    return f'<result xsi:type="QueryResult"><done>true</done><queryLocator xsi:nil="true"/>{records}<size>{result.total}</size></result>'


def _record(record: Json) -> str:
    attributes = record.get("attributes")
    kind = attributes.get("type") if is_object(attributes) else "AggregateResult"
    inner = f"<sf:type>{escape(str(kind))}</sf:type>"
    return inner + "".join(_field(name, value) for name, value in record.items() if name != "attributes")


def _field(name: str, value: object) -> str:
    if value is None:
        return f'<sf:{name} xsi:nil="true"/>'
    if is_object(value) and is_list(value.get("records")):
        return f"<sf:{name}><sf:size>{value['totalSize']}</sf:size></sf:{name}>"
    if is_object(value):
        return f'<sf:{name} xsi:type="sf:sObject">{_record(value)}</sf:{name}>'
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return f"<sf:{name}>{escape(text)}</sf:{name}>"


async def _create(org: Org, caller: Caller, operation: Element, _version: str) -> str:
    def one(records: Records, element: Element) -> str:
        name, values = _sobject(element)
        return records.create(org.store.sobject(name), values)

    return await _each(org, caller, operation.every("sObjects"), one)


async def _update(org: Org, caller: Caller, operation: Element, _version: str) -> str:
    def one(records: Records, element: Element) -> str:
        name, values = _sobject(element)
        record_id = str(values.pop("Id", "") or "")
        records.update(org.store.sobject(name), record_id, values)
        return record_id

    return await _each(org, caller, operation.every("sObjects"), one)


async def _delete(org: Org, caller: Caller, operation: Element, _version: str) -> str:
    def one(records: Records, element: Element) -> str:
        found = org.store.find_record(element.text.strip())
        if found is None:
            raise refuse("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
        records.delete(org.store.sobject(found[0]), element.text.strip())
        return element.text.strip()

    return await _each(org, caller, operation.every("ids"), one)


async def _deed(org: Org, caller: Caller, _operation: Element, _version: str) -> str:
    """What a real org does and this one only counts, as one write."""
    if not caller.user.may_write:
        raise refuse("INSUFFICIENT_ACCESS", "insufficient access rights on object id", status=403)
    async with org.store.transaction():
        await org.store.count_writes()
    return "<result><success>true</success></result>"


def _sobject(element: Element) -> tuple[str, dict[str, object]]:
    kind = element.find("type")
    values: dict[str, object] = {
        child.name: child.text for child in element.children if child.name not in {"type", "fieldsToNull"}
    }
    values |= {child.text.strip(): None for child in element.every("fieldsToNull")}
    return kind.text.strip() if kind else "", values


async def _each(org: Org, caller: Caller, elements: list[Element], one: Callable[[Records, Element], str]) -> str:
    if len(elements) > _MAX_RECORDS:
        raise refuse(
            "EXCEEDED_ID_LIMIT", f"record limit reached. cannot submit more than {_MAX_RECORDS} records into this call"
        )
    records = Records(org.store, caller.user)
    async with org.store.transaction():
        return "".join(_result(records, element, one) for element in elements)


def _result(records: Records, element: Element, one: Callable[[Records, Element], str]) -> str:
    try:
        return f"<result><id>{escape(one(records, element))}</id><success>true</success></result>"
    except SalesforceError as error:
        fields = "".join(f"<fields>{escape(name)}</fields>" for name in error.fault.fields)
        text = f"{fields}<message>{escape(error.fault.message)}</message><statusCode>{error.fault.code}</statusCode>"
        return f'<result><errors>{text}</errors><id xsi:nil="true"/><success>false</success></result>'


def _fault(code: str, text: str) -> str:
    shown = f"{code.removeprefix('sf:')}: {text}" if code.startswith("sf:") else text
    return f"<soapenv:Fault><faultcode>{escape(code)}</faultcode><faultstring>{escape(shown)}</faultstring></soapenv:Fault>"


def _xml(inner: str, status: int) -> web.Response:
    data = _ENVELOPE.format(inner).encode("utf-8", "replace")
    return web.Response(status=status, body=data, headers={"Content-Type": "text/xml;charset=UTF-8"})


_APIS = frozenset({"u", "c", "t", "m", "s"})  # partner, enterprise, tooling, metadata, Apex
_OF_RECORDS = frozenset({"u", "c", "t"})
_DEEDS = (
    "convertLead", "emptyRecycleBin", "merge", "process", "sendEmail", "setPassword", "undelete", "upsert",
    "executeAnonymous", "runTests", "compileClasses",
    "createMetadata", "deleteMetadata", "deploy", "renameMetadata", "updateMetadata", "upsertMetadata",
)  # fmt: skip
_CALLS: dict[str, Call] = {
    **dict.fromkeys(_DEEDS, _deed),
    "getUserInfo": _user_info,
    "getServerTimestamp": _timestamp,
    "query": _query,
    "queryAll": _query,
    "create": _create,
    "update": _update,
    "delete": _delete,
}
