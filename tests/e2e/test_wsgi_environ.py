"""The environ that an application sees: PEP 3333 "environ Variables", RFC 3875."""

import json
from typing import Any
from urllib.parse import quote

import pytest

from .client import Headers, chunked, request
from .conftest import Share
from .harness import Server


def environ_of(
    server: Server, target: str = "/environ", headers: Headers = (), **rest: Any
) -> dict[str, Any]:
    """The environ of such a request."""
    with server.connect() as client:
        answer = client.exchange(request(rest.pop("method", "GET"), target, headers, **rest))
        assert answer.status == 200
        environ: dict[str, Any] = json.loads(answer.body)
        return environ


@pytest.mark.matrix
def test_variables_of_every_request(server: Server) -> None:
    environ = environ_of(server, "/environ?a=1&b=%20")
    assert environ["REQUEST_METHOD"] == "GET"
    assert environ["SCRIPT_NAME"] == ""
    assert environ["PATH_INFO"] == "/environ"
    assert environ["QUERY_STRING"] == "a=1&b=%20"
    assert environ["SERVER_PROTOCOL"] == "HTTP/1.1"
    assert environ["HTTP_HOST"] == "test.example"
    assert environ["RAW_URI"] == environ["REQUEST_URI"] == "/environ?a=1&b=%20"
    assert environ["SERVER_SOFTWARE"].startswith("freastal")
    assert environ["wsgi.version"] == [1, 0]
    assert environ["wsgi.url_scheme"] == server.scheme
    assert environ["wsgi.run_once"] is False
    assert environ["wsgi.input_terminated"] is True
    assert environ["wsgi.multithread"] is (server.shape.threads > 1)
    assert environ["wsgi.multiprocess"] is (server.shape.workers > 1)
    assert "wsgi.file_wrapper" in environ
    assert isinstance(environ["SERVER_NAME"], str)
    assert environ["SERVER_NAME"]
    assert isinstance(environ["SERVER_PORT"], str)


def test_addresses_over_tcp(server: Server) -> None:
    with server.connect() as client:
        environ = json.loads(client.exchange(request("GET", "/environ")).body)
        assert (environ["REMOTE_ADDR"], int(environ["REMOTE_PORT"])) == client.sock.getsockname()
        assert (environ["SERVER_NAME"], int(environ["SERVER_PORT"])) == client.sock.getpeername()


def test_what_the_client_did_not_send_is_not_there(server: Server) -> None:
    environ = environ_of(server)
    assert not environ.get("CONTENT_TYPE")
    assert not environ.get("CONTENT_LENGTH")
    names = {name for name in environ if name.startswith("HTTP_")}
    assert names == {"HTTP_HOST"}
    assert environ["QUERY_STRING"] == ""


def test_content_type_and_length_have_names_of_their_own(server: Server) -> None:
    headers = [("Content-Type", "text/x; a=b")]
    environ = environ_of(server, method="POST", headers=headers, body=b"1234")
    assert (environ["CONTENT_TYPE"], environ["CONTENT_LENGTH"]) == ("text/x; a=b", "4")
    assert "HTTP_CONTENT_TYPE" not in environ
    assert "HTTP_CONTENT_LENGTH" not in environ


@pytest.mark.parametrize(
    ("raw", "decoded"),
    [
        ("/environ/a%20b", b"/environ/a b"),
        ("/environ/%c3%A9", "/environ/é".encode()),
        ("/environ/%ff%00", b"/environ/\xff\x00"),
        ("/environ/a%2Fb%252F", b"/environ/a/b%2F"),
        ("/environ/100%", b"/environ/100%"),
        ("/environ/%zz%4", b"/environ/%zz%4"),
        ("/environ/+", b"/environ/+"),
        ("//environ//x/../y", b"//environ//x/../y"),
        ("/environ;p=1", b"/environ;p=1"),
    ],
)
def test_path_is_decoded_once_to_latin1(server: Server, raw: str, decoded: bytes) -> None:
    environ = environ_of(server, raw + "?%41")
    assert environ["PATH_INFO"].encode("latin-1") == decoded
    assert environ["QUERY_STRING"] == "%41"
    assert environ["RAW_URI"] == environ["REQUEST_URI"] == raw + "?%41"


def test_query_begins_at_the_first_question_mark(server: Server) -> None:
    assert environ_of(server, "/environ?a?b")["QUERY_STRING"] == "a?b"
    assert environ_of(server, "/environ?")["QUERY_STRING"] == ""
    assert environ_of(server, "/environ%3Fa")["PATH_INFO"] == "/environ?a"


def test_names_are_upper_case_with_underscores(server: Server) -> None:
    environ = environ_of(server, headers=[("x-Some-naMe", "v"), ("X-9!a", "w")])
    assert environ["HTTP_X_SOME_NAME"] == "v"
    assert environ["HTTP_X_9!A"] == "w"


def test_values_are_trimmed_and_latin1(server: Server) -> None:
    headers = [("X-A", " \t a\tb é\xa0 \t"), ("X-Empty", ""), ("User-Agent", "\xff")]
    environ = environ_of(server, headers=headers)
    assert environ["HTTP_X_A"] == "a\tb é\xa0"
    assert environ["HTTP_X_EMPTY"] == ""
    assert environ["HTTP_USER_AGENT"] == "\xff"


