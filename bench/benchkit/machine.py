"""Facts that the kernel tells by ``/proc``: processor time and memory of process trees, busy cores.

Linux only.
"""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
TICK = 1 / os.sysconf("SC_CLK_TCK")
"""Seconds of one tick of the kernel's accounts."""


@dataclass(frozen=True)
class Processor:
    """Processor time in seconds."""

    user: float
    system: float

    @property
    def total(self) -> float:
        """User and system together."""
        return self.user + self.system

    def __sub__(self, other: Processor) -> Processor:
        return Processor(self.user - other.user, self.system - other.system)


def _stat(pid: int) -> list[str]:
    """The fields of ``/proc/PID/stat`` behind the name: index 0 is the state (proc(5))."""
    return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()


def tree(root: int) -> list[int]:
    """Process ids of ``root`` and of all its living descendants.

    :raises FileNotFoundError: ``root`` is gone.
    """
    _stat(root)
    children: dict[int, list[int]] = {}
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            try:
                parent = int(_stat(int(entry.name))[1])
            except (FileNotFoundError, ProcessLookupError):
                continue
            children.setdefault(parent, []).append(int(entry.name))
    found = [root]
    for pid in found:
        found.extend(children.get(pid, []))
    return found


def tree_processor(root: int) -> Processor:
    """Processor time of a process tree so far, with that of its children already waited for."""
    user = system = 0
    for pid in tree(root):
        fields = [int(field) for field in _stat(pid)[11:15]]
        user += fields[0] + fields[2]
        system += fields[1] + fields[3]
    return Processor(user * TICK, system * TICK)


def cores_busy(cores: set[int]) -> float:
    """Seconds that these cores together have not been idle since the machine's start.

    Time that the machine under a virtual one has taken away counts as busy.
    """
    busy = 0
    for line in (PROC / "stat").read_text().splitlines():
        name, *fields = line.split()
        if name.startswith("cpu") and name != "cpu" and int(name[3:]) in cores:
            user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, fields[:8])
            busy += user + nice + system + irq + softirq + steal
    return busy * TICK


def tree_memory(root: int) -> tuple[int, int]:
    """Resident bytes of a process tree: all of it, and its anonymous part.

    Anonymous memory is what the processes themselves have allocated and touched: heap, stacks
    and private maps, without files and the programs' text.
    """
    resident = anonymous = 0
    for pid in tree(root):
        for line in (PROC / str(pid) / "smaps_rollup").read_text().splitlines():
            name, _, rest = line.partition(":")
            if name == "Rss":
                resident += int(rest.split()[0]) * 1024
            elif name == "Anonymous":
                anonymous += int(rest.split()[0]) * 1024
    return resident, anonymous


def processor_name() -> str:
    """The processor's own name for itself."""
    for line in (PROC / "cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() in ("model name", "Model"):
            return value.strip()
    return platform.machine()


def facts() -> dict[str, str]:
    """What a reader of the figures needs to know of the machine."""
    release = platform.freedesktop_os_release()
    return {
        "processor": processor_name(),
        "cores": str(os.cpu_count()),
        "kernel": f"{platform.system()} {platform.release()} {platform.machine()}",
        "system": release.get("PRETTY_NAME", "unknown"),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "load before": " ".join(f"{load:.2f}" for load in os.getloadavg()),
    }
