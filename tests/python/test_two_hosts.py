"""Two hosts behind a real proxy, by the configurations of docs/DEPLOY.md, and what is lost.

Hosts are restarted, reloaded, killed and cut off under load; every answer is counted.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from document import block
from harness import PATIENCE, Server, running, wait_until
from hosts import ONE, PROXY, TWO, Network, network
from load import Load

APP = """
import asyncio, os

WORD = os.environ["WORD"]

async def app(scope, receive, send):
    assert scope["type"] == "http", "no lifespan"
    name = scope["query_string"].decode()
    if scope["path"] == "/wait":
        with open("waiting", "a") as file:
            file.write(f"{scope['method']} {name}\\n")
        while not os.path.exists("go"):
            await asyncio.sleep(0.01)
    body = f"{name} {WORD}".encode()
    await send({"type": "http.response.start", "status": 200,
                "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})
"""

NGINX = """
daemon off;
user root;
pid {directory}/pid;
error_log {directory}/errors;
events {{ }}
http {{
    access_log off;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    include {directory}/myapp.conf;
}}
"""
"""What stands around a file of conf.d."""

pytestmark = pytest.mark.timeout(300)


def find(name: str) -> str:
    """The program's path; Debian keeps them where users' PATH does not look."""
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
    if path is None:
        pytest.skip(f"{name} is not installed")
    return path


def haproxy(directory: Path) -> list[str]:
    """HAProxy on the document's file, in the foreground."""
    (directory / "haproxy.cfg").write_text(block("/etc/haproxy/haproxy.cfg"))
    return [find("haproxy"), "-db", "-f", str(directory / "haproxy.cfg")]


def haproxy_that_tries_once(directory: Path) -> list[str]:
    """As many balancers are: it asks hosts for their health, and repeats nothing."""
    text = block("/etc/haproxy/haproxy.cfg")
    for line in ("retries 3", "option redispatch 1", "retry-on conn-failure empty-response"):
        assert line in text
        text = text.replace(line, "retries 0" if line == "retries 3" else "")
    (directory / "haproxy.cfg").write_text(text)
    return [find("haproxy"), "-db", "-f", str(directory / "haproxy.cfg")]


def nginx(directory: Path) -> list[str]:
    """nginx on the document's file."""
    (directory / "myapp.conf").write_text(block("/etc/nginx/conf.d/myapp.conf"))
    (directory / "nginx.conf").write_text(NGINX.format(directory=directory))
    return [find("nginx"), "-e", "stderr", "-c", str(directory / "nginx.conf")]


PROXIES = pytest.mark.parametrize("proxy", [haproxy, nginx])

Proxy = Callable[[Path], list[str]]


class Site:
    """The proxy, the hosts and what runs on them."""

    def __init__(self, net: Network, directory: Path) -> None:
        self.net = net
        self._directory = directory
        self._stack: dict[str, contextlib.ExitStack] = {}
        self.servers: dict[str, Server] = {}

    def directory(self, address: str) -> Path:
        """Where the server of that host runs."""
        return self._directory / address

    def start(self, address: str) -> None:
        """Start the server of a host, by the document's file."""
        directory = self.directory(address)
        directory.mkdir(exist_ok=True)
        (directory / "myapp.py").write_text(APP)
        (directory / "freastal.toml").write_text(block("/etc/myapp/freastal.toml"))
        # What follows is where the files of a test are not where those of a host would be.
        command = self.net.hosts[address].command(
            *(sys.executable, "-m", "freastal", "--config", "freastal.toml"),
            *("--app-dir", ".", "--access-logfile", "-", "--error-logfile", "-"),
        )
        stack = self._stack[address] = contextlib.ExitStack()
        self.servers[address] = stack.enter_context(
            running(directory, command, ready=True, env={"WORD": address})
        )

    def kill(self, address: str) -> None:
        """SIGKILL to every process of a host's server, at once."""
        server = self.servers[address]
        os.killpg(server.pid, signal.SIGKILL)
        server.wait_all_gone()
        self._stack.pop(address).close()

    def stop(self, address: str) -> None:
        """Stop a host's server as a service manager does."""
        assert self.servers[address].stop() == 0
        self._stack.pop(address).close()

    def close(self) -> None:
        """End what is left."""
        for stack in self._stack.values():
            stack.close()


@contextlib.contextmanager
def site(directory: Path, proxy: Proxy) -> Iterator[Site]:
    """Both hosts, and the proxy before them, which has found both."""
    own = directory / "proxy"
    own.mkdir()
    command = proxy(own)
    with network() as net, open(own / "log", "wb") as log:
        made = Site(net, directory)
        try:
            for address in (ONE, TWO):
                made.start(address)
            process = subprocess.Popen(command, stdout=log, stderr=log, cwd=own)
            try:

                def both() -> bool:
                    assert process.poll() is None, (own / "log").read_text()
                    return {ask(f"up{n}").word for n in range(8)} == {ONE, TWO}

                wait_until(both, "both hosts")
                yield made
            finally:
                process.terminate()
                process.wait(PATIENCE)
        finally:
            made.close()


class Answer:
    """What came of a request: a status, or 0 where there was no answer."""

    def __init__(self, status: int, body: str) -> None:
        self.status = status
        self.word = body.rpartition(" ")[2]


def ask(name: str, path: str = "/", method: str = "GET") -> Answer:
    """One request through the proxy, on a connection of its own."""
    connection = http.client.HTTPConnection(PROXY, 80, timeout=PATIENCE)
    try:
        connection.request(method, f"{path}?{name}", headers={"Connection": "close"})
        answer = connection.getresponse()
        body = answer.read().decode()
    except (OSError, http.client.HTTPException):
        return Answer(0, "")
    finally:
        connection.close()
    assert answer.status != 200 or body.startswith(f"{name} ")
    return Answer(answer.status, body)


@contextlib.contextmanager
def load() -> Iterator[list[Load]]:
    """GET and POST, on kept connections and on new ones; nothing may be lost.

    More is asked in one of them than in the others, so that connections of the proxy fall idle.
    """
    with contextlib.ExitStack() as stack:
        loads = [
            stack.enter_context(Load(80, clients, keep=keep, host=PROXY, method=method))
            for clients, keep, method in ((3, True, "GET"), (2, True, "POST"), (2, False, "POST"))
        ]
        yield loads


def lost(loads: list[Load]) -> list[dict[str, int]]:
    """What was no right answer."""
    return [dict(each.faults) for each in loads if each.faults]


class TestRollingRestart:
    @pytest.mark.parametrize("proxy", [haproxy, haproxy_that_tries_once, nginx])
    def test_one_host_after_the_other(self, tmp_path: Path, proxy: Proxy) -> None:
        """SIGTERM, the end, and a new start."""
        with site(tmp_path, proxy) as here:
            with load() as loads:
                for address in (ONE, TWO):
                    loads[0].wait_until_answers(100, address)
                    here.stop(address)
                    here.start(address)
                    loads[0].wait_until_answers(100, address)
                    loads[1].wait_until_answers(10, address)
            assert lost(loads) == []

    @PROXIES
    def test_reload(self, tmp_path: Path, proxy: Proxy) -> None:
        with site(tmp_path, proxy) as here:
            with load() as loads:
                for address in (ONE, TWO):
                    loads[0].wait_until_answers(100, address)
                    here.servers[address].send(signal.SIGHUP)
                    here.servers[address].wait_for("reloaded")
                    loads[0].wait_until_answers(100, address)
            assert lost(loads) == []


class Held:
    """Requests that are in flight for sure: the application has them, and waits."""

    def __init__(self, here: Site, count: int) -> None:
        self._here = here
        self.answers: dict[str, Answer] = {}
        self._threads: list[threading.Thread] = []
        for method in ("GET", "POST"):  # in turn, else a balancer may give each host one of them
            names = [f"{method} held{n}" for n in range(count)]
            self._threads += [threading.Thread(target=self._ask, args=(name,)) for name in names]
            for thread in self._threads[-count:]:
                thread.start()
            wait_until(self._all_are_there, "all in flight")

    def _all_are_there(self) -> bool:
        return len(self.at(ONE)) + len(self.at(TWO)) == len(self._threads)

    def _ask(self, line: str) -> None:
        method, _, name = line.partition(" ")
        self.answers[line] = ask(name, "/wait", method)

    def at(self, address: str) -> list[str]:
        """Those that have come to a host."""
        file = self._here.directory(address) / "waiting"
        return file.read_text().splitlines() if file.exists() else []

    def let_go(self) -> None:
        """Have the application answer."""
        for address in (ONE, TWO):
            (self._here.directory(address) / "go").touch()

    def join(self) -> None:
        """Wait for all answers."""
        for thread in self._threads:
            thread.join(PATIENCE)
        assert not any(thread.is_alive() for thread in self._threads)


def gone(here: Site, cut: Callable[[], None], failure: set[int]) -> None:
    """Take host one away while requests are in flight on both; count what is lost.

    Only what was in flight there: a GET is asked of the other host, a POST fails.
    """
    held = Held(here, 6)
    before = {address: held.at(address) for address in (ONE, TWO)}
    assert all(any(line.startswith("POST") for line in lines) for lines in before.values())
    with Load(80, 4, keep=True, host=PROXY) as load:
        load.wait_until_answers(100, ONE)
        cut()
        load.wait_until_answers(500, TWO)
        failing = {line for line in before[ONE] if line.startswith("POST")}
        repeated = {line for line in before[ONE] if line.startswith("GET")}
        wait_until(lambda: repeated <= set(held.at(TWO)), "what was repeated")
        wait_until(lambda: failing <= held.answers.keys(), "what has failed")
        held.let_go()
        held.join()
    assert load.faults == {}
    assert {line for line, answer in held.answers.items() if answer.status != 200} == failing
    assert {held.answers[line].status for line in failing} <= failure
    assert all(held.answers[line].word == TWO for line in held.answers.keys() - failing)
    # Nothing but what may be repeated has come to both, and nothing twice to one.
    lines = held.at(ONE) + held.at(TWO)
    assert sorted(lines) == sorted([*held.answers, *repeated])


class TestHostThatIsGone:
    @PROXIES
    def test_killed(self, tmp_path: Path, proxy: Proxy) -> None:
        with site(tmp_path, proxy) as here:
            gone(here, lambda: here.kill(ONE), {502})
            here.start(ONE)
            with load() as loads:
                loads[0].wait_until_answers(100, ONE)
            assert lost(loads) == []

    def test_cut_off(self, tmp_path: Path) -> None:
        """Its cable is pulled: nobody says a word, HAProxy finds out."""
        with site(tmp_path, haproxy) as here:
            gone(here, lambda: here.net.set_link(ONE, "down"), {502, 504})
            here.net.set_link(ONE, "up")
            with load() as loads:
                loads[0].wait_until_answers(100, ONE)
            assert lost(loads) == []
