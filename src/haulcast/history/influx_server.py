"""Requests to an Influx server, by the library influxdb-client; blocking, so for threads.

Two ways to write, `/api/v2/write` (InfluxDB 1.8 and newer) and `/write` (1.x), and one to read and delete: InfluxQL at `/query`, which all of them have.
"""

import zlib
from typing import Any, Literal, NamedTuple

import orjson

from haulcast.errors import RefusedFixesError, SettingError, StoreError

TIMEOUT_S = 20.0
GZIP_LEVEL = 1  # 5 times smaller at a ninth of the default level's time
UNSAID_RETRY_S = 5.0
MOST_RETRY_S = 60.0
JOINED_ROWS = 10_000  # with as many, answers of InfluxDB 1.x always say that they are partial
SHOWN = 300  # characters of a server's own words

Api = Literal["v1", "v2"]


class InfluxPlace(NamedTuple):
    """Where the fixes are.

    Attributes:
        bucket: with v1, and for queries with v2 too: the database, or `database/retention policy`.
        token: with v1 `user:password`; empty: none.
        timeout_s: a request that takes longer has failed.
    """

    url: str
    bucket: str
    token: str = ""
    org: str = ""
    api: Api = "v2"
    timeout_s: float = TIMEOUT_S


class BusyError(StoreError):
    """The server wants to be left alone for `retry_s`."""

    def __init__(self, reason: str, retry_s: float) -> None:
        super().__init__("history_busy", reason)
        self.retry_s = retry_s


class TooMuchError(StoreError):
    """More in one request than the server takes."""


