"""Reading a request: its JSON within a limit, its page, and the fields that fences, rules and vehicles have in common."""

import math
import re
import unicodedata
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from haulcast.errors import ConflictError, PreconditionError, RequestError, TooLargeError

MOST_ID_CHARACTERS = 128
MOST_NAME_CHARACTERS = 200
MOST_TAGS = 32
MOST_TAG_CHARACTERS = 64
MOST_ATTRIBUTE_BYTES = 16_384
MOST_ATTRIBUTE_LEVELS = 64
"""orjson writes 254 levels, and what is kept comes back inside other documents."""
MOST_PAGE = 1_000
PATCH_TRIES = 5
USUAL_PAGE = 100

_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")  # PostgreSQL has no place for it


@dataclass(frozen=True, slots=True)
class Page:
    """Which part of a list: at most `limit` things whose ids come after `after`."""

    limit: int
    after: str


async def body_within(request: Request, most_bytes: int) -> bytes:
    """The request's body.

    Raises:
        TooLargeError: it has more than `most_bytes`; the rest is not read.
    """
    declared = request.headers.get("content-length", "0")
    size = int(declared) if declared.isdigit() else 0
    parts: list[bytes] = []
    if size <= most_bytes:
        size = 0
        async for part in request.stream():
            parts.append(part)
            size += len(part)
            if size > most_bytes:
                break
    if size > most_bytes:
        raise TooLargeError(
            "body_too_large", f"the body has more than the {most_bytes} bytes that are allowed here"
        )
    return b"".join(parts)


async def json_body(request: Request, most_bytes: int) -> Any:
    """The request's body, parsed.

    Raises:
        TooLargeError: it has more than `most_bytes`; the rest is not read.
        RequestError: it is not JSON.
    """
    try:
        return orjson.loads(await body_within(request, most_bytes))
    except orjson.JSONDecodeError as error:
        raise RequestError("bad_json", f"the body is not JSON: {error}") from error


def page_asked_for(request: Request) -> Page:
    """`limit` and `after` of the query.

    Raises:
        RequestError: a limit that is none.
    """
    return Page(limit_asked_for(request), request.query_params.get("after", "").replace("\0", ""))


def limit_asked_for(request: Request, usual: int = USUAL_PAGE, most: int = MOST_PAGE) -> int:
    """`limit` of the query.

    Raises:
        RequestError: not a whole number from 1 to `most`.
    """
    text = request.query_params.get("limit", str(usual))
    if not (text.isascii() and text.isdigit() and len(text) < 10 and 1 <= int(text) <= most):
        raise RequestError("out_of_range", f"limit is {text[:80]!r}; allowed is 1 to {most}", field="limit")
    return int(text)


def flag_asked_for(request: Request, name: str) -> bool:
    """A `true` or `false` of the query; false when it is absent.

    Raises:
        RequestError: anything else.
    """
    text = request.query_params.get(name, "false")
    if text not in {"true", "false"}:
        raise RequestError("wrong_type", f"{name} is {text!r}; allowed are true and false", field=name)
    return text == "true"


def number_asked_for(request: Request, name: str, most: float) -> float | None:
    """A number of the query, more than 0 and at most `most`; None when it is absent.

    Raises:
        RequestError: anything else.
    """
    text = request.query_params.get(name)
    if text is None:
        return None
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number <= most:
        allowed = f"allowed is more than 0, up to {most:.0f}"
        raise RequestError("out_of_range", f"{name} is {text[:80]!r}; {allowed}", field=name)
    return number


def edition_asked_for(request: Request) -> str | None:
    """The edition that If-Match names, `*` for any; None without the header.

    Raises:
        RequestError: several ETags, or none in quotation marks.
    """
    tag = request.headers.get("if-match")
    if tag is None or tag == "*":
        return tag
    if len(tag) < 2 or "," in tag or not tag[0] == tag[-1] == '"':
        raise RequestError(
            "bad_header", "If-Match has to be * or one ETag in quotation marks", field="If-Match"
        )
    return tag[1:-1]


async def patched(
    request: Request, name: str, attempt: Callable[[str | None], Awaitable[Response]]
) -> Response:
    """Answer a PATCH: with the edition that If-Match names, or on top of whatever there is.

    Args:
        request: the PATCH.
        name: of what is changed, for the error.
        attempt: reads, merges and writes it, if it is still at the edition that was read, or at the one that is given.

    Raises:
        PreconditionError: it is at another edition than If-Match names.
        ConflictError: others were quicker, again and again.
    """
    asked = edition_asked_for(request)
    expected = None if asked == "*" else asked
    for _ in range(PATCH_TRIES):
        try:
            return await attempt(expected)
        except PreconditionError:  # somebody else's edit came between; this one goes on top of it
            if expected is not None:
                raise
    raise ConflictError("too_busy", f"{name} was changed {PATCH_TRIES} times meanwhile; try again")


