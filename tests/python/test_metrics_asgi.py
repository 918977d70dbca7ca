"""--metrics of ASGI servers: WebSockets and TLS."""

from __future__ import annotations

import datetime
import socket
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from harness import PATIENCE, freastal
from metrics_client import Metrics, metrics_port, wait_for
from websockets.sync.client import connect

APP = """
async def application(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    assert scope["type"] == "websocket"
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        for _ in range(2):
            await send({"type": "websocket.send", "text": message["text"]})
"""

METRICS = ("--metrics", "127.0.0.1:0", "-w", "2")


@pytest.mark.parametrize("long", [1, 100_000])
def test_messages_of_websockets(tmp_path: Path, long: int) -> None:
    with freastal(tmp_path, *METRICS, app=APP) as server:
        port = metrics_port(server)
        address = f"ws://127.0.0.1:{server.ports[0]}/"
        with connect(address, max_size=None) as first, connect(address, max_size=None) as second:
            for client in (first, second, second):
                client.send("a" * long)
                assert [len(client.recv()), len(client.recv())] == [long, long]
            found = Metrics(port)
            assert found("connections", state="websocket") == 2
            assert found("connections", state="request") == 0
            assert found("requests_in_flight") == 0
        assert found("websocket_messages_total", direction="received") == 3
        assert found("websocket_messages_total", direction="sent") == 6
        assert found("requests_total", method="GET", status="1xx") == 2
        last = wait_for(port, lambda m: m.sum("connections") == 0, "the ends")
        assert last("connections_closed_total", reason="websocket") == 2


def certificate(directory: Path) -> Path:
    """A file with a key and a certificate for 127.0.0.1."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.timezone.utc)
    day = datetime.timedelta(days=1)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - day)
        .not_valid_after(now + day)
        .sign(key, hashes.SHA256())
    )
    path = directory / "tls.pem"
    encoding = serialization.Encoding.PEM
    form = serialization.PrivateFormat.PKCS8
    secret = key.private_bytes(encoding, form, serialization.NoEncryption())
    path.write_bytes(secret + made.public_bytes(encoding))
    return path


def test_handshakes(tmp_path: Path) -> None:
    options = ("--certfile", str(certificate(tmp_path)))
    with freastal(tmp_path, *METRICS, *options, app=APP) as server:
        port = metrics_port(server)
        tls_port = int(server.wait_for(r"  https://127\.0\.0\.1:(\d+)")[0])
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.maximum_version = ssl.TLSVersion.TLSv1_2  # its session is there at once
        session: ssl.SSLSession | None = None
        for _ in range(3):
            session = shake_hands(tls_port, context, session)
        wrong = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # trusts nobody
        wrong.check_hostname = False
        with pytest.raises(ssl.SSLCertVerificationError):
            shake_hands(tls_port, wrong, None)
        found = wait_for(
            port, lambda m: m("tls_handshakes_total", result="failed") == 1, "the failure"
        )
        assert found("tls_handshakes_total", result="full") == 1
        assert found("tls_handshakes_total", result="resumed") == 2
        assert found("received_bytes_total") > 0 < found("sent_bytes_total")


def shake_hands(
    port: int, context: ssl.SSLContext, session: ssl.SSLSession | None
) -> ssl.SSLSession | None:
    with (
        socket.create_connection(("127.0.0.1", port), PATIENCE) as below,
        context.wrap_socket(below, session=session) as client,
    ):
        client.sendall(b"GET / HTTP/1.1\r\n\r\n")  # no Host: refused
        assert client.recv(12) == b"HTTP/1.1 400"
        return client.session
