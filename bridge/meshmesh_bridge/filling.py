"""Bulk jobs that are made and filled: each passes, and what it holds is noted on its way, in every mode.

What is filled in Build Mode can be closed under Plan Mode, by another program or later.
"""

import json
from collections.abc import AsyncIterator, Iterable
from dataclasses import replace
from http import HTTPStatus
from typing import cast

from aiohttp import hdrs

from meshmesh_bridge.letters import Body, Letter
from meshmesh_bridge.sending import Heard
from meshmesh_daemon.usecases.bulk_jobs import BulkJobs, Upload
from meshmesh_storage.plan_records import Plan
from meshmesh_storage.records import Mode


def watched(
    letter: Letter, jobs: BulkJobs, connection_id: str, mode: Mode, plans: Iterable[Plan]
) -> tuple[Letter, Heard | None]:
    """A request that makes or fills a job, so that it is noted.

    Args:
        letter: the request.
        jobs: what is known of jobs.
        connection_id: where the job is.
        mode: the client's.
        plans: those that something may still come of.

    Returns:
        The request to send in its place, and who must hear the answer, if somebody must.

    Raises:
        Problem: 409 where the upload could change what a person approves.
    """
    if letter.method != hdrs.METH_PUT:

        def made(status: int, body: bytes) -> None:
            if status < HTTPStatus.MULTIPLE_CHOICES:
                jobs.made(connection_id, _object(body))

        return letter, made
    job_id = letter.target.path.rstrip("/").split("/")[-2]
    if mode is Mode.BUILD:
        upload = jobs.freely(connection_id, job_id, plans, legible=_is_legible(letter))
    else:
        upload = jobs.upload(connection_id, job_id)
    return (letter, None) if upload is None else _filling(letter, jobs, connection_id, job_id, upload)


def _filling(
    letter: Letter, jobs: BulkJobs, connection_id: str, job_id: str, upload: Upload
) -> tuple[Letter, Heard | None]:
    def filled(status: int, _body: bytes) -> None:
        upload.taken = status < HTTPStatus.MULTIPLE_CHOICES
        if HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR:
            jobs.refused(connection_id, job_id)

    return replace(letter, body=_noted(letter.body, upload)), filled


def _is_legible(letter: Letter) -> bool:
    return all(name.lower() != "content-encoding" or value.lower() == "identity" for name, value in letter.headers)


def _noted(body: Body, upload: Upload) -> Body:
    if isinstance(body, bytes):
        upload.feed(body)
        return body
    return _fed(body, upload)


async def _fed(pieces: AsyncIterator[bytes], upload: Upload) -> AsyncIterator[bytes]:
    async for piece in pieces:
        upload.feed(piece)
        yield piece


def _object(body: bytes) -> dict[str, object]:
    try:
        document: object = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return cast("dict[str, object]", document) if isinstance(document, dict) else {}
