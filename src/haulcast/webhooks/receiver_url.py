"""The address of a receiver, read once by one reader, so that no two readers disagree about where it leads."""

import re
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from haulcast.errors import RequestError
from haulcast.webhooks.allowed_addresses import AllowedAddresses

MOST_CHARACTERS: Final = 2_000
PORTS: Final = {"https": 443, "http": 80}

_URL = re.compile(
    r"[A-Za-z0-9._~:/?@!$&'()*+,;=%\[\]-]+"
)  # of RFC 3986 (appendix A), without the fragment's #
_HOST = re.compile(r"[a-z0-9]([a-z0-9._-]*[a-z0-9])?\.?|[0-9a-f:.]+")


class ReceiverUrl(NamedTuple):
    """Where to send: scheme, host without brackets, port, and what stands in the request line."""

    scheme: str
    host: str
    port: int
    target: str

    @property
    def authority(self) -> str:
        """For the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"


def read_url(text: Any) -> ReceiverUrl:
    """The parts of a URL.

    Raises:
        RequestError: it is none that could be sent to.
    """
    if not isinstance(text, str) or len(text) > MOST_CHARACTERS or not _URL.fullmatch(text):
        raise _wrong(
            f"a text of at most {MOST_CHARACTERS} characters of a URL, without #, others percent-encoded"
        )
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise _wrong("a URL with a good host and port") from error
    if parts.scheme not in PORTS:
        raise _wrong("an https URL")
    if parts.username is not None or parts.password is not None or "@" in parts.netloc:
        raise _wrong("a URL without user and password")
    host = parts.hostname or ""
    if len(host) > 253 or not _HOST.fullmatch(host):
        raise _wrong("a URL with a host of letters, digits, dots and hyphens (others as xn--), or an address")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return ReceiverUrl(parts.scheme, host, port or PORTS[parts.scheme], target)


def checked_url(text: Any, allowed: AllowedAddresses) -> str:
    """The URL of a new webhook.

    Raises:
        RequestError: it is none, or leads by its letters to where no webhook may.
    """
    url = read_url(text)
    if url.scheme == "http" and not allowed.allows_plain:
        raise _wrong("an https URL; plain http goes only to networks that whoever runs this hub has allowed")
    allowed.check_host(url.host, is_plain=url.scheme == "http")
    return str(text)


def _wrong(allowed: str) -> RequestError:
    return RequestError("bad_url", f"url has to be {allowed}", field="url")
