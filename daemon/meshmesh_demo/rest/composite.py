"""Several requests in one: `composite`, `composite/batch`, `composite/graph`."""

import json
from dataclasses import dataclass, replace
from urllib.parse import parse_qsl, unquote, urlsplit

from meshmesh_demo.errors import SalesforceError, refuse
from meshmesh_demo.jsons import Json
from meshmesh_demo.rest.call import Call, Operation, Reply, as_list, as_object, as_text
from meshmesh_demo.rest.references import filled

MAX_REQUESTS, MAX_NODES = 25, 500
_ROLLED_BACK = "The transaction was rolled back since another operation in the same transaction failed."
_REFUSED = 400  # the least status that is a failure


class _Failed(Exception):
    """Rolls a transaction back; the answers tell why."""


@dataclass(frozen=True, slots=True)
class Composites:
    """The requests of requests.

    Args:
        dispatch: answers one inner call.
    """

    dispatch: Operation

    async def composite(self, call: Call) -> Reply:
        """`POST composite`."""
        body = call.fields()
        requests = _requests(body.get("compositeRequest"), MAX_REQUESTS)
        answers = await self._run(call, requests, all_or_none=body.get("allOrNone") is True)
        return Reply(body={"compositeResponse": answers})

    async def graph(self, call: Call) -> Reply:
        """`POST composite/graph`: each graph is all or nothing."""
        graphs = [as_object(one) for one in as_list(call.fields().get("graphs"))]
        told: list[Json] = []
        for graph in graphs:
            answers = await self._run(call, _requests(graph.get("compositeRequest"), MAX_NODES), all_or_none=True)
            good = all(_is_good(answer) for answer in answers)
            told.append(
                {
                    "graphId": as_text(graph.get("graphId"), "graphId"),
                    "graphResponse": {"compositeResponse": answers},
                    "isSuccessful": good,
                }
            )
        return Reply(body={"graphs": told})

    async def batch(self, call: Call) -> Reply:
        """`POST composite/batch`: independent requests, one after the other."""
        body = call.fields()
        results: list[Json] = []
        halted = False
        for request in _requests(body.get("batchRequests"), MAX_REQUESTS):
            if halted:
                error = refuse(
                    "BATCH_PROCESSING_HALTED", "Batch processing is halted by the failure of a prior request."
                )
                results.append({"statusCode": 412, "result": error.body()})
                continue
            reply = await self._inner(call, request, request.get("richInput"), prefix="/services/data/")
            results.append({"statusCode": reply.status, "result": reply.body})
            halted = reply.status >= _REFUSED and body.get("haltOnError") is True
        return Reply(
            body={"hasErrors": any(_status(one["statusCode"]) >= _REFUSED for one in results), "results": results}
        )

    async def _run(self, call: Call, requests: list[Json], *, all_or_none: bool) -> list[Json]:
        answers: list[Json] = []
        if not all_or_none:
            await self._in_order(call, requests, answers, stop=False)
            return answers
        try:
            async with call.org.store.transaction():
                await self._in_order(call, requests, answers, stop=True)
                _all_good(answers)
        except _Failed:
            rolled_back = refuse("PROCESSING_HALTED", _ROLLED_BACK).body()
            failed = answers[-1]
            return [
                failed
                if request.get("referenceId") == failed["referenceId"]
                else _told(request, Reply(status=_REFUSED, body=rolled_back))
                for request in requests
            ]
        return answers

    async def _in_order(self, call: Call, requests: list[Json], answers: list[Json], *, stop: bool) -> None:
        known: dict[str, object] = {}
        for request in requests:
            try:
                inner = request | {"url": filled(request.get("url"), known)}
                reply = await self._inner(call, inner, filled(request.get("body"), known), prefix="")
            except SalesforceError as error:
                reply = Reply(status=error.status, body=error.body())
            answers.append(_told(request, reply))
            if reply.status < _REFUSED:
                known[str(request.get("referenceId"))] = reply.body
            elif stop:
                return

    async def _inner(self, call: Call, request: Json, body: object, *, prefix: str) -> Reply:
        parts = urlsplit(prefix + as_text(request.get("url"), "url").lstrip("/" if prefix else ""))
        segments = [unquote(part) for part in parts.path.split("/") if part]
        if segments[:2] != ["services", "data"] or len(segments) < len(("services", "data", "vXX.0")):
            raise refuse("NOT_FOUND", "The requested resource does not exist", status=404)
        path = tuple(segments[3:])
        if path[:1] == ("composite",) and path[1:2] not in {("sobjects",), ("tree",)}:
            raise refuse("INVALID_INPUT", "A composite request can not be inside another one.")
        inner = replace(
            call,
            method=as_text(request.get("method"), "method").upper(),
            version=segments[2],
            path=path,
            query=dict(parse_qsl(parts.query, keep_blank_values=True)),
            body=b"" if body is None else json.dumps(body).encode(),
        )
        return await self.dispatch(inner)


def _all_good(answers: list[Json]) -> None:
    if not all(_is_good(answer) for answer in answers):
        raise _Failed


def _requests(value: object, most: int) -> list[Json]:
    requests = [as_object(one) for one in as_list(value)]
    if not requests or len(requests) > most:
        raise refuse("INVALID_INPUT", f"The request must have between 1 and {most} subrequests.")
    return requests


def _told(request: Json, reply: Reply) -> Json:
    return {
        "body": reply.body, "httpHeaders": dict(reply.headers), "httpStatusCode": reply.status,
        "referenceId": request.get("referenceId"),
    }  # fmt: skip


def _is_good(answer: Json) -> bool:
    return _status(answer["httpStatusCode"]) < _REFUSED


def _status(value: object) -> int:
    return value if isinstance(value, int) else _REFUSED
