"""What a refused request looks like from outside: HTTP-RULES, "refuse"."""

from .client import Client, Response
from .harness import Server
from .rules import RULES


def expect_refusal(server: Server, client: Client, name: str) -> Response:
    """One answer with the rule's status, a proper end of the connection, and one log line.

    :param name: the rule's name in the table of errors.
    """
    rule = RULES[name]
    answer = client.response()
    assert (answer.status, "close" in answer.tokens) == (rule.status, True), answer
    client.expect_closed()
    server.await_log(rule.text)
    lines = [line for line in server.log.splitlines() if rule.text in line]
    if server.shape.transport != "unix":
        assert "127.0.0.1" in lines[-1]
    return answer
