"""``--check-config``: everything that can be checked without serving.

The options have been read by then, and logging is set up. In a child process, so that nothing of it
stays, the files of TLS are read, users and groups looked up, and the application and the hooks are
loaded as a worker would; no socket is opened, no lifespan run, no hook called.
"""

from __future__ import annotations

import os
import sys
import traceback

from freastal import loader, privileges, proxies
from freastal.config import Config, ConfigError
from freastal.worker import EXIT_APP, EXIT_ERROR, EXIT_USAGE

__all__ = ["check"]


def check(target: str, config: Config) -> int:
    """Check the files and the application, and print one line.

    :param target: ``module[:attribute]``.
    :returns: the exit code: 0, 2 for a file that an option names, 3 for the application.
    """
    sys.stdout.flush()  # else the child would write it again
    pid = os.fork()
    if pid == 0:
        code = EXIT_ERROR
        try:
            code = _check(target, config)
            sys.stdout.flush()
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)  # whatever threads the application has begun
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if code < 0:
        print(f"freastal: {target} was ended by signal {-code}", file=sys.stderr)
        return EXIT_APP
    return code


def _check(target: str, config: Config) -> int:
    try:
        if config.secure:
            from freastal import tls

            tls.make_context(config)
        privileges.socket_owner(config, privileges.identity(config))
        app = loader.load(target, app_dir=config.app_dir, factory=config.factory)
        interface = loader.choose_interface(app, config.interface, target)
        for name, hook in config.hooks.items():
            loader.load_hook(name, hook, app_dir=config.app_dir)
        if interface == "asgi":
            from freastal.asgi_worker import make_loop

            make_loop(config.loop).close()
    except loader.AppError as error:
        print(f"{error.traceback_text}freastal: {error}", file=sys.stderr)
        return EXIT_APP
    except ConfigError as error:
        print(f"freastal: {error}", file=sys.stderr)
        return EXIT_USAGE
    for flag in config.idle_options(interface):
        print(f"freastal: {flag} means nothing to {interface.upper()}", file=sys.stderr)
    for flag, other in proxies.idle_options(config):
        print(f"freastal: {flag} means nothing without {other}", file=sys.stderr)
    print(f"freastal: the configuration is right, {target} ({interface}) can be loaded")
    return 0
