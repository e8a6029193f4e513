"""What the history makes of an Influx server's answers that real servers give too rarely: a small server that gives them."""

import gzip
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from history_fixes import EVER, NOON_MS, fixes_of

from haulcast.errors import RefusedFixesError, SettingError, StoreError
from haulcast.history import influx_server
from haulcast.history.history_store_influx import influx_history
from haulcast.history.influx_server import InfluxPlace, retry_s
from haulcast.settings import Settings, read_settings

TOKEN = "secret-token=="
YES = (204, {}, b"")


@dataclass
class Answers:
    """The next answers, in turn, and then yes; and what was asked: path, parameters, authorization, lines."""

    url: str = ""
    next: deque[tuple[int, dict[str, str], bytes]] = field(default_factory=deque)
    asked: list[tuple[str, dict[str, list[str]], str | None, list[bytes]]] = field(default_factory=list)
    may_answer: threading.Event = field(default_factory=threading.Event)

    @property
    def place(self) -> InfluxPlace:
        return InfluxPlace(self.url, "the bucket", TOKEN, "the org")


@pytest.fixture
def answers() -> Iterator[Answers]:
    """A server on a port of its own."""
    said = Answers()
    said.may_answer.set()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers["Content-Encoding"] == "gzip":
                body = gzip.decompress(body)
            parts = urlsplit(self.path)
            said.asked.append(
                (parts.path, parse_qs(parts.query), self.headers["Authorization"], body.splitlines())
            )
            said.may_answer.wait(30)
            status, headers, text = said.next.popleft() if said.next else YES
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(text))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    said.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield said
    said.may_answer.set()
    server.shutdown()
    server.server_close()


@pytest.fixture
async def store(answers):
    async with influx_history(answers.place, lambda row: ("acme", f"v{row}")) as opened:
        yield opened


BATCH = fixes_of(*((0, seq, NOON_MS + seq) for seq in range(8)))


async def test_lines_go_to_the_bucket_with_the_token(store, answers):
    """As the v2 API wants them: gzip, precision, organisation."""
    assert await store.write(BATCH) == 8
    ((path, parameters, authorization, lines),) = answers.asked
    assert (path, authorization, len(lines)) == ("/api/v2/write", f"Token {TOKEN}", 8)
    assert parameters == {"bucket": ["the bucket"], "org": ["the org"], "precision": ["ns"]}
    assert lines[3].startswith(b"fixes,fleet=acme,vehicle=v0 seq=3i,")


@pytest.mark.parametrize("status", [429, 503])
async def test_a_busy_server_is_left_alone_for_as_long_as_it_says(store, answers, status):
    """The write fails at once, so that everybody sees it; the next one waits."""
    answers.next.append((status, {"Retry-After": "1"}, b'{"message":"too many"}'))
    with pytest.raises(StoreError, match="too many"):
        await store.write(BATCH)
    before_s = time.monotonic()
    await store.write(BATCH)
    assert time.monotonic() - before_s > 0.9
    assert len(answers.asked) == 2


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("7", 7), ("0", 0), ("-3", 0), ("1e9", 60), ("inf", 60), (None, 5), ("", 5), ("soon", 5)],
)
def test_how_long_a_busy_server_is_left_alone(text, seconds):
    """Within reason; a date or nothing counts as some seconds."""
    assert retry_s(text) == seconds


@pytest.mark.parametrize(
    ("status", "hint"),
    [(401, "influx_token"), (403, "influx_token"), (404, "influx_bucket"), (500, "answers 500"), (302, "answers 302")],
)  # fmt: skip
async def test_what_no_fix_is_to_blame_for_can_be_repeated(store, answers, status, hint):
    """The error says what the server said and which setting to look at, never the token; the same write is good later."""
    answers.next.append((status, {}, b'{"code":"no","message":"the server\'s words"}'))
    with pytest.raises(StoreError, match=hint) as raised:
        await store.write(BATCH)
    assert "the server's words" in raised.value.reason
    assert TOKEN not in raised.value.reason
    assert await store.write(BATCH) == 8


async def test_too_much_is_halved_until_it_is_taken(store, answers):
    """Nothing twice, nothing left out; what is too much alone is refused."""
    too_much = (413, {}, b"")
    answers.next.extend([too_much, too_much, YES, too_much])
    assert await store.write(BATCH) == 8
    taken = [lines for i, (*_, lines) in enumerate(answers.asked) if i not in {0, 1, 3}]
    assert sorted(line for lines in taken for line in lines) == sorted(answers.asked[0][3])
    answers.next.append(too_much)
    with pytest.raises(RefusedFixesError):
        await store.write(fixes_of((0, 0, NOON_MS)))


