"""The OpenAPI document says what there is: every route of the hub, nothing else, in valid OpenAPI 3.1."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from described import METHODS, Described
from openapi_spec_validator import OpenAPIV31SpecValidator
from starlette.applications import Starlette
from starlette.routing import Route, WebSocketRoute

from haulcast import app, hub_http
from haulcast.doors.web_folder import WebFolder
from haulcast.openapi.document import SHARED, assembled, document
from haulcast.settings import Settings

DESCRIBED = Described(document())


@pytest.fixture
async def hub_routes(database_url, monkeypatch) -> list[Any]:
    """The routes of a hub that runs in this process."""
    made: list[Starlette] = []

    class Noted(Starlette):
        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            made.append(self)

    monkeypatch.setattr(hub_http, "Starlette", Noted)
    settings = Settings(
        database_url=database_url, http_port=0, hub_port=0, token_secret="0123456789abcdef" * 2
    )
    async with app.Hub(settings).running():
        return made[0].routes


async def test_every_route_is_described_and_the_reverse(hub_routes) -> None:
    """The routes of the running hub and the operations of the document are the same; pages and sockets are not REST."""
    routes = [route for route in hub_routes if not isinstance(route, WebFolder | WebSocketRoute)]
    assert all(isinstance(route, Route) for route in routes)
    there = {
        (method, re.sub(r":\w+}", "}", route.path)) for route in routes for method in route.methods - {"HEAD"}
    }
    missing, invented = there - DESCRIBED.operations, DESCRIBED.operations - there
    assert not missing, f"write these into the station's *_openapi.json: {sorted(missing)}"
    assert not invented, f"no such route: {sorted(invented)}"


def test_the_document_is_openapi() -> None:
    """It is valid OpenAPI 3.1."""
    assert [str(error)[:500] for error in OpenAPIV31SpecValidator(document()).iter_errors()] == []


def _nodes(node: Any, place: str = "") -> list[tuple[str, dict[str, Any]]]:
    if isinstance(node, list):
        return [found for i, child in enumerate(node) for found in _nodes(child, f"{place}/{i}")]
    if not isinstance(node, dict):
        return []
    return [
        (place, node),
        *(found for name, child in node.items() for found in _nodes(child, f"{place}/{name}")),
    ]


def test_every_example_is_valid() -> None:
    """What is shown as an example is what its schema says."""
    shown = 0
    for place, node in _nodes(document()):
        if "schema" not in node:
            continue
        examples = [one["value"] for one in node.get("examples", {}).values()]
        for example in [*examples, *([node["example"]] if "example" in node else [])]:
            DESCRIBED.validate(node["schema"], example, place)
            shown += 1
    assert shown > 20


def test_everything_written_is_used() -> None:
    """No component is left over from what is gone."""
    text = json.dumps(document())
    for kind, components in document()["components"].items():
        for name in components:
            is_used = f'"#/components/{kind}/{name}"' in text or (
                kind == "securitySchemes" and f'{{"{name}":' in text
            )
            assert is_used, f"{kind} {name}"


def _answers_of(operation: dict[str, Any]) -> set[str]:
    return set(operation["responses"])


def test_every_operation_says_the_same_things() -> None:
    """A summary, an id of its own, a tag, security, and the answers that the doors give to everybody."""
    ids = []
    for path, item in document()["paths"].items():
        for method in METHODS:
            if method not in item:
                continue
            operation, place = item[method], f"{method} {path}"
            ids.append(operation["operationId"])
            assert operation["summary"], place
            assert operation["tags"], place
            assert {"429", "431", "500"} <= _answers_of(operation), place
            if operation["security"]:
                assert {"401", "403"} <= _answers_of(operation), place
            if "token" in {name for one in operation["security"] for name in one}:
                assert set(operation["x-roles"]) <= {"device", "viewer", "dispatcher", "admin"}, place
            if "requestBody" in operation:
                assert {"400", "408", "413"} <= _answers_of(operation), place
            if "{" in path:
                assert "400" in _answers_of(operation), place
    assert len(ids) == len(set(ids))


def _page_schemas() -> dict[str, dict[str, Any]]:
    """By path: the schemas of what GET answers with an array in it."""
    found = {}
    for path, item in document()["paths"].items():
        content = item.get("get", {}).get("responses", {}).get("200", {}).get("content", {})
        reference = content.get("application/json", content.get("application/geo+json", {})).get("schema", {})
        schema = document()["components"]["schemas"].get(reference.get("$ref", "").rpartition("/")[2], {})
        arrays = [name for name, one in schema.get("properties", {}).items() if one.get("type") == "array"]
        if arrays and "track" not in path:  # which is one document, written while it is read
            found[path] = schema
    return found


def test_every_list_is_paged() -> None:
    """What answers with a list has `limit`, a bound, a place to go on from, and `next`."""
    pages = _page_schemas()
    assert {"/v1/fences", "/v1/rules", "/v1/shares", "/v1/revocations", "/v1/audit"} < pages.keys()
    for path, schema in pages.items():
        operation = document()["paths"][path]["get"]
        names = {
            one.get("name") or document()["components"]["parameters"][one["$ref"].rpartition("/")[2]]["name"]
            for one in operation["parameters"]
        }
        assert "limit" in names, path
        assert names & {"after", "from"}, path
        assert "next" in schema["properties"], path
        assert all("maxItems" in one for one in schema["properties"].values() if one.get("type") == "array")


def test_a_schema_of_an_answer_is_closed() -> None:
    """No answer has a member that nobody described, but where anything may stand."""
    open_ones = {"Attributes", "Status", "Readiness", "FenceCollection"}
    for name, schema in document()["components"]["schemas"].items():
        for place, node in _nodes(schema):
            is_input = re.search(r"Draft|geometry", f"{name}{place}")
            if node.get("type") == "object" and "properties" in node and not is_input:
                assert name in open_ones or node.get("additionalProperties") is False, f"{name}{place}"


def test_a_station_takes_its_routes_with_it(tmp_path: Path) -> None:
    """A document of fewer fragments is whole; one of a route that is described twice is refused."""
    fragment = {
        "tag": {"name": "Made up", "description": "-"},
        "paths": {
            "/x": {"get": {"operationId": "x", "summary": "X", "responses": {"204": {"description": "-"}}}}
        },
    }
    file, other = tmp_path / "a_openapi.json", tmp_path / "b_openapi.json"
    for one in (file, other):
        one.write_text(json.dumps(fragment))
    small = assembled([SHARED, file])
    assert list(small["paths"]) == ["/x"]
    assert list(OpenAPIV31SpecValidator(small).iter_errors()) == []
    with pytest.raises(ValueError, match=r"b_openapi\.json describes '/x'"):
        assembled([file, other])
