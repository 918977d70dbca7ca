"""Finding the application and telling which interface it speaks."""

from __future__ import annotations

import functools
import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from freastal.loader import AppError, choose_interface, describe, detect_interface, load


def wsgi(environ: Any, start_response: Any) -> Any: ...


async def asgi(scope: Any, receive: Any, send: Any) -> None: ...


def asgi_plain(scope: Any, receive: Any, send: Any) -> Any: ...


def asgi2(scope: Any) -> Any: ...


class WsgiObject:
    def __call__(self, environ: Any, start_response: Any) -> Any: ...

    async def asgi_method(self, scope: Any, receive: Any, send: Any) -> None: ...

    def wsgi_method(self, environ: Any, start_response: Any) -> Any: ...


class WsgiClass:  # PEP 3333, the application side: AppClass
    def __init__(self, environ: Any, start_response: Any) -> None: ...

    def __iter__(self) -> Iterator[bytes]:
        return iter(())


class AsgiObject:
    async def __call__(self, scope: Any, receive: Any, send: Any) -> None: ...


class AsgiClass:  # as Starlette's endpoints
    def __init__(self, scope: Any, receive: Any, send: Any) -> None: ...

    def __await__(self) -> Any: ...


def decorated(app: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(app)
    def wrapper(*arguments: Any, **keywords: Any) -> Any: ...

    return wrapper


class Asgi2Class:
    def __init__(self, scope: Any) -> None: ...

    async def __call__(self, receive: Any, send: Any) -> None: ...


@pytest.mark.parametrize(
    ("app", "interface"),
    [
        (wsgi, "wsgi"),
        (WsgiObject(), "wsgi"),
        (WsgiObject().wsgi_method, "wsgi"),
        (WsgiClass, "wsgi"),
        (functools.partial(wsgi), "wsgi"),
        (lambda *arguments: [], "wsgi"),
        (lambda environ, start_response, more=None: [], "wsgi"),
        (dict, "wsgi"),  # nothing is known of it
        (print, "wsgi"),
        (asgi, "asgi"),
        (asgi_plain, "asgi"),
        (AsgiObject(), "asgi"),
        (WsgiObject().asgi_method, "asgi"),
        (functools.partial(asgi), "asgi"),
        (functools.partial(AsgiObject()), "asgi"),
        (lambda scope, receive, send: asgi(scope, receive, send), "asgi"),
        (AsgiClass, "asgi"),
        (decorated(asgi), "asgi"),
        (decorated(AsgiObject().__call__), "asgi"),
        (decorated(wsgi), "wsgi"),
        (asgi2, "asgi2"),
        (Asgi2Class, "asgi2"),
    ],
    ids=lambda each: each if isinstance(each, str) else repr(each).split(" at ")[0],
)
def test_interface(app: Callable[..., Any], interface: str) -> None:
    assert detect_interface(app) == interface


FRAMEWORKS = {
    "asgiref, WSGI as ASGI": ("asgiref.wsgi", "WsgiToAsgi(None)", "asgi"),
    "asgiref, ASGI 2 made single": (
        "asgiref.compatibility",
        "guarantee_single_callable(type('Two', (), {'__init__': lambda self, scope: None}))",
        "asgi",
    ),
    "Django, ASGI": ("django.core.handlers.asgi", "ASGIHandler.__new__(ASGIHandler)", "asgi"),
    "Django, WSGI": ("django.core.handlers.wsgi", "WSGIHandler.__new__(WSGIHandler)", "wsgi"),
    "Falcon, ASGI": ("falcon.asgi", "App()", "asgi"),
    "Falcon, WSGI": ("falcon", "App()", "wsgi"),
    "FastAPI": ("fastapi", "FastAPI()", "asgi"),
    "Flask": ("flask", "Flask('name')", "wsgi"),
    "Litestar": ("litestar", "Litestar([])", "asgi"),
    "Quart": ("quart", "Quart('name')", "asgi"),
    "Socket.IO, ASGI": ("socketio", "ASGIApp(AsyncServer(async_mode='asgi'))", "asgi"),
    "Socket.IO, WSGI": ("socketio", "WSGIApp(Server(async_mode='threading'))", "wsgi"),
    "Starlette": ("starlette.applications", "Starlette()", "asgi"),
    "Starlette, a middleware": ("starlette.middleware.gzip", "GZipMiddleware(None)", "asgi"),
    "Starlette, a response": ("starlette.responses", "PlainTextResponse('')", "asgi"),
    "Starlette, an endpoint": ("starlette.endpoints", "HTTPEndpoint", "asgi"),
}
"""Module, how an application of it is made, and what it is."""


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_interface_of_frameworks(name: str) -> None:
    module, expression, interface = FRAMEWORKS[name]
    app = eval(expression, vars(importlib.import_module(module)))
    assert detect_interface(app) == interface
    assert detect_interface(functools.partial(app)) == interface


class TestChoice:
    @pytest.mark.parametrize("app", [wsgi, asgi])
    @pytest.mark.parametrize("wanted", ["wsgi", "asgi"])
    def test_what_the_user_says_counts(self, app: Callable[..., Any], wanted: str) -> None:
        assert choose_interface(app, wanted, "name") == wanted

    def test_auto(self) -> None:
        assert choose_interface(wsgi, "auto", "name") == "wsgi"
        assert choose_interface(asgi, "auto", "name") == "asgi"

    @pytest.mark.parametrize("wanted", ["auto", "asgi"])
    def test_asgi_2_is_refused_with_a_hint(self, wanted: str) -> None:
        with pytest.raises(AppError) as error:
            choose_interface(asgi2, wanted, "a:b")
        assert str(error.value).startswith("a:b is an application of ASGI 2, ")
        assert "asgiref.compatibility.guarantee_single_callable()" in str(error.value)


class TestImport:
    @pytest.fixture(autouse=True)
    def clean_modules(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        monkeypatch.setattr(sys, "path", sys.path[:])
        before = set(sys.modules)
        yield
        for name in set(sys.modules) - before:
            del sys.modules[name]

    def load(
        self, directory: Path, source: str, target: str = "wanted", *, factory: bool = False
    ) -> Any:
        sys.modules.pop("wanted", None)
        importlib.invalidate_caches()
        (directory / "wanted.py").write_text(source)
        return load(target, app_dir=str(directory), factory=factory)

    def fails(
        self, directory: Path, source: str, target: str = "wanted", *, factory: bool = False
    ) -> AppError:
        with pytest.raises(AppError) as error:
            self.load(directory, source, target, factory=factory)
        assert len(str(error.value).splitlines()) == 1
        return error.value

    @pytest.mark.parametrize(
        ("source", "target", "name"),
        [
            ("def application(): pass", "wanted", "application"),
            ("def app(): pass", "wanted", "app"),
            ("def app(): pass\ndef application(): pass", "wanted", "application"),
            ("def other(): pass\ndef app(): pass", "wanted:other", "other"),
            ("class A:\n class B:\n  def c(): pass", "wanted:A.B.c", "c"),
        ],
    )
    def test_finds(self, tmp_path: Path, source: str, target: str, name: str) -> None:
        assert self.load(tmp_path, source, target).__name__ == name

    def test_finds_in_packages_and_relative_directories(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "package").mkdir()
        (tmp_path / "package" / "inner.py").write_text("def app(): pass")
        monkeypatch.chdir(tmp_path)
        assert load("package.inner:app", app_dir=".", factory=False).__name__ == "app"
        assert sys.path[0] == str(tmp_path)

    def test_the_directory_comes_first(self, tmp_path: Path) -> None:
        sys.path.append(str(tmp_path))
        self.load(tmp_path, "def app(): pass")
        assert sys.path[0] == str(tmp_path)

    def test_an_application_itself(self) -> None:
        assert load(wsgi, app_dir=".", factory=False) is wsgi

    def test_a_factory(self, tmp_path: Path) -> None:
        source = "def make():\n    def made(): pass\n    return made"
        assert self.load(tmp_path, source, "wanted:make", factory=True).__name__ == "made"
        assert load(lambda: wsgi, app_dir=".", factory=True) is wsgi

    def test_no_module(self, tmp_path: Path) -> None:
        error = self.fails(tmp_path, "", "nowhere:app")
        assert "No module named 'nowhere'" in str(error)
        place = f"(looked for module 'nowhere', attribute 'app' in directory {str(tmp_path)!r})"
        assert str(error).endswith(place)
        assert error.traceback_text == "ModuleNotFoundError: No module named 'nowhere'\n"

    def test_no_attribute(self, tmp_path: Path) -> None:
        assert "attribute 'application' or 'app'" in str(self.fails(tmp_path, "other = 1"))
        assert "has no attribute 'x'" in str(self.fails(tmp_path, "", "wanted:x"))
        assert "has no attribute 'y'" in str(self.fails(tmp_path, "def x(): pass", "wanted:x.y"))

    def test_an_error_in_the_module_shows_its_frames_and_no_others(self, tmp_path: Path) -> None:
        error = self.fails(tmp_path, "def deep():\n    1 / 0\ndeep()")
        assert "ZeroDivisionError" in str(error)
        frames = [line for line in error.traceback_text.splitlines() if "File " in line]
        assert [frame.split(", ", 1)[1] for frame in frames] == [
            "line 3, in <module>",
            "line 2, in deep",
        ]

    def test_a_syntax_error(self, tmp_path: Path) -> None:
        error = self.fails(tmp_path, "def")
        assert "SyntaxError" in str(error)
        assert "wanted.py" in error.traceback_text

    def test_a_module_that_exits(self, tmp_path: Path) -> None:
        assert "SystemExit: 4" in str(self.fails(tmp_path, "import sys\nsys.exit(4)"))

    @pytest.mark.parametrize("name", ["KeyboardInterrupt", "GeneratorExit", "BaseException"])
    def test_what_is_no_exception_of_programs(self, tmp_path: Path, name: str) -> None:
        error = self.fails(tmp_path, f"raise {name}")
        assert name in str(error)
        assert "looked for module" in str(error)
        error = self.fails(tmp_path, f"def make(): raise {name}", "wanted:make", factory=True)
        assert f"wanted:make() failed with {name}" in str(error)

    def test_a_message_of_many_lines(self, tmp_path: Path) -> None:
        assert "one two" in str(self.fails(tmp_path, "raise ValueError('one\\ntwo')"))

    def test_what_cannot_be_called(self, tmp_path: Path) -> None:
        assert "wanted:app is no application" in str(self.fails(tmp_path, "app = 1", "wanted:app"))

    def test_a_factory_that_fails(self, tmp_path: Path) -> None:
        error = self.fails(tmp_path, "def make():\n    1 / 0", "wanted:make", factory=True)
        assert "wanted:make() failed with ZeroDivisionError" in str(error)
        assert "in make" in error.traceback_text
        error = self.fails(tmp_path, "def m(a): pass", "wanted:m", factory=True)
        assert "TypeError" in str(error)

    def test_a_factory_that_makes_nothing(self, tmp_path: Path) -> None:
        error = self.fails(tmp_path, "def make(): pass", "wanted:make", factory=True)
        assert "wanted:make() is no application: a NoneType cannot be called" in str(error)


def test_names_in_messages() -> None:
    assert describe("a:b") == "a:b"
    assert describe(wsgi) == f"{__name__}:wsgi"
    assert describe(WsgiObject()) == f"{__name__}:WsgiObject"
