"""The hooks: functions of the user's that are called at turns of the server's life.

They stand in the table ``[hooks]`` of the configuration file, each as ``module:function``. Here are
their names, which are gunicorn's, and the check of what the file says; :mod:`freastal.hook_calls`
calls them.
"""

from __future__ import annotations

from collections.abc import Mapping

from freastal.names import did_you_mean, nearest
from freastal.options import OPTIONS, ConfigError

__all__ = ["HOOKS", "check_hook"]

HOOKS: Mapping[str, str] = {
    "on_starting": "(server) in the supervisor, before it opens the sockets",
    "when_ready": "(server) in the supervisor, when the first workers serve",
    "pre_fork": "(server, worker) in the supervisor, before a worker is forked",
    "post_fork": "(server, worker) in a worker, before it imports the application",
    "post_worker_init": "(worker) in a worker, when it has imported the application",
    "worker_int": "(worker) in a worker, when it is told to stop",
    "worker_exit": "(server, worker) in a worker, before it ends",
    "child_exit": "(server, worker) in the supervisor, when a worker has ended",
    "on_reload": "(server) in the supervisor, at SIGHUP",
    "on_exit": "(server) in the supervisor, before it ends",
    "nworkers_changed": "(server, new, old) in the supervisor, when there are to be more or fewer "
    "workers; at the start old is None",
}
"""With what each is called, and when."""

ALLOWED = "module:function, for example hooks:when_ready"


def check_hook(name: str, value: object, path: str, place: str) -> str:
    """Check one entry of the table.

    :param path: of the file.
    :param place: the file and the key, as messages name them.
    :returns: the value.
    :raises ConfigError: there is no such hook, or the value has another form.
    """
    if name not in HOOKS:
        if name.replace("-", "_") in OPTIONS:
            near = f" (did you mean {name}, which is an option and stands above [hooks]?)"
        else:
            near = did_you_mean(nearest(name, HOOKS)) or f" (allowed: {', '.join(HOOKS)})"
        raise ConfigError(f"{path}: there is no hook {name!r}{near}")
    module, _, function = value.partition(":") if isinstance(value, str) else ("", "", "")
    if not all(part.isidentifier() for part in (*module.split("."), *function.split("."))):
        raise ConfigError(f"wrong value for {place}: {value!r} (allowed: {ALLOWED})")
    assert isinstance(value, str)
    return value
