"""A proxy and two hosts, each with a network of its own, as docs/DEPLOY.md has them.

The caller's thread, with what it starts, stands in the proxy's network while :func:`network` lasts;
:class:`Host` runs commands in another.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence

import pytest
from harness import wait_until

CLONE_NEWNET = 0x40000000

PROXY, ONE, TWO = "10.0.0.10", "10.0.0.11", "10.0.0.12"


def need_namespaces() -> None:
    """Skip the test where this process may not make networks."""
    if sys.platform != "linux":
        pytest.skip("network namespaces are Linux's")
    for name in ("ip", "unshare", "nsenter"):
        if shutil.which(name) is None:
            pytest.skip(f"{name} is not installed")
    tried = subprocess.run(["unshare", "--net", "ip", "link", "add", "name", "v0", "type", "veth"])
    if tried.returncode:
        pytest.skip("network namespaces, and links between them, are refused to this user")


class Host:
    """A network namespace, which lasts as long as the process that holds it."""

    def __init__(self) -> None:
        self._holder = subprocess.Popen(["unshare", "--net", "sleep", "3600"])
        self.pid = self._holder.pid
        here = os.readlink("/proc/self/ns/net")
        wait_until(lambda: os.readlink(f"/proc/{self.pid}/ns/net") != here, "a network")
        self.run("ip", "link", "set", "lo", "up")

    def command(self, *words: str) -> list[str]:
        """A command line that runs these words inside."""
        return ["nsenter", "--net", f"--target={self.pid}", *words]

    def run(self, *words: str) -> None:
        """Run it to its end."""
        subprocess.run(self.command(*words), check=True)

    def close(self) -> None:
        self._holder.kill()
        self._holder.wait()


class Network:
    """The proxy's host with a bridge, to which the others are linked."""

    def __init__(self, hosts: Sequence[str]) -> None:
        self.proxy = Host()
        self.hosts = {address: Host() for address in hosts}
        self.proxy.run("ip", "link", "add", "name", "bridge", "type", "bridge")
        self.proxy.run("ip", "address", "add", f"{PROXY}/24", "dev", "bridge")
        self.proxy.run("ip", "link", "set", "bridge", "up")
        for address, host in self.hosts.items():
            port = self._port(address)
            peer = ("type", "veth", "peer", "name", "eth0", "netns", str(host.pid))
            self.proxy.run("ip", "link", "add", "name", port, *peer)
            self.proxy.run("ip", "link", "set", port, "master", "bridge")
            host.run("ip", "address", "add", f"{address}/24", "dev", "eth0")
            host.run("ip", "link", "set", "eth0", "up")
            self.set_link(address, "up")

    def set_link(self, address: str, state: str) -> None:
        """Plug the cable of a host in (``up``), or pull it out (``down``)."""
        self.proxy.run("ip", "link", "set", self._port(address), state)

    @staticmethod
    def _port(address: str) -> str:
        return "to" + address.rpartition(".")[2]

    def close(self) -> None:
        for host in (self.proxy, *self.hosts.values()):
            host.close()


def enter(path: str) -> None:
    """Put the calling thread, and those that it starts, into that network."""
    with open(path) as namespace:
        if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")


@contextlib.contextmanager
def network() -> Iterator[Network]:
    """A network of :data:`ONE` and :data:`TWO`, seen from the proxy."""
    need_namespaces()
    made = Network([ONE, TWO])
    try:
        with open("/proc/thread-self/ns/net") as before:
            enter(f"/proc/{made.proxy.pid}/ns/net")
            try:
                yield made
            finally:
                enter(f"/proc/self/fd/{before.fileno()}")
    finally:
        made.close()
