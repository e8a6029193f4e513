"""One attempt to deliver: a POST, and what its answer means."""

import asyncio
import contextlib
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum
from typing import Final, NamedTuple

import httpcore
import structlog

from haulcast import __version__
from haulcast.errors import RequestError
from haulcast.webhooks.guarded_connections import Pools
from haulcast.webhooks.receiver_url import read_url

MOST_ANSWER_BYTES: Final = 4_096
"""Of an answer's body are read, so that the connection can be kept; nothing is made of it."""
ANSWER_TIMEOUT_S: Final = 1.0  # for that body, once the status is known

_log = structlog.get_logger("haulcast.webhooks")

_LATER: Final = frozenset({408, 425, 429})
_GONE: Final = 410


class Verdict(Enum):
    """What becomes of the delivery."""

    DELIVERED = "delivered"
    LATER = "later"
    NEVER = "never"  # the receiver will not take this one
    GONE = "gone"  # the receiver wants no more at all


class Outcome(NamedTuple):
    """What an attempt came to; `error` is a few words for people, never of the answer's body."""

    verdict: Verdict
    error: str = ""
    retry_after_s: float | None = None


class Attempts:
    """Sends.

    Args:
        pools: where connections come from.
        timeout_s: of a whole attempt: looking up, connecting, sending, and the answer's head.
    """

    def __init__(self, pools: Pools, timeout_s: float) -> None:
        self._pools = pools
        self._timeout_s = timeout_s

    async def post(self, url: str, headers: Mapping[str, str], body: bytes, now_ms: int) -> Outcome:
        """Deliver once. Does not fail; redirects are not followed."""
        try:
            async with asyncio.timeout(self._timeout_s) as deadline:
                return await self._posted(url, headers, body, now_ms, deadline)
        except (TimeoutError, httpcore.TimeoutException):
            return Outcome(Verdict.LATER, f"no answer within {self._timeout_s:g} s")
        except httpcore.ConnectError as error:
            return Outcome(Verdict.LATER, str(error)[:200] or "no connection could be made")
        except (httpcore.NetworkError, httpcore.ProtocolError, OSError) as error:
            return Outcome(Verdict.LATER, f"the connection broke ({type(error).__name__})")
        except RequestError as error:
            return Outcome(Verdict.NEVER, error.reason)
        except Exception:  # noqa: BLE001  logged; what nobody foresaw counts as a try, so that it cannot go on for ever
            _log.exception("webhook_attempt_failed")
            return Outcome(Verdict.LATER, "the attempt failed; the hub's log says why")

    async def _posted(
        self, url: str, headers: Mapping[str, str], body: bytes, now_ms: int, deadline: asyncio.Timeout
    ) -> Outcome:
        place = read_url(url)
        pool = self._pools.plain if place.scheme == "http" else self._pools.tls
        sent = {
            "Host": place.authority,
            "User-Agent": f"Haulcast/{__version__}",
            "Accept": "*/*",
            "Content-Length": str(len(body)),
            **headers,
        }
        request = httpcore.URL(scheme=place.scheme, host=place.host, port=place.port, target=place.target)
        async with pool.stream("POST", request, headers=list(sent.items()), content=body) as answer:
            found = {name.lower(): value for name, value in answer.headers}
            outcome = _outcome(answer.status, found.get(b"retry-after", b"").decode("latin-1"), now_ms)
            deadline.reschedule(asyncio.get_running_loop().time() + 2 * ANSWER_TIMEOUT_S)  # it was in time
            await _drain(answer)
            return outcome


async def _drain(answer: httpcore.Response) -> None:
    """Read a short body to its end; a long, slow or broken one costs its connection and nothing else."""
    with contextlib.suppress(
        TimeoutError, httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException
    ):
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            read = 0
            async for part in answer.aiter_stream():
                read += len(part)
                if read > MOST_ANSWER_BYTES:
                    return


def _outcome(status: int, retry_after: str, now_ms: int) -> Outcome:
    error = f"answered {status}"
    if 200 <= status < 300:
        return Outcome(Verdict.DELIVERED)
    if status in _LATER or status >= 500:
        return Outcome(Verdict.LATER, error, _seconds(retry_after, now_ms))
    if status == _GONE:
        return Outcome(Verdict.GONE, error)
    return Outcome(Verdict.NEVER, error)


def _seconds(retry_after: str, now_ms: int) -> float | None:
    """Retry-After as RFC 9110 (10.2.3) has it, seconds or a date; None: it says nothing that can be read."""
    if retry_after.isascii() and retry_after.isdigit():
        return float(retry_after[:9])
    try:
        moment = parsedate_to_datetime(retry_after)
    except (ValueError, TypeError, IndexError):
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (moment - datetime.fromtimestamp(now_ms / 1000, UTC)).total_seconds()
