"""A report's body within its limit, decompressed where it is compressed."""

import zlib

from starlette.requests import Request

from haulcast.doors.request_fields import body_within
from haulcast.errors import RequestError, TooLargeError

WINDOWS = {"gzip": 16 + zlib.MAX_WBITS, "x-gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}
"""zlib's `wbits` for each encoding that is understood."""


async def report_body(request: Request, most_bytes: int) -> bytes:
    """The body as it was before any compression.

    Raises:
        TooLargeError: more than `most_bytes`, compressed or not; no more than that is ever held.
        RequestError: an encoding that is not known, or a body that is not of it.
    """
    body = await body_within(request, most_bytes)
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding in {"", "identity"} or not body:
        return body
    if encoding not in WINDOWS:
        raise RequestError(
            "unknown_encoding", f"known are {', '.join(WINDOWS)}, or none at all", field="Content-Encoding"
        )
    return expanded(body, encoding, most_bytes)


def expanded(body: bytes, encoding: str, most_bytes: int) -> bytes:
    """A body of one of `WINDOWS`, decompressed.

    Raises:
        TooLargeError: more than `most_bytes`; no more than that is ever held.
        RequestError: it is not whole, or not of this encoding.
    """
    reader = zlib.decompressobj(WINDOWS[encoding])
    try:
        plain = reader.decompress(body, most_bytes + 1)
    except zlib.error:
        plain = b""
    if len(plain) > most_bytes:
        raise TooLargeError(
            "body_too_large", f"the body has more than the {most_bytes} bytes that are allowed here"
        )
    if not reader.eof:
        raise RequestError("bad_encoding", f"the body is not whole {encoding}", field="body")
    return plain
