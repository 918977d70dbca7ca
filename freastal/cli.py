"""The command ``freastal [options] module[:attribute]``."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from freastal import __version__, config

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
        config.parse_target(arguments.app)
        checked = config.resolve(
            config.from_arguments(arguments), config.from_environment(os.environ)
        )
    except config.ConfigError as error:
        print(f"freastal: {error}", file=sys.stderr)
        return EXIT_USAGE
    from freastal import supervisor

    return supervisor.serve(arguments.app, checked)
