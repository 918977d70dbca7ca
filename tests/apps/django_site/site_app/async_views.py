"""What tests/e2e/test_asgi_frameworks.py asks for, in Django; to be served by ASGI."""

import asyncio
import gc
import hashlib
import json
import os
import threading
from collections.abc import AsyncIterator
from pathlib import Path

from django.http import FileResponse, HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

ROOM = Path(os.environ.get("PROBE_DIRECTORY", ""))
MEGABYTE = b"m" * 1_000_000


def note(event: str) -> None:
    """Notes in the file `events` what happens out of sight, as tests/apps/probe.py does."""
    with open(ROOM / "events", "a") as events:
        events.write(event + "\n")


async def number(request: HttpRequest, number: int) -> HttpResponse:
    return JsonResponse({"number": number, "q": request.GET["q"]})


@csrf_exempt
async def make_item(request: HttpRequest) -> HttpResponse:
    return JsonResponse({**json.loads(request.body), "resource": "a database"})


@csrf_exempt
async def form(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"name": request.POST["name"]})


@csrf_exempt
def upload(request: HttpRequest) -> HttpResponse:
    file = request.FILES["file"]
    digest = hashlib.sha256()
    for piece in file.chunks():
        digest.update(piece)
    return JsonResponse({"name": file.name, "sha256": digest.hexdigest()})


async def download(request: HttpRequest) -> HttpResponse:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(int(request.GET["megabytes"])):
            yield MEGABYTE

    return StreamingHttpResponse(pieces(), content_type="application/octet-stream")


def report(request: HttpRequest) -> HttpResponse:
    return FileResponse(open(ROOM / "report", "rb"), as_attachment=True, filename="report.bin")


two = threading.Barrier(2)


def thread(request: HttpRequest) -> HttpResponse:
    """Blocks until it is called in a second thread too."""
    two.wait(20)
    there = threading.current_thread() is not threading.main_thread()
    return JsonResponse({"dependency": "met in a thread" if there else ""})


def collect_often(times: int) -> None:
    """Run the collector twice a second.

    Where ``send()`` fails before Django hears of the disconnect, its tasks and the exception hold
    each other, and with them the generator: nothing else ends it.
    """
    gc.collect()
    if times > 0:
        asyncio.get_running_loop().call_later(0.5, collect_often, times - 1)


async def events(request: HttpRequest) -> HttpResponse:
    collect_often(40)

    async def numbers() -> AsyncIterator[str]:
        try:
            for number in range(10_000):
                yield f"data: {number}\n\n"
                await asyncio.sleep(0.01)
        except (asyncio.CancelledError, GeneratorExit):  # the latter where send() has failed first
            note("left")
            raise

    return StreamingHttpResponse(numbers(), content_type="text/event-stream")


async def fail(request: HttpRequest) -> HttpResponse:
    raise RuntimeError("as the test wants it")


urlpatterns = [
    path("number/<int:number>", number),
    path("items", make_item),
    path("form", form),
    path("upload", upload),
    path("download", download),
    path("report", report),
    path("thread", thread),
    path("events", events),
    path("fail", fail),
]
