"""Find the application: import it, let its factory make it, see which interface it speaks.

Runs in the worker, never in the supervisor, but for hooks of the supervisor's. Whatever goes wrong
is an :class:`AppError`, which carries one line for the user and, where the application's own code
failed, its traceback.
"""

from __future__ import annotations

import importlib
import inspect
import os
import sys
import traceback
from collections.abc import Callable
from types import TracebackType
from typing import Any

from freastal.config import parse_target

__all__ = [
    "AppError",
    "choose_interface",
    "describe",
    "detect_interface",
    "load",
    "load_hook",
    "summary",
]

DEFAULT_ATTRIBUTES = ("application", "app")
"""What is looked for where the user names only a module, in this order."""

OWN_FILES = (__file__, importlib.__file__, "<frozen importlib")
"""Whose frames lead to the application's."""


class AppError(Exception):
    """The application cannot be served; its text is one line, made for the user."""

    def __init__(self, line: str, traceback_text: str = "") -> None:
        super().__init__(line)
        self.traceback_text = traceback_text
        """The traceback of the application's code, ending with a newline, or nothing."""


def load(app: str | Callable[..., Any], *, app_dir: str, factory: bool) -> Callable[..., Any]:
    """Give the application itself.

    :param app: the application, or ``module[:attribute]`` to import it from.
    :param app_dir: the directory that is put first on ``sys.path`` to import from.
    :param factory: call what was found; what that gives is the application.
    :raises ConfigError: the text has another form.
    :raises AppError: it cannot be imported, has no such attribute, or is not callable.
    """
    found: Any = app
    name = describe(app)
    if isinstance(app, str):
        found = _import(app, os.path.abspath(app_dir))
    if factory:
        try:
            found = found()
        except BaseException as error:  # SystemExit and KeyboardInterrupt too
            line = f"cannot make the application: {name}() failed with {summary(error)}"
            raise AppError(line, traceback_of(error, *OWN_FILES)) from error
        name += "()"
    if not callable(found):
        raise AppError(f"{name} is no application: a {type(found).__name__} cannot be called")
    return found  # type: ignore[no-any-return]


def load_hook(name: str, target: str, *, app_dir: str) -> Callable[..., Any]:
    """Give the function of a hook (:mod:`freastal.hooks`).

    :param target: ``module:function``.
    :param app_dir: as of :func:`load`.
    :raises AppError: it cannot be imported, has no such attribute, or is not callable.
    """
    found = _import(target, os.path.abspath(app_dir), f"the hook {name}")
    if not callable(found):
        kind = type(found).__name__
        raise AppError(f"the hook {name} is no function: {target}, a {kind}, cannot be called")
    return found  # type: ignore[no-any-return]


def describe(app: str | Callable[..., Any]) -> str:
    """Name the application in a message."""
    if isinstance(app, str):
        return app
    module = getattr(app, "__module__", None) or type(app).__module__
    return f"{module}:{getattr(app, '__qualname__', type(app).__qualname__)}"


def choose_interface(app: Callable[..., Any], wanted: str, name: str) -> str:
    """Decide how the application is called: ``"wsgi"`` or ``"asgi"``.

    :param wanted: one of these, or ``"auto"``.
    :param name: the application's, for the message.
    :raises AppError: it is an ASGI 2 application.
    """
    found = detect_interface(app)
    if found == "asgi2" and wanted != "wsgi":
        raise AppError(
            f"{name} is an application of ASGI 2, app(scope)(receive, send), which is not served: "
            "wrap it with asgiref.compatibility.guarantee_single_callable()"
        )
    return found if wanted == "auto" else wanted


def detect_interface(app: Callable[..., Any]) -> str:
    """Tell ``"wsgi"``, ``"asgi"`` and ``"asgi2"`` (``app(scope)(receive, send)``) apart.

    Nothing is called. An application is ASGI when it is a coroutine function, or cannot be called
    with the two arguments of WSGI; in doubt it is WSGI.
    """
    if inspect.isclass(app):
        # PEP 3333 allows a class whose instances iterate; Starlette's endpoints can be awaited,
        # and those of ASGI 2 called.
        if hasattr(app, "__await__"):
            return "asgi"
        return "asgi2" if inspect.iscoroutinefunction(_method(app)) else "wsgi"
    if inspect.iscoroutinefunction(app) or inspect.iscoroutinefunction(_method(type(app))):
        return "asgi"
    for count, interface in ((2, "wsgi"), (3, "asgi"), (1, "asgi2")):
        if _takes(app, count):
            return interface
    return "wsgi"


def _method(kind: type) -> Any:
    """What is called when instances of the class are."""
    return inspect.getattr_static(kind, "__call__", None)


def _takes(app: Callable[..., Any], count: int) -> bool:
    """Whether it can be called with so many positional arguments, as far as can be known."""
    try:
        signature = inspect.signature(app)
    except (TypeError, ValueError):  # built-in callables may not tell
        return count == 2
    try:
        signature.bind(*[None] * count)
    except TypeError:
        return False
    return True


def _import(target: str, directory: str, what: str = "the application") -> Any:
    module_name, attribute = parse_target(target)
    wanted = [attribute] if attribute else list(DEFAULT_ATTRIBUTES)
    words = f"module {module_name!r}, attribute {' or '.join(map(repr, wanted))}"
    place = f"looked for {words} in directory {directory!r}"
    if sys.path[:1] != [directory]:
        sys.path.insert(0, directory)
    try:
        found: Any = importlib.import_module(module_name)
    except BaseException as error:  # SystemExit and KeyboardInterrupt too
        line = f"cannot import {what}: {summary(error)} ({place})"
        raise AppError(line, traceback_of(error, *OWN_FILES)) from error
    if not attribute:
        attribute = next((name for name in DEFAULT_ATTRIBUTES if hasattr(found, name)), "app")
    try:
        for name in attribute.split("."):
            found = getattr(found, name)
    except AttributeError as error:
        line = f"cannot find {what}: {summary(error)} ({place})"
        raise AppError(line, traceback_of(error, *OWN_FILES)) from error
    return found


def summary(error: BaseException) -> str:
    """The error in one line."""
    return " ".join("".join(traceback.format_exception_only(error)).split())


def traceback_of(error: BaseException, *own: str) -> str:
    """The error's traceback, without the frames that lead to the application.

    :param own: how the names of the files begin whose frames they are.
    """
    frame: TracebackType | None = error.__traceback__
    while frame is not None and frame.tb_frame.f_code.co_filename.startswith(own):
        frame = frame.tb_next
    return "".join(traceback.format_exception(type(error), error, frame))
