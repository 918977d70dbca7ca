"""Pages that use what a server can get wrong: sessions, CSRF, uploads, streams, files."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.http import (
    FileResponse,
    HttpRequest,
    HttpResponse,
    JsonResponse,
    StreamingHttpResponse,
)
from django.middleware.csrf import get_token
from django.shortcuts import redirect

from .models import Note


def notes(request: HttpRequest) -> HttpResponse:
    """Lists the notes; a form with a CSRF token adds one."""
    if request.method == "POST":
        Note.objects.create(text=request.POST["text"])
        return redirect("/notes/")
    texts = list(Note.objects.order_by("id").values_list("text", flat=True))
    return JsonResponse({"token": get_token(request), "notes": texts})


def upload(request: HttpRequest) -> HttpResponse:
    """Stores a file; above Django's 2.5 MB it goes through a temporary file."""
    file = request.FILES["file"]
    assert isinstance(file, UploadedFile)
    digest = hashlib.sha256()
    Path(settings.MEDIA_ROOT).mkdir(exist_ok=True)
    with open(Path(settings.MEDIA_ROOT) / Path(str(file.name)).name, "wb") as out:
        for chunk in file.chunks():
            digest.update(chunk)
            out.write(chunk)
    return JsonResponse(
        {"name": file.name, "size": file.size, "sha256": digest.hexdigest(), **request.POST.dict()}
    )


def stream(request: HttpRequest, count: int) -> StreamingHttpResponse:
    """Lines, one after the other."""

    def lines() -> Iterator[str]:
        for line in range(count):
            yield f"line {line}\n"

    return StreamingHttpResponse(lines(), content_type="text/plain")


def file(request: HttpRequest, name: str) -> FileResponse:
    """An uploaded file; Django passes it to wsgi.file_wrapper."""
    return FileResponse(open(Path(settings.MEDIA_ROOT) / name, "rb"), as_attachment=True)


def visits(request: HttpRequest) -> HttpResponse:
    """Counts a visitor's visits in the session."""
    request.session["visits"] = request.session.get("visits", 0) + 1
    return HttpResponse(str(request.session["visits"]), content_type="text/plain")


def fail(request: HttpRequest) -> HttpResponse:
    """An error that Django handles."""
    raise RuntimeError("on purpose")
