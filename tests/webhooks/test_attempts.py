"""One attempt against real servers: what is sent, what each answer means, and what a bad receiver costs."""

import asyncio
import datetime as dt
import ssl

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from webhook_receiver import OK, answer, receiver

from haulcast.webhooks.allowed_addresses import AllowedAddresses
from haulcast.webhooks.attempts import Attempts, Verdict
from haulcast.webhooks.guarded_connections import guarded_pools

HERE = AllowedAddresses(["127.0.0.0/8"])
NOW_MS = 1_790_000_000_000


async def post(found, timeout_s=5.0, **pool):
    """One attempt at the receiver."""
    async with guarded_pools(HERE, 2, **pool) as pools:
        return await Attempts(pools, timeout_s).post(found.url, {"X-One": "1"}, b'{"a":1}', NOW_MS)


@pytest.mark.parametrize(
    ("said", "verdict", "retry_after_s"),
    [
        (OK, Verdict.DELIVERED, None),
        (answer(204, body=b""), Verdict.DELIVERED, None),
        (answer(299), Verdict.DELIVERED, None),
        (answer(301, "Location: http://127.0.0.1:1/"), Verdict.NEVER, None),
        (answer(307, "Location: /elsewhere"), Verdict.NEVER, None),
        (answer(400), Verdict.NEVER, None),
        (answer(401), Verdict.NEVER, None),
        (answer(404), Verdict.NEVER, None),
        (answer(408), Verdict.LATER, None),
        (answer(410), Verdict.GONE, None),
        (answer(425), Verdict.LATER, None),
        (answer(429, "Retry-After: 120"), Verdict.LATER, 120.0),
        (answer(429, "Retry-After: Mon, 21 Sep 2026 14:14:20 GMT"), Verdict.LATER, 60.0),
        (answer(503, "retry-after: soon"), Verdict.LATER, None),
        (answer(503, "Retry-After: -5"), Verdict.LATER, None),
        (answer(503, f"Retry-After: {'9' * 400}"), Verdict.LATER, 999_999_999.0),
        (answer(500), Verdict.LATER, None),
        (answer(599), Verdict.LATER, None),
        (b"HTTP/1.1 abc\r\n\r\n", Verdict.LATER, None),
        (b"\x00" * 500_000, Verdict.LATER, None),
        (b"HTTP/1.1 200 OK\r\nX: " + b"a" * 500_000 + b"\r\n\r\n", Verdict.LATER, None),
        (None, Verdict.LATER, None),
    ],
)  # fmt: skip
async def test_what_an_answer_means(said, verdict, retry_after_s) -> None:
    """Every kind of status, broken answers, and none; one request each, so nothing is followed."""
    async with receiver(respond=lambda _: said) as found:
        outcome = await post(found)
        assert (outcome.verdict, outcome.retry_after_s) == (verdict, retry_after_s)
        assert len(found.received) == 1
        (request,) = found.received
        assert (request.method, request.target, request.body) == ("POST", "/hook?key=1", b'{"a":1}')
        assert (request.headers["host"], request.headers["x-one"]) == (f"127.0.0.1:{found.port}", "1")


async def test_a_slow_receiver_is_cut_off() -> None:
    """One that is silent, and one whose head trickles: the attempt as a whole has a deadline."""
    over = asyncio.Event()

    async def silent(_request):
        await over.wait()

    async with receiver(respond=silent) as found:
        outcome = await post(found, timeout_s=0.2)
        assert (outcome.verdict, outcome.error) == (Verdict.LATER, "no answer within 0.2 s")
        over.set()

    async def trickle(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n")
        while not writer.is_closing():
            writer.write(b"X: 1\r\n")
            await writer.drain()
            await asyncio.sleep(0.02)

    async with receiver() as found:
        found.serve = trickle
        assert (await post(found, timeout_s=0.3)).verdict is Verdict.LATER


async def test_an_endless_answer_counts_by_its_status() -> None:
    """Some KiB of it are read, and the connection is closed."""
    sent = 0

    async def endless(reader, writer):
        nonlocal sent
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        try:
            while True:
                writer.write(b"a" * 65_536)
                await writer.drain()
                sent += 65_536
        except OSError:
            pass

    async with receiver() as found:
        found.serve = endless
        assert (await post(found)).verdict is Verdict.DELIVERED
    assert sent < 20 * 2**20


async def test_one_that_is_not_there() -> None:
    """A refused connection is tried again later."""
    async with receiver() as found:
        pass
    outcome = await post(found)
    assert (outcome.verdict, outcome.error) == (Verdict.LATER, "no connection could be made")


async def test_connections_are_kept_for_the_next_event() -> None:
    """Two attempts on one connection, if the answer was short."""
    async with receiver() as found, guarded_pools(HERE, 2) as pools:
        for _ in range(3):
            assert (await Attempts(pools, 5.0).post(found.url, {}, b"{}", 0)).verdict is Verdict.DELIVERED
        assert (len(found.received), found.connections) == (3, 1)


def certificate(folder, name: str) -> ssl.SSLContext:
    """A server's TLS for a name, signed by itself; `folder/name.pem` is whom to trust."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    file = folder / f"{name}.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(made.public_bytes(serialization.Encoding.PEM) + private)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


async def test_tls_is_verified_by_name(tmp_path) -> None:
    """The name of the URL is in SNI, Host and the certificate, whatever the address; a wrong name and an unknown authority get nothing."""
    names = []

    async def resolve(_host: str, _port: int) -> list[str]:
        return ["127.0.0.1"]

    server = certificate(tmp_path, "hook.example")
    server.sni_callback = lambda _socket, name, _context: names.append(name)
    trusting = ssl.create_default_context(cafile=str(tmp_path / "hook.example.pem"))
    async with receiver(server) as found:
        for name, tls, verdict in (
            ("hook.example", trusting, Verdict.DELIVERED),
            ("other.example", trusting, Verdict.LATER),
            ("hook.example", None, Verdict.LATER),
        ):
            async with guarded_pools(HERE, 2, resolve, tls) as pools:
                url = f"https://{name}:{found.port}/"
                assert (await Attempts(pools, 5.0).post(url, {}, b"{}", 0)).verdict is verdict
        assert names == ["hook.example", "other.example", "hook.example"]
        assert [request.headers["host"] for request in found.received] == [f"hook.example:{found.port}"]


async def test_an_answer_counts_though_its_body_outlasts_the_deadline() -> None:
    """A head that comes in time and says 410 is believed, whatever its body does; else it would be asked again for days."""

    async def half(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 410 Gone\r\nContent-Length: 100\r\n\r\nno")
        await writer.drain()
        await reader.read(1_000)

    async with receiver() as found:
        found.serve = half
        assert (await post(found, timeout_s=0.5)).verdict is Verdict.GONE
