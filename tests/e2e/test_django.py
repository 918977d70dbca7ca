"""A real Django site (tests/apps/django_site): migrated, served and used as its users would."""

import hashlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from .harness import APPS, Server, Shape, running

SITE = APPS / "django_site"

pytestmark = pytest.mark.matrix("workers", "threads")


def manage(data: Path, *arguments: str) -> None:
    """Runs a command of the site's manage.py."""
    env = {**os.environ, "SITE_DATA": str(data), "DJANGO_SUPERUSER_PASSWORD": "correct horse"}
    run = subprocess.run(
        [sys.executable, "manage.py", *arguments], cwd=SITE, env=env, capture_output=True
    )
    assert run.returncode == 0, run


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site's data: a migrated database with an administrator, and the static files."""
    path = tmp_path_factory.mktemp("site")
    manage(path, "migrate", "--verbosity", "0")
    manage(path, "createsuperuser", "--noinput", "--username", "admin", "--email", "a@test.example")
    manage(path, "collectstatic", "--noinput", "--verbosity", "0")
    return path


@pytest.fixture(scope="module", params=["wsgi", "asgi"])
def interface(request: pytest.FixtureRequest) -> str:
    """Which of the site's two applications is served."""
    return str(request.param)


@pytest.fixture(scope="module")
def started(
    shape: Shape, interface: str, data: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """`freastal config.wsgi` in the site's directory; `application` is the name it looks for."""
    room = tmp_path_factory.mktemp("server") / "0"
    env = {"SITE_DATA": str(data)}
    with running(shape, room, f"config.{interface}", cwd=SITE, env=env) as server:
        assert f"config.{interface} ({interface})" in server.whole_log
        yield server


@pytest.fixture
def site(started: Server) -> Server:
    """The one server of that shape, which serves all tests as it would serve all visitors."""
    started.begin()
    return started


def token_in(page: str) -> str:
    """The CSRF token of a page's form."""
    match = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
    assert match is not None, page
    return match[1]


def test_administrator_logs_in_and_works(site: Server) -> None:
    admin = site.url + "/admin/"
    with requests.Session() as session:
        page = session.get(admin)
        assert page.url.startswith(admin + "login/")
        form = {"username": "admin", "password": "correct horse"}
        form |= {"csrfmiddlewaretoken": token_in(page.text), "next": "/admin/"}
        wrong = session.post(page.url, data={**form, "password": "no"}, headers={"Referer": admin})
        assert "Please enter the correct username" in wrong.text
        form["csrfmiddlewaretoken"] = token_in(wrong.text)
        page = session.post(page.url, data=form, headers={"Referer": admin})
        assert (page.url, page.status_code) == (admin, 200)
        assert "Site administration" in page.text

        page = session.get(admin + "site_app/note/add/")
        text = f"nötiz {site.shape}"
        form = {"text": text, "csrfmiddlewaretoken": token_in(page.text), "_save": "Save"}
        page = session.post(page.url, data=form, headers={"Referer": admin})
        assert page.url == admin + "site_app/note/"
        assert text in page.text
        assert text in session.get(site.url + "/notes/").json()["notes"]

        form = {"csrfmiddlewaretoken": token_in(page.text)}
        page = session.post(admin + "logout/", data=form, headers={"Referer": admin})
        assert page.status_code == 200
        assert session.get(admin).url.startswith(admin + "login/")


def test_form_without_its_token_is_refused(site: Server) -> None:
    with requests.Session() as session:
        notes = site.url + "/notes/"
        token = session.get(notes).json()["token"]
        session.headers["Referer"] = notes  # which Django checks over TLS
        assert session.post(notes, data={"text": "evil"}).status_code == 403
        page = session.post(notes, data={"text": "good"}, headers={"X-CSRFToken": token})
        assert (page.status_code, page.history[0].status_code) == (200, 302)
        assert "good" in page.json()["notes"]
        assert "evil" not in page.json()["notes"]


def test_sessions_on_sqlite(site: Server) -> None:
    with requests.Session() as alice, requests.Session() as bob:
        for visit in range(1, 6):
            assert alice.get(site.url + "/visits/").text == str(visit)
        assert bob.get(site.url + "/visits/").text == "1"


@pytest.mark.parametrize("size", [10, 100_000, 4_000_000])
def test_upload_and_download(site: Server, size: int) -> None:
    content = (bytes(range(256)) * (size // 256 + 1))[:size]
    with requests.Session() as session:
        token = session.get(site.url + "/notes/").json()["token"]
        answer = session.post(
            site.url + "/upload/",
            data={"csrfmiddlewaretoken": token, "extra": "ü"},
            files={"file": (f"upload-{size}", content)},
            headers={"Referer": site.url},
        ).json()
        assert (answer["size"], answer["extra"]) == (size, "ü")
        assert answer["sha256"] == hashlib.sha256(content).hexdigest()
        answer = session.get(site.url + f"/file/upload-{size}/", headers={"Accept-Encoding": ""})
        assert answer.headers["Content-Length"] == str(size)
        assert "attachment" in answer.headers["Content-Disposition"]
        assert answer.content == content


def test_streams(site: Server) -> None:
    lines = "".join(f"line {line}\n" for line in range(3000))
    for coding in ("identity", "gzip"):
        url = site.url + "/stream/3000/"
        answer = requests.get(url, headers={"Accept-Encoding": coding}, timeout=20)
        assert answer.text == lines


def test_static_files(site: Server, data: Path) -> None:
    with requests.Session() as session:
        for name in ("admin/css/base.css", "admin/img/search.svg"):
            answer = session.get(f"{site.url}/static/{name}")
            assert answer.content == (data / "static" / name).read_bytes()
            since = {"If-Modified-Since": answer.headers["Last-Modified"]}
            assert session.get(f"{site.url}/static/{name}", headers=since).status_code == 304


def test_errors(site: Server) -> None:
    site.tracebacks_expected = True
    with requests.Session() as session:
        assert session.get(site.url + "/nowhere/").status_code == 404
        assert session.get(site.url + "/notes", allow_redirects=False).status_code == 301
        assert session.get(site.url + "/fail/").status_code == 500
        assert session.get(site.url + "/visits/", headers={"Host": "evil"}).status_code == 400
    site.await_log("RuntimeError: on purpose")
