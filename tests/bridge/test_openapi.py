"""The API document: valid, whole, and true to what the service takes and gives."""

import re
from collections.abc import Iterator
from typing import Any, cast

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from meshmesh_bridge.declared import Field, Flag, Objects, Text, Whole, names
from meshmesh_bridge.guard import Need, Route
from meshmesh_bridge.wings import all_routes
from support.service import Answer, Service

PARAMETER = re.compile(r"{(\w+)(?::[^}]*)?}")
PLACES = {"name": "demo", "id": "nowhere", "user_code": "ABCD-EFGH"}
SECRETS = {"pin", "client_secret", "access_token", "device_code", "rejected"}
BODIES = [route for route in all_routes() if route.body is not None]


def address(route: Route) -> str:
    """An address of a route."""
    return PARAMETER.sub(lambda match: PLACES.get(match[1], "x"), route.path)


@pytest.fixture(scope="module")
def token(service: Service) -> str:
    """A client that may do everything with `demo`."""
    return service.pair({"connection": "demo", "mode": "build", "raw_token": True})


def send(service: Service, route: Route, token: str, body: object) -> Answer:
    """A body to a route, by whom it is for."""
    is_client = route.need is Need.CLIENT
    return service.call(route.method, address(route), body, owner=not is_client, token=token if is_client else None)


@pytest.fixture(scope="module")
def document(service: Service) -> Any:
    """The document as it is served."""
    return service.call("GET", "/openapi.json").json()


def operations(document: Any) -> Iterator[tuple[str, str, Any]]:
    """Each operation of the document."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def test_it_is_openapi_3_1(document: Any) -> None:
    """The specification's own validator has nothing to say."""
    assert document["openapi"].startswith("3.1.")
    assert [error.message for error in OpenAPIV31SpecValidator(document).iter_errors()] == []


def test_every_operation_has_a_name_of_its_own(document: Any) -> None:
    """Code that is generated from the document needs distinct names."""
    ids = [operation["operationId"] for _, _, operation in operations(document)]

    assert len(ids) == len(set(ids))
    assert all(re.fullmatch(r"[a-z]\w+", one) for one in ids)


def test_every_route_says_what_it_answers() -> None:
    """No route without a declared answer, and no body without a declaration where the method has one."""
    own = [route for route in all_routes() if route.need is not Need.BROKER]

    assert [route.path for route in own if not route.answers] == []
    assert [
        route.path
        for route in own
        if (route.body is None) is (route.method in {"POST", "PATCH"}) and route.need is not Need.FORM
    ] == []


def test_every_schema_is_used(document: Any) -> None:
    """A schema that no answer shows is dead."""
    text = str(document)

    assert [name for name in document["components"]["schemas"] if f"#/components/schemas/{name}'" not in text] == []


@pytest.mark.parametrize("route", BODIES, ids=lambda route: f"{route.method} {route.path}")
def test_the_declared_fields_are_the_ones_that_are_taken(service: Service, route: Route, token: str) -> None:
    """A field that is not declared is refused, in words that list those that are."""
    before = service.call("GET", "/v1/connections", owner=True).json()["connections"]
    answer = send(service, route, token, {"n0nsense": 1})
    if answer.status == 404:  # what the address names is looked up first, and is not there
        return
    assert route.body is not None
    known = ", ".join(names(route.body)) or "none"

    assert answer.status == 422, answer.body
    assert answer.json()["errors"] == [
        {"field": "n0nsense", "detail": f"is not a field of this request. Known: {known}."}
    ]
    after = service.call("GET", "/v1/connections", owner=True).json()["connections"]
    assert [one["name"] for one in after] == [one["name"] for one in before]


def misfits(one: Field) -> Iterator[object]:
    """Values that a declared field must not take."""
    yield {"an": "object"} if not isinstance(one, Objects) else 7
    match one:
        case Text():
            yield from ("", "   ", "x" * (one.max_length + 1), "a\nb", 7, ["x"])
        case Whole():
            yield from (one.low - 1, one.high + 1, 1.5, True, "1")
        case Flag():
            yield from ("yes", 1)
        case Objects():
            yield from ([7], "x", [{"n0nsense": 1}], [{}] * (one.most + 1))
        case _:
            yield from (7, "n0 such w0rd")


@pytest.mark.parametrize(
    ("route", "one"),
    [(route, one) for route in BODIES for one in route.body or ()],
    ids=lambda value: f"{value.method} {value.path}" if isinstance(value, Route) else value.name,
)
def test_what_the_document_forbids_is_refused(service: Service, route: Route, one: Field, token: str) -> None:
    """The wrong type, a bound overstepped, a word that is not listed: 422, naming a field of this body."""
    assert route.body is not None
    for value in misfits(one):
        answer = send(service, route, token, {one.name: value})
        if answer.status == 404:
            return
        assert answer.status == 422, (value, answer.body)
        named = answer.json()["errors"][0]["field"]
        assert re.split(r"[.\[]", named)[0] in names(route.body), named


@pytest.mark.parametrize(
    ("route", "one"),
    [(route, one) for route in all_routes() for one in route.query if isinstance(one, Whole)],
    ids=lambda value: value.path if isinstance(value, Route) else value.name,
)
def test_a_query_is_held_to_its_range(service: Service, route: Route, one: Whole) -> None:
    """Above and below a parameter's range is 422, its bounds are not."""
    statuses = [
        service.call("GET", f"{address(route)}?{one.name}={value}", owner=True).status
        for value in (one.low - 1, one.high + 1, "x", one.low)
    ]

    assert statuses[:3] == [422, 422, 422]
    assert statuses[3] != 422


def test_no_secret_is_documented_as_plain(document: Any) -> None:
    """What carries a PIN, a token or a client secret is marked as a password, so that tools do not show it."""
    bodies = [operation.get("requestBody", {}) for _, _, operation in operations(document)]
    found = [*members(document["components"]["schemas"]), *(one for body in bodies for one in members(body))]
    secret = [(name, schema) for name, schema in found if name in SECRETS]

    assert secret
    assert [name for name, schema in secret if schema.get("anyOf", [schema])[0].get("format") != "password"] == []


def members(schema: Any) -> Iterator[tuple[str, Any]]:
    """Every member of every object in a schema."""
    if isinstance(schema, dict):
        found = cast("dict[str, Any]", schema)
        yield from found.get("properties", {}).items()
        for part in found.values():
            yield from members(part)
    for part in schema if isinstance(schema, list) else ():  # pyright: ignore[reportUnknownVariableType]
        yield from members(part)


def test_the_page_for_people_names_every_route(service: Service) -> None:
    """`/docs` is a page of ours, without scripts."""
    page = service.call("GET", "/docs", headers={"Accept": "text/html"})
    text = page.body.decode()

    assert page.headers["content-type"].startswith("text/html")
    assert "<script" not in text
    shown = {f"{route.method} {PARAMETER.sub(_braced, route.path)}" for route in all_routes()}
    assert {one for one in shown if one not in text} == set()


def _braced(match: re.Match[str]) -> str:
    return f"{{{match[1]}}}"
