"""docs/DEPLOY.md: what its blocks belong to takes them as they stand there.

What they do is the matter of tests/python/test_two_hosts.py.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from document import DEPLOY, block, blocks

from freastal import config

SERVER_FILE = "/etc/myapp/freastal.toml"
SERVICE = "/etc/systemd/system/myapp.service"
SOCKET = "/etc/systemd/system/myapp.socket"
LOGROTATE = "/etc/logrotate.d/myapp"
SYSCTL = "/etc/sysctl.d/60-myapp.conf"
HAPROXY = "/etc/haproxy/haproxy.cfg"
NGINX = "/etc/nginx/conf.d/myapp.conf"
DOCKERFILE = "Dockerfile"
KUBERNETES = "myapp.yaml"

MARGIN = 3.5
"""Seconds that a server may take beyond its graceful time: freastal/supervisor.py, KILL_MARGIN."""


def find(name: str) -> str:
    """The program's path; Debian keeps some where users' PATH does not look."""
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin:/usr/local/sbin")
    if path is None:
        pytest.skip(f"{name} is not installed")
    return path


def run(*words: str, cwd: Path | None = None) -> str:
    """What a command says that must succeed."""
    done = subprocess.run(words, cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def server_options() -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    options: dict[str, Any] = tomllib.loads(block(SERVER_FILE))
    return options


def unit(path: str) -> dict[str, str]:
    """The settings of a unit; none of ours stands there twice."""
    lines = [line.partition("=") for line in block(path).splitlines() if "=" in line]
    settings = {key: value for key, _, value in lines}
    assert len(settings) == len(lines)
    return settings


def check(directory: Path, *words: str) -> str:
    """What ``--check-config`` says of options, with an application that is there."""
    (directory / "myapp.py").write_text("async def app(scope, receive, send): ...\n")
    command = [sys.executable, "-m", "freastal", *words, "--app-dir", ".", "--check-config"]
    return run(*command, cwd=directory)


def test_every_block_is_used_here() -> None:
    known = {SERVER_FILE, SERVICE, SOCKET, LOGROTATE, SYSCTL, HAPROXY, NGINX, DOCKERFILE}
    assert blocks().keys() == known | {KUBERNETES}
    assert DEPLOY.read_text().count("\n```\n") == len(blocks()), "a block without its path"


def test_the_servers_file(tmp_path: Path) -> None:
    (tmp_path / "freastal.toml").write_text(block(SERVER_FILE))
    logs = ("--access-logfile", "-", "--error-logfile", "-")  # /var/log/myapp is not there
    check(tmp_path, "--config", "freastal.toml", *logs)


def test_options_that_are_named_are_there() -> None:
    text = DEPLOY.read_text()
    flags = {option.flag for option in config.OPTIONS.values()}
    flags |= {"--check-config", "--no-reuse-port"}
    named = set(re.findall(r"`(--[a-z-]+)", text)) | set(re.findall(r"- (--[a-z-]+)", text))
    assert named
    assert named - flags == set()


# --- systemd, the kernel, logrotate ---


def test_units_are_valid(tmp_path: Path) -> None:
    program = find("systemd-analyze")
    for path in (SERVICE, SOCKET):
        # The program is not installed where the document has it: another that is there.
        text = block(path).replace("/srv/myapp/venv/bin/freastal", "/bin/true")
        (tmp_path / Path(path).name).write_text(text)
    said = run(program, "verify", "--man=no", "./myapp.service", "./myapp.socket", cwd=tmp_path)
    assert [line for line in said.splitlines() if "myapp" in line] == []


def test_the_unit_waits_for_the_server() -> None:
    service, options = unit(SERVICE), server_options()
    assert service["Type"] == "notify"
    assert service["KillMode"] == "mixed"
    needed = options["shutdown_delay"] + options["timeout_graceful_shutdown"] + MARGIN
    assert int(service["TimeoutStopSec"]) > needed
    assert service["ExecStart"].endswith(f"freastal --config {SERVER_FILE}")
    assert unit(SOCKET)["ListenStream"] == options["bind"]


def test_the_queue_is_not_cut() -> None:
    settings = dict(
        line.split(" = ") for line in block(SYSCTL).splitlines() if not line.startswith("#")
    )
    assert int(settings["net.core.somaxconn"]) >= config.OPTIONS["backlog"].default
    for name in settings:
        if sys.platform == "linux":
            assert Path("/proc/sys", name.replace(".", "/")).exists()


def test_logs_are_rotated(tmp_path: Path) -> None:
    """What is in the file stays in the old one, and the server is told to take the new one."""
    program = find("logrotate")
    if os.geteuid() != 0:
        pytest.skip("logrotate changes to another user")
    logs = tmp_path / "logs"
    logs.mkdir(mode=0o755)
    (logs / "access.log").write_text("a line\n")
    told = tmp_path / "told"
    text = block(LOGROTATE).replace("/var/log/myapp", str(logs))
    text = text.replace("su myapp myapp", "su root root")
    text = text.replace("create 0640 myapp myapp", "create 0640 root root")
    command = "systemctl kill --kill-who=main --signal=USR1 myapp.service"
    assert command in text
    configuration = tmp_path / "logrotate"
    configuration.write_text(text.replace(command, f"touch {told};"))
    configuration.chmod(0o644)
    run(program, "--force", "--state", str(tmp_path / "state"), str(configuration))
    assert told.exists()
    assert (logs / "access.log.1").read_text() == "a line\n"
    assert (logs / "access.log").read_text() == ""
    folder = Path(server_options()["access_logfile"]).parent
    assert f"{folder}/*.log" in block(LOGROTATE)


# --- proxies ---


def test_haproxy_takes_it(tmp_path: Path) -> None:
    program = find("haproxy")
    (tmp_path / "haproxy.cfg").write_text(block(HAPROXY))
    run(program, "-c", "-V", "-dW", "-f", str(tmp_path / "haproxy.cfg"))


def test_haproxy_notices_before_the_port_closes() -> None:
    text = block(HAPROXY)
    found = re.search(r"check inter (\d+)s fall (\d+)", text)
    late = re.search(r"timeout check (\d+)s", text)
    assert found is not None
    assert late is not None
    noticed = int(found[1]) * int(found[2]) + int(late[1])
    assert noticed < server_options()["shutdown_delay"]
    assert f"option httpchk GET {server_options()['health_path']}\n" in text


def test_nginx_takes_it(tmp_path: Path) -> None:
    program = find("nginx")
    if os.geteuid() != 0:
        pytest.skip("port 80 is root's")
    (tmp_path / "myapp.conf").write_text(block(NGINX))
    (tmp_path / "nginx.conf").write_text(
        f"pid {tmp_path}/pid; error_log stderr; events {{}} http {{ include myapp.conf; }}\n"
    )
    run(program, "-t", "-e", "stderr", "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf"))


# --- containers ---


def instructions() -> list[tuple[str, str]]:
    """Of the Dockerfile: each instruction and its words."""
    text = block(DOCKERFILE).replace("\\\n", " ")
    lines = [line.partition(" ") for line in text.splitlines() if line and line[0] != "#"]
    return [(word, " ".join(rest.split())) for word, _, rest in lines]


def test_the_image_is_built_of_what_the_build_wants() -> None:
    known = {"FROM", "RUN", "COPY", "USER", "EXPOSE", "STOPSIGNAL", "ENTRYPOINT", "CMD"}
    assert {word for word, _ in instructions()} <= known
    first, last = (
        re.findall(r"[a-z][a-z0-9.-]+", words.partition("recommends")[2].partition("&&")[0])
        for word, words in instructions()
        if "apt-get install" in words
    )
    wanted = (DEPLOY.parents[1] / "tools" / "system-packages.sh").read_text()
    build = re.findall(r"^want (\S+) ", wanted.partition('if [ "$task"')[0], re.M)
    assert set(first) == set(build)
    assert {"libuv1", "libssl3", "zlib1g", "python3"} <= set(last)


def test_the_images_command_is_one_of_ours(tmp_path: Path) -> None:
    words = dict(instructions())
    program, *options = json.loads(words["ENTRYPOINT"]) + json.loads(words["CMD"])
    assert program == "/srv/myapp/venv/bin/freastal"
    check(tmp_path, *options)


def manifests() -> dict[str, dict[str, Any]]:
    """The documents of the YAML block, by kind."""
    return {each["kind"]: each for each in yaml.safe_load_all(block(KUBERNETES))}


def test_kubernetes_takes_it() -> None:
    for manifest in manifests().values():
        kubernetes_validate.validate(manifest, kubernetes_validate.latest_version(), strict=True)


def test_pods_are_found_and_drained(tmp_path: Path) -> None:
    found = manifests()
    spec = found["Deployment"]["spec"]["template"]["spec"]
    labels = found["Deployment"]["spec"]["template"]["metadata"]["labels"]
    assert found["Deployment"]["spec"]["selector"]["matchLabels"] == labels
    assert found["Service"]["spec"]["selector"] == labels
    assert found["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == labels
    (container,) = spec["containers"]
    options = dict(each.partition("=")[::2] for each in container["args"])
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert container[probe]["httpGet"]["path"] == options["--health-path"]
    _, seconds = container["lifecycle"]["preStop"]["exec"]["command"]
    needed = int(seconds) + int(options["--timeout-graceful-shutdown"]) + MARGIN
    assert spec["terminationGracePeriodSeconds"] > needed
    entry = json.loads(dict(instructions())["ENTRYPOINT"])
    check(tmp_path, *entry[1:], *container["args"])
