"""Which files of a program have changed, for ``--reload``.

A process of its own (``python -m freastal.reloader``) watches, by watchfiles where that is
installed, which the kernel tells, else by looking at the files' times; each path that has changed
goes to its standard output, with a NUL behind it. It ends with its standard input.
"""

from __future__ import annotations

import argparse
import os
import select
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatch
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from freastal.config import Config

__all__ = ["Filter", "Watcher", "look", "main", "watch_program"]

LOOK_SECONDS = 0.5
"""How often who has to look does."""

SKIPPED = ("__pycache__", "node_modules", "site-packages")
"""Directories that are never looked into, beside those that begin with a dot."""


class Watcher:
    """What has changed, to be asked by a loop.

    :param directories: watched with all below them.
    :param include: globs of file names, or of paths, that count.
    :param exclude: globs of those, and of directories, that do not.
    :raises OSError: no process can be started.
    """

    def __init__(
        self, directories: Iterable[str], include: Iterable[str], exclude: Iterable[str]
    ) -> None:
        command = [sys.executable, "-m", "freastal.reloader"]
        command += [f"--directory={each}" for each in directories]
        command += [f"--include={each}" for each in include]
        command += [f"--exclude={each}" for each in exclude]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
        )
        assert self._process.stdout is not None
        self.fd = self._process.stdout.fileno()
        """Becomes readable when there is something to :meth:`take`."""
        os.set_blocking(self.fd, False)
        self._read = b""

    def take(self) -> list[str] | None:
        """The paths that have changed since the last time; ``None``: nobody watches any more."""
        try:
            data = os.read(self.fd, 65536)
        except BlockingIOError:
            return []
        if not data:
            return None
        *paths, self._read = (self._read + data).split(b"\0")
        return sorted({os.fsdecode(path) for path in paths})

    def close(self) -> None:
        """Watch no more."""
        for end in (self._process.stdin, self._process.stdout):
            if end is not None:
                end.close()
        self._process.wait()


def watch_program(config: Config) -> Watcher | None:
    """What ``--reload`` and its options ask for; ``None``: nothing."""
    if not config.reload:
        return None
    directories = config.reload_dir or (config.app_dir,)
    return Watcher(directories, config.reload_include, config.reload_exclude)


class Filter:
    """Which files count: see :class:`Watcher`."""

    def __init__(self, include: Sequence[str], exclude: Sequence[str]) -> None:
        self._include = include
        self._exclude = exclude

    def counts(self, path: str) -> bool:
        """Whether this file does."""
        return _fits(path, self._include) and not _fits(path, self._exclude)

    def enters(self, directory: str) -> bool:
        """Whether files below this directory count."""
        name = os.path.basename(directory)
        hidden = name.startswith(".") or name in SKIPPED
        return not hidden and not _fits(directory, self._exclude)


def look(directories: Sequence[str], files: Filter) -> dict[str, tuple[int, int]]:
    """The files that count: when each was changed, in ns, and its bytes."""
    found = {}
    for path in _files(directories, files):
        try:
            status = os.stat(path)
        except OSError:
            continue  # it has just gone
        found[path] = status.st_mtime_ns, status.st_size
    return found


def _files(directories: Sequence[str], files: Filter) -> Iterator[str]:
    for directory in directories:
        for where, below, names in os.walk(directory):
            below[:] = [name for name in below if files.enters(os.path.join(where, name))]
            paths = (os.path.join(where, name) for name in names)
            yield from (path for path in paths if files.counts(path))


def _fits(path: str, globs: Sequence[str]) -> bool:
    return any(fnmatch(os.path.basename(path), each) or fnmatch(path, each) for each in globs)


def _tell(paths: Iterable[str]) -> None:
    os.write(sys.stdout.fileno(), b"".join(os.fsencode(path) + b"\0" for path in paths))


def _watch_by_looking(directories: Sequence[str], files: Filter) -> None:
    before = look(directories, files)
    while not select.select([sys.stdin], [], [], LOOK_SECONDS)[0]:
        now = look(directories, files)
        if now != before:
            _tell(sorted({path for path, _ in before.items() ^ now.items()}))
        before = now


def _watch_by_watchfiles(directories: Sequence[str], files: Filter) -> None:
    from watchfiles import watch

    over = threading.Event()

    def wait_for_the_end() -> None:
        select.select([sys.stdin], [], [])
        over.set()

    def below_what_counts(path: str) -> bool:
        root = next(each for each in directories if path.startswith(each))
        parts = os.path.relpath(path, root).split(os.sep)[:-1]
        below = [os.path.join(root, *parts[: count + 1]) for count in range(len(parts))]
        return all(files.enters(each) for each in below)

    threading.Thread(target=wait_for_the_end, daemon=True).start()
    for changes in watch(
        *directories,
        watch_filter=lambda change, path: files.counts(path) and below_what_counts(path),
        stop_event=over,
        debounce=200,
        ignore_permission_denied=True,
    ):
        _tell(sorted({path for _, path in changes}))


def main(argv: Sequence[str] | None = None) -> int:
    """Watch until standard input ends."""
    parser = argparse.ArgumentParser(prog="freastal.reloader")
    for option in ("directory", "include", "exclude"):
        parser.add_argument(f"--{option}", action="append", default=[])
    given = parser.parse_args(argv)
    directories = [os.path.realpath(each) for each in given.directory]
    files = Filter(given.include, given.exclude)
    try:
        try:
            _watch_by_watchfiles(directories, files)
        except ImportError:
            _watch_by_looking(directories, files)
    except (BrokenPipeError, KeyboardInterrupt):
        pass  # nobody listens any more
    return 0


if __name__ == "__main__":
    sys.exit(main())
