"""The issuer's keys in force: fetched from a URL or a file, again now and then, and when a token names one that is unknown.

Verifying never waits. A token of an unknown key is told to come back (503) while the keys are fetched, and is wrong (401)
once a fetch that began after it came has not brought its key. So a slow or dead key server stops nobody whose key is known,
and nobody can make us ask it more often than `LEAST_PAUSE_S`.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import httpx
import structlog

from haulcast.doors.key_set import KeySet, PublicKey, read_key_set
from haulcast.errors import KeysError, RequestError, SettingError, TokenError
from haulcast.settings import Settings

LEAST_PAUSE_S = 5.0
FETCH_TIMEOUT_S = 10.0
MOST_BYTES = 1_048_576
MOST_WANTED = 1_000
"""Unknown key ids that are remembered between two fetches; whoever comes after them hears 503 and asks again."""

Fetch = Callable[[], Awaitable[bytes]]

_log = structlog.get_logger("haulcast.tokens")


class IssuerKeys:
    """The newest keys, and the task that fetches them.

    Args:
        fetch: gets the JWKS document.
        refresh_s: how often it is fetched anyway.
        least_pause_s: how far two fetches are apart at least.
    """

    def __init__(self, fetch: Fetch, refresh_s: float, least_pause_s: float = LEAST_PAUSE_S) -> None:
        self._fetch = fetch
        self._refresh_s = refresh_s
        self._least_pause_s = least_pause_s
        self._keys = KeySet({})
        self._wanted: set[str | None] = set()
        self._missing: frozenset[str | None] = frozenset()
        self._is_wanted = asyncio.Event()

    def key_of(self, key_id: str | None) -> PublicKey:
        """The key that a token names.

        Raises:
            KeysError: it is unknown, and the keys are being fetched.
            TokenError: it is unknown also after a fetch.
        """
        key = self._keys.find(key_id)
        if key is not None:
            return key
        if key_id in self._missing:
            raise TokenError(
                "bad_token", "the token names a key that its issuer does not publish", field="kid"
            )
        if len(self._wanted) < MOST_WANTED:
            self._wanted.add(key_id)
        self._is_wanted.set()
        raise KeysError("keys_unavailable", "the token's key is unknown and being fetched; come back")

    async def keep_fresh(self) -> None:
        """Fetch now, every `refresh_s`, and soon after an unknown key was named; ends by cancellation."""
        while True:
            asked, self._wanted = frozenset(self._wanted), set()
            self._is_wanted.clear()
            try:
                async with asyncio.timeout(FETCH_TIMEOUT_S):
                    keys = read_key_set(await self._fetch())
            except (
                httpx.HTTPError,
                httpx.InvalidURL,
                OSError,
                RequestError,
            ) as error:  # TimeoutError is an OSError
                self._wanted |= asked
                if self._wanted:
                    self._is_wanted.set()
                reason = error.reason if isinstance(error, RequestError) else type(error).__name__
                _log.warning("token_keys_not_fetched", reason=reason, known=len(self._keys.keys))
            else:
                self._keys = keys
                self._missing = frozenset(key_id for key_id in asked if keys.find(key_id) is None)
            await asyncio.sleep(self._least_pause_s)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._is_wanted.wait(), self._refresh_s)


def fetcher_of(place: str, *, is_production: bool) -> Fetch:
    """Reads a JWKS document from an https URL or a file.

    Raises:
        SettingError: a plain http URL in production, where anybody on the way could put keys of his own.
    """
    if place.startswith("http://") and is_production:
        reason = "setting token_keys is an http URL; in production allowed are https URLs and files"
        raise SettingError("bad_setting", reason, field="token_keys")
    if not place.startswith(("http://", "https://")):
        return lambda: asyncio.to_thread(Path(place).read_bytes)

    async def fetch() -> bytes:
        document = bytearray()
        async with (
            httpx.AsyncClient(timeout=FETCH_TIMEOUT_S, follow_redirects=False, trust_env=False) as client,
            client.stream("GET", place, headers={"Accept": "application/json"}) as answer,
        ):
            answer.raise_for_status()
            async for part in answer.aiter_bytes():
                document += part
                if len(document) > MOST_BYTES:
                    raise RequestError("bad_keys", f"the JWKS document has more than {MOST_BYTES} bytes")
        return bytes(document)

    return fetch


@contextlib.asynccontextmanager
async def issuer_keys(settings: Settings) -> AsyncIterator[IssuerKeys | None]:
    """The keys of `settings.token_keys`, kept fresh for the time of the block; None without that setting."""
    if not settings.token_keys:
        yield None
        return
    is_production = settings.environment == "production"
    keys = IssuerKeys(
        fetcher_of(settings.token_keys, is_production=is_production), settings.token_keys_refresh_s
    )
    task = asyncio.create_task(keys.keep_fresh(), name="token keys")
    try:
        yield keys
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
