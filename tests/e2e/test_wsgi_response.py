"""start_response, write and the response's iterable: PEP 3333."""

import pytest

from .client import request
from .conftest import Share
from .harness import Server

KINDS = ["list", "tuple", "generator", "late", "iterator", "write", "both"]


@pytest.mark.matrix("threads", "transport")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("app", ["probe:checked", "probe:plain"])
def test_kinds_of_responses(share: Share, kind: str, app: str) -> None:
    server = share(app)
    body = bytes(range(100)) + bytes(range(200)) + b"\0"
    target = f"/respond?kind={kind}&piece=100&piece=200&piece=1"
    with server.connect() as client:
        for length in ("", "&length=301"):
            for _ in range(2):
                answer = client.exchange(request("GET", target + length))
                assert (answer.status, answer.reason, answer.body) == (200, "OK", body)
                assert answer.get("content-type") == "text/plain"
                if length:
                    assert answer.framing == "length"
        assert client.exchange(request()).body == b"hello"
    # Where there are several threads, one may still be in close() when another has answered.
    if kind in ("generator", "late"):
        server.await_event("end generator", 4)
        assert server.events == ["end generator"] * 4
    if kind in ("iterator", "both"):
        server.await_event("close pieces", 4)
        assert sorted(server.events) == ["close pieces"] * 4 + ["end pieces"] * 4


@pytest.mark.parametrize("kind", ["list", "tuple", "generator", "late", "iterator", "write"])
@pytest.mark.parametrize("app", ["probe:checked", "probe:plain"])
def test_empty_responses(share: Share, kind: str, app: str) -> None:
    with share(app).connect() as client:
        for rest in ("", "&piece=0", "&piece=0&piece=0", "&length=0", "&length=0&piece=0"):
            assert client.exchange(request("GET", f"/respond?kind={kind}{rest}")).body == b""
        assert client.exchange(request()).body == b"hello"


def test_one_piece_gets_its_length(share: Share) -> None:
    """PEP 3333 "Handling the Content-Length Header": a list of one piece tells the length."""
    with share("probe:plain").connect() as client:
        answer = client.exchange(request("GET", "/respond?piece=10"))
        assert answer.get("content-length") == "10"


@pytest.mark.parametrize("kind", KINDS)
def test_large_pieces(server: Server, kind: str) -> None:
    size = 5_000_000
    target = f"/respond?kind={kind}&piece={size}&piece=3&piece={size}"
    block = bytes(range(256)) * (size // 256 + 1)
    with server.connect() as client:
        answer = client.exchange(request("GET", target))
        assert answer.body == block[:size] + block[:3] + block[:size]
        assert client.exchange(request()).body == b"hello"


@pytest.mark.parametrize("status", ["200 OK", "201 Created", "404 Not Found", "599 Odd", "299 x y"])
def test_status_line(server: Server, status: str) -> None:
    with server.connect() as client:
        target = f"/respond?status={status.replace(' ', '+')}&piece=1"
        answer = client.exchange(request("GET", target))
        assert f"{answer.status} {answer.reason}" == status


def test_reason_in_latin1(share: Share) -> None:
    with share("faults:app").connect() as client:
        answer = client.exchange(request("POST", "/status", body=b"404 Pas trouv%E9"))
        assert (answer.status, answer.reason) == (404, "Pas trouvé")


def test_headers_in_their_order_and_repeated(server: Server) -> None:
    sent = [("X-A", "1"), ("Set-Cookie", "a=1; Path=/"), ("X-B", ""), ("Set-Cookie", "b=2, c")]
    query = "&".join(f"header={name}:{value}" for name, value in sent).replace(" ", "+")
    with server.connect() as client:
        answer = client.exchange(request("GET", f"/respond?{query}".replace("; ", "%3B+")))
        got = [field for field in answer.headers if field[0].startswith(("X-", "Set-"))]
        assert [name for name, _ in got] == ["X-A", "Set-Cookie", "X-B", "Set-Cookie"]
        assert got[0] == ("X-A", "1")
        assert got[2] == ("X-B", "")


def test_header_value_in_latin1(share: Share) -> None:
    with share("faults:app").connect() as client:
        answer = client.exchange(request("POST", "/header", body=b"X-A\n%E9%FF%09x"))
        assert answer.get("x-a") == "éÿ\tx"


def test_many_headers(server: Server) -> None:
    query = "&".join(f"header=X-{number}:{'v' * 100}" for number in range(60))
    with server.connect() as client:
        for _ in range(3):
            answer = client.exchange(request("GET", f"/respond?{query}"))
            assert len([name for name, _ in answer.headers if name.startswith("X-")]) == 60


def test_server_names_itself_once_and_the_application_may_do_so(server: Server) -> None:
    with server.connect() as client:
        own = client.exchange(request()).get("server")
        assert own is not None
        assert own.startswith("freastal")
        answer = client.exchange(request("GET", "/respond?header=Server:mine"))
        assert answer.get("server") == "mine"
        date = "Sun, 06 Nov 1994 08:49:37 GMT"
        target = f"/respond?header=Date:{date.replace(' ', '+')}"
        assert client.exchange(request("GET", target)).get("date") == date


@pytest.mark.matrix("threads")
def test_wsgi_errors_is_the_error_log(server: Server) -> None:
    with server.connect() as client:
        answer = client.exchange(request("GET", "/complain?write=first+text&lines=second%C3%A9"))
        assert answer.body == b"hello"
    server.await_log("first text")
    server.await_log("second")


@pytest.mark.matrix("threads", "workers")
def test_close_is_called_once_after_each_response(server: Server) -> None:
    with server.connect() as client:
        for number in range(1, 20):
            client.exchange(request("GET", "/stream?size=1000&count=3"))
            server.await_event("close stream", number)
    assert server.events == ["enter stream", "end stream", "close stream"] * 19
