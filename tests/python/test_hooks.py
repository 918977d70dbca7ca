"""The hooks: each is called, in the right process, in order, and may fail."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from harness import Server, freastal, wait_until

from freastal.hook_calls import IN_SUPERVISOR, IN_WORKER
from freastal.hooks import HOOKS

MODULE = r"""
import os, sys

def note(name, *words):
    with open("noted", "a") as file:
        file.write(" ".join([name, str(os.getpid()), *map(str, words)]) + "\n")

def on_starting(server):
    note("on_starting", server.pid, server.app, os.path.exists("socket"))

def when_ready(server):
    note("when_ready", server.pid)
    server.log.info("a hook says %s", "hello")

def pre_fork(server, worker):
    note("pre_fork", worker.pid, worker.number)

def post_fork(server, worker):
    note("post_fork", server.pid, worker.pid, worker.number, "wanted" in sys.modules)

def post_worker_init(worker):
    note("post_worker_init", worker.pid, "wanted" in sys.modules)

def worker_int(worker):
    note("worker_int", worker.pid)

def worker_exit(server, worker):
    note("worker_exit", worker.pid)

def child_exit(server, worker):
    note("child_exit", worker.pid, worker.number)

def on_reload(server):
    note("on_reload")

def on_exit(server):
    note("on_exit", os.path.exists("socket"))

def nworkers_changed(server, new, old):
    note("nworkers_changed", new, old)

def fail(*values):
    raise RuntimeError("on purpose")

def too_few():
    pass
"""


def configure(directory: Path, **hooks: str) -> None:
    lines = [f'{name} = "{target}"' for name, target in hooks.items()]
    (directory / "f.toml").write_text("\n".join(["[hooks]", *lines]))
    (directory / "mine.py").write_text(MODULE)


def noted(server: Server) -> list[list[str]]:
    path = server.directory / "noted"
    return [line.split() for line in path.read_text().splitlines()] if path.exists() else []


def test_every_hook_belongs_to_a_process() -> None:
    assert sorted(IN_SUPERVISOR + IN_WORKER) == sorted(HOOKS)


def test_a_life(tmp_path: Path) -> None:
    configure(tmp_path, **{name: f"mine:{name}" for name in HOOKS})
    with freastal(tmp_path, "-c", "f.toml", "--uds", "socket") as server:
        top = str(server.pid)
        wait_until(lambda: len(noted(server)) >= 6, "the start")
        first = noted(server)[3][1]
        assert noted(server) == [
            ["on_starting", top, top, "wanted", "False"],
            ["nworkers_changed", top, "1", "None"],
            ["pre_fork", top, "0", "1"],
            ["post_fork", first, top, first, "1", "False"],
            ["post_worker_init", first, first, "True"],
            ["when_ready", top, top],
        ]
        assert "a hook says hello" in server.log
        server.send(signal.SIGHUP)
        wait_until(lambda: ["child_exit", top, first, "1"] in noted(server), "the old one's end")
        later = noted(server)[6:]
        second = next(words[1] for words in later if words[0] == "post_fork")
        assert [words[0] for words in later if words[1] == top] == [
            *("on_reload", "pre_fork", "child_exit")
        ]
        assert [words[0] for words in later if words[1] == first] == ["worker_int", "worker_exit"]
        assert [words[0] for words in later if words[1] == second] == [
            *("post_fork", "post_worker_init")
        ]
        server.send(signal.SIGTTIN)
        wait_until(lambda: ["nworkers_changed", top, "2", "1"] in noted(server), "one more")
        server.wait_for(r"worker 2 \(pid \d+\) is ready")
        server.send(signal.SIGTTOU)
        wait_until(lambda: ["nworkers_changed", top, "1", "2"] in noted(server), "one less")
        assert server.stop() == 0
        assert noted(server)[-1] == ["on_exit", top, "False"]
        os.unlink(tmp_path / "noted")


@pytest.mark.parametrize("name", ["on_starting", "post_fork", "post_worker_init"])
@pytest.mark.parametrize("function", ["fail", "too_few"])
def test_what_fails_at_the_start_ends_it(tmp_path: Path, name: str, function: str) -> None:
    configure(tmp_path, **{name: f"mine:{function}"})
    with freastal(tmp_path, "-c", "f.toml", ready=False) as server:
        assert server.wait() == 3
        kind = "RuntimeError: on purpose" if function == "fail" else "TypeError: too_few() takes"
        assert f"freastal: the hook {name} failed: {kind}" in server.log
        assert "Traceback" in server.log


@pytest.mark.parametrize(
    "name", sorted(HOOKS.keys() - {"on_starting", "post_fork", "post_worker_init"})
)
def test_what_fails_later_is_logged(tmp_path: Path, name: str) -> None:
    configure(tmp_path, **{name: "mine:fail"})
    with freastal(tmp_path, "-c", "f.toml") as server:
        assert server.get().startswith("pid ")
        server.send(signal.SIGHUP)
        server.wait_for("reloaded")
        assert server.get().startswith("pid ")
        server.send(signal.SIGTTIN)
        server.wait_for(r"worker 2 \(pid \d+\) is ready")
        assert server.stop() == 0
        assert f"the hook {name} failed" in server.log
        assert "RuntimeError: on purpose" in server.log


@pytest.mark.parametrize("name", ["when_ready", "post_fork"])
@pytest.mark.parametrize("target", ["nosuch:f", "mine:nosuch", "mine:MODULE"])
def test_what_cannot_be_imported(tmp_path: Path, name: str, target: str) -> None:
    configure(tmp_path, **{name: target})
    (tmp_path / "mine.py").write_text(MODULE + "MODULE = 1\n")
    with freastal(tmp_path, "-c", "f.toml", ready=False) as server:
        assert server.wait() == 3
        assert f"the hook {name}" in server.log.splitlines()[-1]
