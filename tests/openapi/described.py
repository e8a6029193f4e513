"""Real answers held against the hub's own OpenAPI document."""

import re
from typing import Any
from urllib.parse import urlsplit

import httpx
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

METHODS = ("get", "post", "put", "patch", "delete")
ROOT = "urn:openapi"


class Described:
    """A document, and which of its operations were seen to answer what."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document
        self.seen: set[tuple[str, str, int]] = set()
        resource = Resource(contents=document, specification=DRAFT202012)
        self._registry: Registry[Any] = Registry().with_resource(ROOT, resource)
        by_length = sorted(document["paths"], key=lambda path: ("{" in path, -len(path)))
        self._paths = [(re.compile(re.sub(r"\{\w+\}", "[^/]+", path)), path) for path in by_length]

    @property
    def operations(self) -> set[tuple[str, str]]:
        return {
            (method.upper(), path)
            for path, item in self.document["paths"].items()
            for method in METHODS
            if method in item
        }

    def check(self, answer: httpx.Response) -> None:
        """An event hook of a client; the assertion says what differs from the document."""
        answer.read()
        method, path = answer.request.method, urlsplit(str(answer.request.url)).path
        template = next((known for shape, known in self._paths if shape.fullmatch(path)), None)
        assert template is not None, f"{path} is not described"
        operation = self.document["paths"][template].get(method.lower())
        assert operation is not None, f"{method} {template} is not described"
        described = operation["responses"].get(str(answer.status_code))
        place = f"{method} {template} {answer.status_code}: {answer.text[:300]}"
        assert described is not None, f"not described: {place}"
        self.seen.add((method, template, answer.status_code))
        described = self._followed(described)
        for name, header in described.get("headers", {}).items():
            self._check_header(place, name, self._followed(header), answer)
        kinds = described.get("content")
        if kinds is None:
            assert not answer.content, f"has a body: {place}"
            return
        media_type = answer.headers["content-type"].partition(";")[0]
        assert media_type in kinds, f"is {media_type}: {place}"
        schema = kinds[media_type]["schema"]
        value = answer.json() if media_type.endswith("json") else answer.text
        self.validate(schema, value, place)

    def validate(self, schema: dict[str, Any], value: Any, place: str) -> None:
        absolute = _absolute(schema)
        checker = Draft202012Validator.FORMAT_CHECKER
        validator = Draft202012Validator(absolute, registry=self._registry, format_checker=checker)
        error = best_match(validator.iter_errors(value))
        assert error is None, f"{error.message} at {error.json_path}: {place}" if error else ""

    def _check_header(self, place: str, name: str, header: dict[str, Any], answer: httpx.Response) -> None:
        value = answer.headers.get(name)
        if value is None:
            assert not header.get("required"), f"has no {name}: {place}"
            return
        schema = header["schema"]
        self.validate(schema, int(value) if schema["type"] == "integer" else value, f"{name} of {place}")

    def _followed(self, node: dict[str, Any]) -> dict[str, Any]:
        while "$ref" in node:
            found: Any = self.document
            for part in node["$ref"].removeprefix("#/").split("/"):
                found = found[part]
            node = found
        return node


def _absolute(node: Any) -> Any:
    """The schema with references that say in which document."""
    if isinstance(node, dict):
        return {name: ROOT + value if name == "$ref" else _absolute(value) for name, value in node.items()}
    return [_absolute(one) for one in node] if isinstance(node, list) else node
