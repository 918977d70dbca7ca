"""The command ``freastal [options] [module[:attribute]]``."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from freastal import __version__, config, settings

__all__ = ["main"]

EXIT_USAGE = 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    :param argv: the arguments, without the program's name; those of the process if not given.
    :returns: the exit code: 0 stopped as asked, 1 cannot listen or run, 2 a wrong option, 3 the
        application cannot be loaded or does not start.
    """
    try:
        arguments = config.make_parser().parse_args(argv)
        if arguments.version:
            print(f"freastal {__version__}")
            return 0
        given = config.from_arguments(arguments)
        found = settings.gather(given, os.environ, arguments.app)
        only_print = arguments.print_config and not arguments.check_config
        target = "" if only_print and found.app is None else found.target()
        if arguments.print_config:
            print(*found.lines(), sep="\n")
        if only_print:
            return 0
        found.enter()
    except config.ConfigError as error:
        print(f"freastal: {error}", file=sys.stderr)
        return EXIT_USAGE
    if arguments.check_config:
        from freastal.check import check

        return check(target, found.config)
    from freastal import startup

    code = startup.serve(target, found.config)
    _let_go()
    return code


def _let_go() -> None:
    """What standard output and error do not take is lost; it would turn the exit code into 120."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, stream.fileno())
            os.close(null)
