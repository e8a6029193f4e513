"""The OpenAPI document, put together from what each station says of its routes.

A station's fragment is a JSON file beside its routes, `*_openapi.json`, so that both come and go together:

    {"tag": {"name", "description"}, "paths": {...}, "components": {"schemas": {...}, ...}}

It is OpenAPI, with three words of its own for what would be written again and again in each operation:

    "roles": ["admin"]                  needs a token of one of these: the security, and what is answered to others
    "problems": {"404": ["no_..."]}     problem documents by status with their codes, besides those that every route has
    "like": "post"                      the same as another method of the path
"""

from collections.abc import Iterable, Mapping
from functools import cache
from http import HTTPStatus
from itertools import chain
from pathlib import Path
from typing import Any

import orjson

from haulcast import __version__

STATIONS = Path(__file__).parents[1]
SHARED = Path(__file__).with_name("shared_openapi.json")
MEDIA_TYPE = "application/vnd.oai.openapi+json"

Problems = Mapping[str, list[str]]

OF_EVERY_ROUTE: Problems = {
    "429": ["too_many_requests"],
    "431": ["head_too_large"],
    "500": ["internal_error"],
}
OF_ROLES: Problems = {
    "401": ["bad_token", "expired_token", "no_token", "revoked_token"],
    "403": ["shared_view", "wrong_role"],
    "503": ["database_unreachable", "keys_unavailable"],
}
OF_BODIES: Problems = {"408": ["slow_body"]}
_HEADERS = {"401": ("WWW-Authenticate", "WwwAuthenticate")} | dict.fromkeys(
    ("429", "503"), ("Retry-After", "RetryAfter")
)


@cache
def document() -> dict[str, Any]:
    """The whole document; not to be changed. Some milliseconds the first time."""
    return assembled(sorted(chain(STATIONS.glob("*_openapi.json"), STATIONS.glob("*/*_openapi.json"))))


def assembled(files: Iterable[Path]) -> dict[str, Any]:
    """The document of these fragments; what they share is always there.

    Raises:
        ValueError: two fragments describe the same path or component.
    """
    whole: dict[str, Any] = orjson.loads(SHARED.read_bytes())
    whole["info"]["version"] = __version__
    answers = whole["components"].setdefault("responses", {})
    for file in files:
        if file == SHARED:
            continue
        fragment = orjson.loads(file.read_bytes())
        whole["tags"].append(fragment["tag"])
        _add(whole["paths"], fragment["paths"], file)
        for item in fragment["paths"].values():
            _complete(item, fragment["tag"]["name"], answers)
        for kind, components in fragment.get("components", {}).items():
            _add(whole["components"].setdefault(kind, {}), components, file)
    whole["paths"] = dict(sorted(whole["paths"].items()))
    whole["tags"].sort(key=lambda tag: str(tag["name"]))
    return whole


def _add(known: dict[str, Any], more: Mapping[str, Any], file: Path) -> None:
    for name in known.keys() & more.keys():
        raise ValueError(f"{file} describes {name!r}, which another fragment has described")
    known.update(more)


def _complete(item: dict[str, Any], tag: str, answers: dict[str, Any]) -> None:
    """Replace our own words in the operations of a path; `answers` gets the problem documents that many have."""
    for method, operation in item.items():
        if "like" in operation:
            model = item[operation["like"]]
            item[method] = {**model, "operationId": f"{model['operationId']}By{method.title()}"}
    for method, operation in item.items():
        if method != "parameters":
            item[method] = _operation(operation, tag, answers)


def _operation(written: Mapping[str, Any], tag: str, answers: dict[str, Any]) -> dict[str, Any]:
    operation = {"tags": [tag], **written, "responses": dict(written["responses"])}
    roles = operation.pop("roles", None)
    if roles:
        operation |= {"security": [{"token": []}], "x-roles": roles}
    operation.setdefault("security", [])
    of_whom = OF_ROLES if roles else {}
    of_body = OF_BODIES if "requestBody" in operation else {}
    problems: dict[str, set[str]] = {}
    for some in (operation.pop("problems", {}), of_whom, of_body, OF_EVERY_ROUTE):
        for status, codes in some.items():
            problems.setdefault(status, set()).update(codes)
    for status, codes in sorted(problems.items()):
        operation["responses"].setdefault(status, _answer(status, sorted(codes), answers))
    return operation


def _answer(status: str, codes: list[str], answers: dict[str, Any]) -> dict[str, Any]:
    """The answer with a problem document of one of these codes, or a reference to it where many routes have it."""
    if len(codes) > 1 and codes != OF_ROLES.get(status):
        return _problem(status, codes)
    name = f"{status}.{codes[0] if len(codes) == 1 else 'roles'}"
    answers.setdefault(name, _problem(status, codes))
    return {"$ref": f"#/components/responses/{name}"}


def _problem(status: str, codes: list[str]) -> dict[str, Any]:
    """The answer with a problem document of one of these codes."""
    problem = {"$ref": "#/components/schemas/Problem"}
    stated = {"properties": {"status": {"const": int(status)}, "code": {"enum": codes}}}
    schema = {"allOf": [problem, stated]}
    answer: dict[str, Any] = {
        "description": HTTPStatus(int(status)).phrase,
        "content": {"application/problem+json": {"schema": schema}},
    }
    if status in _HEADERS:
        name, component = _HEADERS[status]
        answer["headers"] = {name: {"$ref": f"#/components/headers/{component}"}}
    return answer