def test_repeated_fields_are_joined(server: Server) -> None:
    headers = [("X-A", "1"), ("Cookie", "a=1"), ("x-a", "2"), ("cookie", "b=2"), ("X-A", "3")]
    environ = environ_of(server, headers=headers)
    assert [part.strip() for part in environ["HTTP_X_A"].split(",")] == ["1", "2", "3"]
    assert environ["HTTP_COOKIE"] == "a=1; b=2"


@pytest.mark.parametrize("name", ["Accept", "Via", "X-Forwarded-For", "Accept-Encoding"])
def test_repeated_known_fields_are_joined(server: Server, name: str) -> None:
    environ = environ_of(server, headers=[(name, "a"), (name, "b")])
    key = "HTTP_" + name.upper().replace("-", "_")
    assert [part.strip() for part in environ[key].split(",")] == ["a", "b"]


def test_names_with_an_underscore_are_dropped(server: Server) -> None:
    """They would be taken for the name with a dash, which a proxy may have vouched for."""
    headers = [
        ("X_Forwarded_For", "evil"),
        ("X-Forwarded_For", "evil"),
        ("X-Forwarded-For", "good"),
        ("Content_Length", "7"),
        ("Content_Type", "evil"),
        ("_", "evil"),
    ]
    environ = environ_of(server, headers=headers)
    assert environ["HTTP_X_FORWARDED_FOR"] == "good"
    assert "evil" not in environ.values()
    assert not environ.get("CONTENT_LENGTH")


def test_proxy_is_dropped(server: Server) -> None:
    """CVE-2016-5385: HTTP_PROXY would choose the application's own proxy."""
    environ = environ_of(server, headers=[("Proxy", "http://evil"), ("pROXY", "http://evil")])
    assert "HTTP_PROXY" not in environ


def test_clients_cannot_set_the_server_s_variables(server: Server) -> None:
    headers = [("Script-Name", "/x"), ("SCRIPT_NAME", "/x"), ("Remote-User", "root")]
    environ = environ_of(server, headers=headers)
    assert environ["SCRIPT_NAME"] == ""
    assert "REMOTE_USER" not in environ
    assert environ["HTTP_REMOTE_USER"] == "root"


def test_absolute_form(server: Server) -> None:
    """RFC 9112 section 3.2.2: the target's authority stands above the Host field."""
    target = "http://other.example:81/environ?q"
    environ = environ_of(server, target, host="test.example")
    assert environ["PATH_INFO"] == "/environ"
    assert environ["QUERY_STRING"] == "q"
    assert environ["HTTP_HOST"] == "other.example:81"
    assert environ["RAW_URI"] == target


def test_absolute_form_without_a_path(server: Server) -> None:
    with server.connect() as client:
        assert client.exchange(request("GET", "http://test.example")).body == b"hello"


def test_asterisk_form(share: Share) -> None:
    """The validator wants a path that begins with a slash, so it stays out of the way."""
    environ = environ_of(share("probe:plain"), "*", method="OPTIONS")
    assert (environ["REQUEST_METHOD"], environ["RAW_URI"]) == ("OPTIONS", "*")
    assert environ["PATH_INFO"] in ("", "*")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "PROPFIND", "M-SEARCH", "get"])
def test_any_method_reaches_the_application(share: Share, method: str) -> None:
    environ = environ_of(share("probe:plain"), method=method)
    assert environ["REQUEST_METHOD"] == method


def test_every_byte_that_a_path_may_hold(server: Server) -> None:
    raw = bytes(range(1, 256))
    environ = environ_of(server, "/environ/" + quote(raw))
    assert environ["PATH_INFO"].encode("latin-1") == b"/environ/" + raw


def test_chunked_request_says_that_its_input_ends(server: Server) -> None:
    with server.connect() as client:
        head = request("POST", "/environ", [("Transfer-Encoding", "chunked")])
        environ = json.loads(client.exchange(head + chunked([b"1234"])).body)
    assert environ["wsgi.input_terminated"] is True
    assert environ.get("CONTENT_LENGTH") in (None, "", "4")


def test_requests_do_not_leak_into_one_another(server: Server) -> None:
    headers = [("X-Only", "first"), ("Content-Type", "a/b"), ("Cookie", "a=1")]
    with server.connect() as client:
        first = client.exchange(request("POST", "/environ?q=1", headers, b"body"))
        second = client.exchange(request("GET", "/environ"))
    assert json.loads(first.body)["HTTP_X_ONLY"] == "first"
    environ = json.loads(second.body)
    assert not {"HTTP_X_ONLY", "HTTP_COOKIE"} & set(environ)
    assert not environ.get("CONTENT_TYPE")
    assert not environ.get("CONTENT_LENGTH")
    assert environ["QUERY_STRING"] == ""


def test_same_and_changed_values_on_one_connection(server: Server) -> None:
    """Objects may be used again where the bytes are the same, and only there."""
    with server.connect() as client:
        for agent in ["one", "one", "two", "one", "onf", "on", ""]:
            headers = [("User-Agent", agent), ("Accept", "*/*")]
            environ = json.loads(client.exchange(request("GET", "/environ", headers)).body)
            assert (environ["HTTP_USER_AGENT"], environ["HTTP_ACCEPT"]) == (agent, "*/*")