class InfluxServer:
    """One server and one database of it; for any thread.

    Raises:
        SettingError: the library is not installed.
    """

    def __init__(self, place: InfluxPlace) -> None:
        try:
            from influxdb_client import InfluxDBClient  # noqa: PLC0415 - half a second, for those who use it
        except ImportError as error:
            reason = "setting history is 'influxdb', which needs the package influxdb-client: pip install 'haulcast[influx]'"
            raise SettingError("bad_setting", reason, field="history") from error
        is_v1 = place.api == "v1"
        self._client = InfluxDBClient(
            place.url,
            place.token or None,
            timeout=int(place.timeout_s * 1000),
            auth_basic=is_v1 and bool(place.token),
        )
        self._url = place.url
        database, _, policy = place.bucket.partition("/")
        self._database = {"db": database, **({"rp": policy} if policy else {})}
        bucket = {"bucket": place.bucket, **({"org": place.org} if place.org else {})}
        self._write_path = "/write" if is_v1 else "/api/v2/write"
        self._write_parameters = {**(self._database if is_v1 else bucket), "precision": "ns"}
        self._is_sound = False  # whether it has ever taken what we wrote

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()

    def write(self, lines: bytes) -> None:
        """Store these lines; when this fails, some of them may be stored.

        Raises:
            RefusedFixesError: at least one of them can never be stored.
            TooMuchError: it would take fewer of them.
            BusyError: it is to be asked again later.
            StoreError: it is not there, or not set up for us.
        """
        gzip = zlib.compressobj(GZIP_LEVEL, wbits=31)
        headers = {"Content-Type": "text/plain; charset=utf-8", "Content-Encoding": "gzip"}
        try:
            self._request(
                self._write_path,
                self._write_parameters,
                headers,
                body=gzip.compress(lines) + gzip.flush(),
            )
        except RefusedFixesError:
            self._require_sound()
            raise
        self._is_sound = True

    def _require_sound(self) -> None:
        """Fixes are only to blame when the server takes anything at all: else a wrong setting would refuse them all."""
        if self._is_sound:
            return
        try:
            self._request(
                self._write_path,
                self._write_parameters,
                {"Content-Type": "text/plain"},
                body=b"haulcast_check ok=1i\n",
            )
        except RefusedFixesError as error:
            reason = f"{self._url} takes nothing: check influx_bucket, influx_org, influx_api; {error.reason}"
            raise StoreError("history_not_set_up", reason) from error
        self._is_sound = True

    def query(self, *statements: str) -> list[list[list[Any]]]:
        """The rows of each statement, times in ns; of series with tags these stand behind the fields.

        Raises:
            StoreError: there is no answer, or it is an error.
        """
        try:
            body = self._request(
                "/query",
                {**self._database, "epoch": "ns"},
                {"Content-Type": "application/x-www-form-urlencoded"},
                post_params={"q": "; ".join(statements)},
            )
        except RefusedFixesError as error:
            raise StoreError("history_query", error.reason) from error
        return rows_of(body, len(statements))

    def _request(
        self, path: str, parameters: dict[str, str], headers: dict[str, str], **content: Any
    ) -> bytes:
        import urllib3  # noqa: PLC0415 - the library's own, and there when it is
        from influxdb_client.rest import ApiException  # noqa: PLC0415

        try:
            answer = self._client.api_client.call_api(
                path, "POST", query_params=parameters, header_params=headers,
                _preload_content=False, _return_http_data_only=True, **content,
            )  # fmt: skip
            return bytes(answer.data)
        except ApiException as error:
            raise self._said(error.status or 0, error.headers or {}, error.body or error.reason) from error
        except (urllib3.exceptions.HTTPError, OSError) as error:
            reason = f"{self._url} cannot be reached: {type(error).__name__}"
            raise StoreError("history_away", reason) from error

    def _said(self, status: int, headers: Any, body: bytes | str | None) -> Exception:
        """An answer other than yes, in the contract's words."""
        words = body.decode(errors="replace") if isinstance(body, bytes) else body or ""
        said = f"{self._url} answers {status}: {words.strip()[:SHOWN]}"
        if status in {400, 422} and "field type conflict" not in words:
            return RefusedFixesError("unstorable", said)
        if status == 413:
            return TooMuchError("history_too_much", said)
        if status in {429, 503}:
            return BusyError(said, retry_s(headers.get("Retry-After")))
        hints = {
            400: "another program writes other fields to the measurement fixes; give the hub a bucket of its own (influx_bucket)",
            401: "check the setting influx_token",
            403: "the setting influx_token may not do this with influx_bucket",
            404: "check influx_bucket and influx_org; before InfluxDB 1.8 influx_api has to be v1",
        }
        hint = hints.get(400 if status == 422 else status)
        return StoreError(
            "history_not_set_up" if hint else "history_away", f"{hint}; {said}" if hint else said
        )


def retry_s(text: str | None) -> float:
    """Seconds of a Retry-After, within reason; a date or nothing counts as some."""
    try:
        return min(max(float(text or ""), 0.0), MOST_RETRY_S)
    except ValueError:
        return UNSAID_RETRY_S


def rows_of(body: bytes, statements: int) -> list[list[list[Any]]]:
    """The rows of each of so many statements out of the JSON that answers a query.

    Raises:
        StoreError: it is an error, or none of the JSON that it should be, or cut off by the server.
    """
    try:
        results = orjson.loads(body)["results"]
        for result in results:
            if "error" in result:
                raise StoreError("history_query", f"the history's server says: {result['error'][:SHOWN]}")
        series = [results[i].get("series", []) for i in range(statements)]
        if any(each.get("partial") and len(each["values"]) < JOINED_ROWS for some in series for each in some):
            raise StoreError(
                "history_query", "the history's server cuts answers off: raise its max-row-limit"
            )
        return [_joined(some) for some in series]
    except (orjson.JSONDecodeError, LookupError, TypeError, AttributeError) as error:
        raise StoreError(
            "history_query", f"the history's server answers no JSON of Influx: {error}"
        ) from error


def _joined(series: list[dict[str, Any]]) -> list[list[Any]]:
    """The rows of all series of one answer."""
    if len(series) == 1 and "tags" not in series[0]:
        return list(series[0].get("values", []))
    return [[*row, *each.get("tags", {}).values()] for each in series for row in each.get("values", [])]