@pytest.mark.parametrize("status", [400, 422])
async def test_fixes_are_refused_when_the_server_takes_others(store, answers, status):
    """Before anything was ever taken that is asked with a point that cannot be wrong; later it is known."""
    no = (status, {}, b'{"code":"unprocessable entity","message":"outside retention"}')
    answers.next.extend([no, YES, no])
    for _ in range(2):
        with pytest.raises(RefusedFixesError, match="outside retention"):
            await store.write(BATCH)
    assert [lines[0][:14] for *_, lines in answers.asked] == [
        b"fixes,fleet=ac",
        b"haulcast_check",
        b"fixes,fleet=ac",
    ]


@pytest.mark.parametrize("status", [400, 422])
async def test_a_server_that_takes_nothing_refuses_no_fix(store, answers, status):
    """Then a setting is wrong, and the fixes are kept until it is right."""
    answers.next.extend([(status, {}, b'{"code":"invalid","message":"org is needed"}')] * 2)
    with pytest.raises(StoreError, match=r"influx_org.*org is needed"):
        await store.write(BATCH)
    assert await store.write(BATCH) == 8


async def test_a_server_that_hangs_is_given_up(answers, monkeypatch):
    """After the timeout it counts as away."""
    monkeypatch.setattr(influx_server, "TIMEOUT_S", 0.2)
    async with influx_history(answers.place, lambda row: ("acme", f"v{row}")) as store:
        answers.may_answer.clear()
        with pytest.raises(StoreError, match="cannot be reached"):
            await store.write(BATCH)
        with pytest.raises(StoreError, match="cannot be reached"):
            await store.read("acme", "v0", *EVER, None, 1)


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (200, b"<html>", "no JSON of Influx"),
        (200, b"{}", "no JSON of Influx"),
        (200, b'{"results":[]}', "no JSON of Influx"),
        (200, b'{"results":[{"error":"no such database"}]}', "no such database"),
        (200, b'{"results":[{"series":[{"values":[[1,2]]}]}]}', "none of ours"),
        (200, b'{"results":[{"series":[{"partial":true,"values":[]}]}]}', "max-row-limit"),
        (400, b'{"error":"error parsing query"}', "error parsing query"),
        (401, b"", "influx_token"),
        (503, b"", "answers 503"),
    ],
)  # fmt: skip
async def test_an_answer_that_is_none_is_a_store_error(store, answers, status, body, words):
    """Whatever comes back from a read."""
    answers.next.append((status, {}, body))
    with pytest.raises(StoreError, match=words):
        await store.read("acme", "v0", *EVER, None, 1)


async def test_a_delete_that_deletes_nothing_is_seen(store, answers):
    """As where a server does not know how to: it is an error, and not asked for ever."""
    oldest = (200, {}, b'{"results":[{"series":[{"values":[[0,1]]}]}]}')
    answers.next.extend([oldest, (200, {}, b'{"results":[{}]}'), oldest])
    with pytest.raises(StoreError, match="still there"):
        await store.drop_before(NOON_MS)


async def test_without_the_library_the_start_stops_and_says_what_to_install(monkeypatch, answers):
    """It is an extra, for those who use it."""
    monkeypatch.setitem(sys.modules, "influxdb_client", None)
    with pytest.raises(SettingError, match=r"haulcast\[influx\]"):
        async with influx_history(answers.place, SimpleNamespace()):
            pass


@pytest.mark.parametrize(
    ("changed", "blamed"),
    [
        ({"HAULCAST_INFLUX_URL": ""}, "influx_url"),
        ({"HAULCAST_INFLUX_URL": "influx:8086"}, "influx_url"),
        ({"HAULCAST_INFLUX_URL": "http://hub:pa55word@influx:8086"}, "influx_url"),
        ({"HAULCAST_INFLUX_URL": "http://influx:8086?u=hub&p=pa55word"}, "influx_url"),
        ({"HAULCAST_INFLUX_TOKEN": "pa55word\n"}, "influx_token"),
        ({"HAULCAST_INFLUX_BUCKET": ""}, "influx_bucket"),
        ({"HAULCAST_INFLUX_BUCKET": "/day"}, "influx_bucket"),
    ],
)
def test_a_setting_that_cannot_be_stops_the_start(changed, blamed):
    """Only with this history; without showing what may be a password."""
    good = {
        "HAULCAST_HISTORY": "influxdb",
        "HAULCAST_INFLUX_URL": "http://influx:8086",
        "HAULCAST_INFLUX_BUCKET": "fixes",
    }
    assert isinstance(read_settings(None, good), Settings)
    with pytest.raises(SettingError) as raised:
        read_settings(None, {**good, **changed})
    assert raised.value.field == blamed
    assert "pa55word" not in raised.value.reason
    assert read_settings(None, {**good, **changed, "HAULCAST_HISTORY": "off"})
