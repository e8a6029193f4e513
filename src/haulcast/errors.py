"""Every exception of Haulcast, and whose fault it is.

    HaulcastError
    ├── ClientError                 theirs: what they sent cannot be done as it is
    │   ├── FrameError              (ValueError)       a socket frame that cannot be read
    │   ├── RequestError            (ValueError)  400  a request with a wrong field
    │   ├── TokenError              (PermissionError) 401  no token, a wrong one, an expired one
    │   ├── ForbiddenError          (PermissionError) 403  a good token of the wrong role or fleet
    │   ├── NotFoundError           (LookupError) 404  nothing of that name in this fleet
    │   ├── ConflictError           (ValueError)  409  a name that is taken, a version that is old
    │   │   └── PreconditionError                 412  the same, where the request itself named the version (If-Match)
    │   ├── TooLargeError           (ValueError)  413  more than the limit, which is named
    │   ├── HeadTooLargeError       (ValueError)  431  a request line and headers over their limit
    │   ├── TooSlowError            (TimeoutError) 408  a request whose body does not come
    │   └── RateError               (ConnectionRefusedError) 429  too much in too short a time; says when to come back
    └── HubError                    ours: the hub or what it stands on
        ├── SettingError            (ValueError)       a setting that is not allowed
        ├── KeysError               (ConnectionError) 503  a token of a key that is still to be fetched
        ├── OverloadError                         503  more than it can take now, or too slow an answer
        ├── StoreError              (ConnectionError) 503  a store that cannot be reached
        ├── RoadEngineError         (ConnectionError) 503  a road engine that gives no answer
        └── RefusedFixesError       (ValueError)       fixes that a store can never take

Each has a stable `code` for machines, a `reason` for people, and the `field` when one is to blame. Devices hear
`FrameError` as an error frame and keep their connection; HTTP clients get an RFC 9457 problem document.
"""

from typing import Any, ClassVar


class HaulcastError(Exception):
    """The root: `code` is stable and for machines, `reason` is a sentence for people."""

    http_status: ClassVar[int] = 500

    def __init__(self, code: str, reason: str, *, field: str | None = None) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
        self.field = field

    def as_fields(self) -> dict[str, Any]:
        """Code, reason and field as they go out to the one who asked."""
        fields = {"code": self.code, "reason": self.reason}
        return fields if self.field is None else {**fields, "field": self.field}


class ClientError(HaulcastError):
    """The sender's fault: it has to send something else."""

    http_status = 400


class FrameError(ClientError, ValueError):
    """A socket frame that cannot be read as what it claims to be."""


class RequestError(ClientError, ValueError):
    """An HTTP request or a socket command with a missing or wrong field."""


class TokenError(ClientError, PermissionError):
    """No token, one that is not ours, or one that has expired."""

    http_status = 401


class ForbiddenError(ClientError, PermissionError):
    """A good token whose role or fleet may not do this."""

    http_status = 403


class NotFoundError(ClientError, LookupError):
    """Nothing of that name in the asker's fleet; other fleets' things look the same."""

    http_status = 404


class ConflictError(ClientError, ValueError):
    """The name is taken, or the version that the edit was based on is no longer the newest."""

    http_status = 409


class PreconditionError(ConflictError):
    """The request said which version it was made for, and that is not the one there is."""

    http_status = 412


class TooLargeError(ClientError, ValueError):
    """More than a limit allows; the reason names the limit."""

    http_status = 413


class HeadTooLargeError(ClientError, ValueError):
    """A request line and headers of more bytes than are read."""

    http_status = 431


class TooSlowError(ClientError, TimeoutError):
    """A request whose body comes too slowly, as those that only hold connections do."""

    http_status = 408


class RateError(ClientError, ConnectionRefusedError):
    """Too much in too short a time; the same is taken again after `retry_s`."""

    http_status = 429

    def __init__(self, code: str, reason: str, *, retry_s: float) -> None:
        super().__init__(code, reason)
        self.retry_s = retry_s


class HubError(HaulcastError):
    """Our fault, or that of something we stand on."""


class SettingError(HubError, ValueError):
    """A setting that is unknown, of the wrong type or out of its range; the start stops."""


class KeysError(HubError, ConnectionError):
    """A token signed by a key that the hub does not have yet, and is fetching."""

    http_status = 503


class OverloadError(HubError):
    """The hub has more to do than it can do now; the same will work later."""

    http_status = 503


class StoreError(HubError, ConnectionError):
    """A store that cannot be reached or does not answer."""

    http_status = 503


class RoadEngineError(HubError, ConnectionError):
    """A road engine that cannot be reached, is busy, or says no; learned travel times take its place."""

    http_status = 503


class RefusedFixesError(HubError, ValueError):
    """At least one fix of a write has a value that the store can never take; trying again does not help."""
