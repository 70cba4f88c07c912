"""`/services/async/XX.0/job`: Bulk 1, whose batches are carried out as they come. The session stands in `X-SFDC-Session`."""

import csv
import io
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from xml.sax.saxutils import escape

from aiohttp import web

from meshmesh_demo.bulk import Job
from meshmesh_demo.errors import SalesforceError, not_found, refuse
from meshmesh_demo.ids import random_id
from meshmesh_demo.jsons import is_list, is_object
from meshmesh_demo.org import ORG, Org
from meshmesh_demo.records import Records
from meshmesh_demo.rest.call import Caller
from meshmesh_demo.rest.ingest import carry_out
from meshmesh_demo.rest.session import caller_of
from meshmesh_demo.seed import text_of
from meshmesh_demo.xmltree import BadXml, Element, parse

_SPACE = "http://www.force.com/2009/06/asyncapi/dataload"
_VERSION = re.compile(r"\d{2,3}\.0", re.ASCII)
_OPERATIONS = frozenset({"insert", "update", "upsert", "delete", "hardDelete", "query", "queryAll"})
Row = dict[str, str]


async def answer(request: web.Request, path: tuple[str, ...]) -> web.StreamResponse:
    """Answer a request.

    Args:
        request: what came.
        path: the segments below `/services/async`.
    """
    org = request.app[ORG]
    try:
        caller = await caller_of(org, request.headers.get("X-SFDC-Session"))
        if len(path) < len(("66.0", "job")) or not _VERSION.fullmatch(path[0]) or path[1] != "job":
            raise not_found()
        return await _carry_out(org, caller, request, path)
    except BadXml as error:
        return _error("InvalidXML", str(error))
    except SalesforceError as error:
        session = error.fault.code == "INVALID_SESSION_ID"
        return _error("InvalidSessionId" if session else "InvalidJob", error.fault.message)


async def _carry_out(org: Org, caller: Caller, request: web.Request, path: tuple[str, ...]) -> web.StreamResponse:
    match (request.method, path[2:]):
        case ("POST", ()):
            return _told(_begun(org, caller, _fields(await _document(request), "jobInfo"), path[0]), 201)
        case ("POST", (job_id,)):
            job = _job(org, job_id)
            job.state = _fields(await _document(request), "jobInfo").get("state", job.state)
            return _told(job, 200)
        case ("GET", (job_id,)):
            return _told(_job(org, job_id), 200)
        case ("POST", (job_id, "batch")):
            return await _batch(org, caller, _job(org, job_id), request)
        case _:
            raise not_found()


def _begun(org: Org, caller: Caller, fields: Mapping[str, str], version: str) -> Job:
    operation = fields.get("operation", "")
    if operation not in _OPERATIONS:
        raise refuse("InvalidJob", f"Unsupported operation: {operation}")
    job = Job(
        id=random_id("750"), kind="v1", operation=operation, object=org.store.sobject(fields.get("object", "")).name,
        owner_id=caller.user.id, created_at=text_of(org.clock()), version=f"v{version}", delimiter="COMMA",
        key=fields.get("externalIdFieldName", ""),
    )  # fmt: skip
    org.jobs[job.id] = job
    return job


def _job(org: Org, job_id: str) -> Job:
    job = org.jobs.get(job_id)
    if job is None or job.kind != "v1":
        raise refuse("InvalidJob", "Unable to find the job")
    return job


async def _batch(org: Org, caller: Caller, job: Job, request: web.Request) -> web.StreamResponse:
    if job.state != "Open":
        raise refuse("InvalidJobState", f"Job state is {job.state}, it must be Open")
    rows = [] if job.operation.startswith("query") else await _rows(request)
    records, sobject = Records(org.store, caller.user), org.store.sobject(job.object)
    async with org.store.transaction():
        job.outcomes += [carry_out(records, sobject, replace(job), row) for row in rows]
    batch = {"id": random_id("751"), "jobId": job.id, "state": "Completed", "numberRecordsProcessed": str(len(rows))}
    return _xml("batchInfo", batch, 201)


async def _rows(request: web.Request) -> list[Row]:
    data = await request.read()
    if "csv" in request.content_type:
        return [dict(row) for row in csv.DictReader(io.StringIO(data.decode("utf-8-sig", "replace")))]
    document = await _document(request)
    if isinstance(document, Element):
        return [{child.name: child.text for child in one.children} for one in document.every("sObject")]
    entries = document if is_list(document) else []
    return [{name: str(value) for name, value in one.items()} for one in entries if is_object(one)]


async def _document(request: web.Request) -> object:
    if "json" in request.content_type:
        try:
            document: object = json.loads(await request.read())
        except (ValueError, RecursionError):
            raise refuse("InvalidBatch", "The body is no JSON") from None
        return document
    return parse(await request.read())


def _fields(document: object, name: str) -> dict[str, str]:
    if isinstance(document, Element):
        if document.name != name:
            raise BadXml(f"{name} was expected")
        return {child.name: child.text.strip() for child in document.children}
    return {key: str(value) for key, value in document.items()} if is_object(document) else {}


def _told(job: Job, status: int) -> web.Response:
    fields = {"id": job.id, "operation": job.operation, "object": job.object, "state": job.state}
    return _xml("jobInfo", fields, status)


def _error(code: str, message: str) -> web.Response:
    return _xml("error", {"exceptionCode": code, "exceptionMessage": message}, 400)


def _xml(name: str, fields: Mapping[str, str], status: int) -> web.Response:
    inner = "".join(f"<{key}>{escape(value)}</{key}>" for key, value in fields.items())
    text = f'<?xml version="1.0" encoding="UTF-8"?><{name} xmlns="{_SPACE}">{inner}</{name}>'
    return web.Response(status=status, body=text.encode(), headers={"Content-Type": "application/xml"})