def merged(document: Any, patch: Any) -> Any:
    """JSON Merge Patch (RFC 7396): members of the patch replace, null removes."""
    if not isinstance(patch, dict):
        return patch
    result = dict(document) if isinstance(document, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value)
    return result


def checked_object(value: Any, field: str, known: frozenset[str] | None = None) -> Mapping[str, Any]:
    """A JSON object, with no keys but the known ones.

    Raises:
        RequestError: something else, or an unknown key.
    """
    if not isinstance(value, dict):
        raise RequestError("wrong_type", f"{field} has to be an object", field=field)
    for key in value.keys() - (value.keys() if known is None else known):
        allowed = ", ".join(sorted(known or ()))
        raise RequestError(
            "unknown_field",
            f"{field} has the unknown member {key[:80]!r}; known are {allowed}",
            field=key[:80],
        )
    return value


def checked_id(value: Any, field: str = "id") -> str:
    """An id: 1 to 128 printable characters, and neither `.` nor `..`, which paths cannot hold.

    Raises:
        RequestError: anything else.
    """
    if (
        isinstance(value, str)
        and 1 <= len(value) <= MOST_ID_CHARACTERS
        and value.isprintable()
        and value not in {".", ".."}
    ):
        return value
    raise RequestError(
        "bad_id",
        f"{field} has to be a text of 1 to {MOST_ID_CHARACTERS} printable characters, not . or ..",
        field=field,
    )


def checked_name(value: Any, field: str = "name") -> str:
    """A name for people: up to 200 characters, no control characters.

    Raises:
        RequestError: anything else.
    """
    if isinstance(value, str) and len(value) <= MOST_NAME_CHARACTERS and not _has_control(value):
        return value
    raise RequestError(
        "bad_name",
        f"{field} has to be a text of at most {MOST_NAME_CHARACTERS} characters without control characters",
        field=field,
    )


def checked_tags(value: Any, field: str = "tags", most: int = MOST_TAGS) -> tuple[str, ...]:
    """Tags, each once, in the order given.

    Raises:
        RequestError: not a list of at most `most` short texts.
    """
    if not isinstance(value, list) or len(value) > most:
        raise RequestError("bad_tags", f"{field} has to be a list of at most {most} texts", field=field)
    for tag in value:
        if not isinstance(tag, str) or not 1 <= len(tag) <= MOST_TAG_CHARACTERS or _has_control(tag):
            allowed = f"1 to {MOST_TAG_CHARACTERS} characters without control characters"
            raise RequestError("bad_tags", f"each of {field} has to be a text of {allowed}", field=field)
    return tuple(dict.fromkeys(value))


def checked_attributes(value: Any, field: str = "attributes") -> dict[str, Any]:
    """What users keep with a thing: any JSON object, up to 16 KiB and 64 levels.

    Raises:
        RequestError: not an object, nested too deeply, or with a NUL character in it.
        TooLargeError: over the limit.
    """
    attributes = dict(checked_object(value, field))
    if is_nested_deeper(attributes):
        reason = f"{field} has more levels than the {MOST_ATTRIBUTE_LEVELS} that are allowed"
        raise RequestError("out_of_range", reason, field=field)
    encoded = orjson.dumps(attributes)
    if len(encoded) > MOST_ATTRIBUTE_BYTES:
        reason = f"{field} has {len(encoded)} bytes of JSON; allowed are {MOST_ATTRIBUTE_BYTES}"
        raise TooLargeError("attributes_too_large", reason, field=field)
    if _NUL.search(encoded):
        raise RequestError("bad_text", f"{field} holds a NUL character, which cannot be stored", field=field)
    return attributes


def is_nested_deeper(value: Any, levels: int = MOST_ATTRIBUTE_LEVELS) -> bool:
    """Whether objects and lists stand in each other more than `levels` deep."""
    if not isinstance(value, dict | list):
        return False
    parts = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(is_nested_deeper(part, levels - 1) for part in parts)


def _has_control(text: str) -> bool:
    return any(unicodedata.category(character) == "Cc" for character in text)
