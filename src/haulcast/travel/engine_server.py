"""Requests to a road engine over HTTP: to the address that the setting names and nowhere else, tried again a little when it is busy."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

import httpx
import orjson

from haulcast.errors import RoadEngineError
from haulcast.travel.road_engine import AT_ONCE

TRIES: Final = 3
FIRST_PAUSE_S: Final = 0.2
MOST_PAUSE_S: Final = 2.0
BUSY: Final = frozenset({429, 502, 503, 504})
MOST_BYTES: Final = 32 * 2**20
SHOWN: Final = 200  # characters of an engine's own words


class EngineServer:
    """One engine's HTTP interface.

    Args:
        url: http(s)://host:port, with a path before the engine's own if need be.
        timeout_s: to connect, and between two parts of an answer; the caller bounds the whole.
    """

    def __init__(self, url: str, timeout_s: float) -> None:
        self.url = url.rstrip("/")
        self._client = httpx.AsyncClient(
            timeout=timeout_s,
            follow_redirects=False,
            trust_env=False,
            limits=httpx.Limits(max_connections=AT_ONCE, max_keepalive_connections=AT_ONCE),
            headers={"Accept": "application/json"},
        )

    async def close(self) -> None:
        """Let go of the connections."""
        await self._client.aclose()

    async def get(self, path: str, parameters: Mapping[str, str]) -> tuple[int, dict[str, Any]]:
        """Status and JSON of an answer; 200, or what the engine says of a request that it does not like.

        Raises:
            RoadEngineError: it cannot be reached, stays busy, or answers no JSON.
        """
        return await self._ask("GET", path, params=dict(parameters))

    async def post(self, path: str, body: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
        """Likewise, with a JSON body."""
        headers = {"Content-Type": "application/json"}
        return await self._ask("POST", path, content=orjson.dumps(body), headers=headers)

    async def _ask(self, method: str, path: str, **content: Any) -> tuple[int, dict[str, Any]]:
        failure = ""
        for attempt in range(TRIES):
            if attempt:
                await asyncio.sleep(min(FIRST_PAUSE_S * 4 ** (attempt - 1), MOST_PAUSE_S))
            try:
                status, body = await self._once(method, path, content)
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                failure = f"cannot be reached: {type(error).__name__}"
                continue
            if status not in BUSY:
                return status, self._read(status, body)
            failure = f"is busy: it answers {status}"
        raise RoadEngineError(
            "road_engine_away", f"the road engine at {self.url} {failure}; see road_engine_url"
        )

    async def _once(self, method: str, path: str, content: dict[str, Any]) -> tuple[int, bytes]:
        body = bytearray()
        async with self._client.stream(method, self.url + path, **content) as answer:
            async for part in answer.aiter_bytes():
                body += part
                if len(body) > MOST_BYTES:
                    raise self.refusal(f"answers more than {MOST_BYTES} bytes")
            return answer.status_code, bytes(body)

    def _read(self, status: int, body: bytes) -> dict[str, Any]:
        try:
            found = orjson.loads(body)
        except orjson.JSONDecodeError:
            found = None
        if not isinstance(found, dict):
            words = body[:SHOWN].decode(errors="replace")
            raise self.refusal(f"answers {status} and no JSON object, {words!r}; is road_engine what it is?")
        return found

    def refusal(self, said: str) -> RoadEngineError:
        """That the engine is there and does not do it."""
        return RoadEngineError("road_engine_refuses", f"the road engine at {self.url} {said}")
