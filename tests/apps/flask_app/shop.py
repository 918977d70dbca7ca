"""A small Flask application as people write them: forms, sessions, uploads, streams, errors."""

import hashlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from flask import (
    Flask,
    Response,
    abort,
    flash,
    get_flashed_messages,
    redirect,
    render_template_string,
    request,
    send_file,
    session,
    stream_with_context,
    url_for,
)
from flask.typing import ResponseReturnValue

app = Flask(__name__)
app.secret_key = "only for tests"
app.config["MAX_FORM_MEMORY_SIZE"] = 1 << 20
UPLOADS = Path(os.environ.get("SHOP_UPLOADS", tempfile.gettempdir()))

PAGE = """<!doctype html><title>{{ title }}</title>
{% for message in messages %}<p class=flash>{{ message }}</p>{% endfor %}
<form method=post><input name=item><button>Add</button></form>
<ul>{% for item in items %}<li>{{ item }}</li>{% endfor %}</ul>"""


@app.route("/", methods=["GET", "POST"])
def basket() -> ResponseReturnValue:
    """A basket in the session; a form adds to it, redirects and flashes."""
    if request.method == "POST":
        session["items"] = [*session.get("items", []), request.form["item"]]
        flash(f"added {request.form['item']}")
        return redirect(url_for("basket"))
    messages = get_flashed_messages()
    return render_template_string(
        PAGE, title="Shop", items=session.get("items", []), messages=messages
    )


@app.post("/upload")
def upload() -> ResponseReturnValue:
    """Stores files and says what came."""
    received = {}
    for name, file in request.files.items():
        path = UPLOADS / Path(file.filename or "unnamed").name
        file.save(path)
        received[name] = {
            "filename": file.filename,
            "type": file.content_type,
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        }
    return {"files": received, "fields": request.form.to_dict()}


@app.get("/download/<name>")
def download(name: str) -> ResponseReturnValue:
    """A stored file, with ranges and conditions."""
    return send_file(UPLOADS / name, conditional=True)


@app.get("/count/<int:number>")
def count(number: int) -> ResponseReturnValue:
    """A stream that needs the request until its end."""

    def lines() -> Iterator[str]:
        for line in range(number):
            yield f"{request.path} {line}\n"

    return Response(stream_with_context(lines()), mimetype="text/plain")


@app.route("/echo/<path:rest>", methods=["GET", "PUT"])
def echo(rest: str) -> ResponseReturnValue:
    """What the framework makes of the request."""
    return {
        "path": rest,
        "args": request.args.to_dict(flat=False),
        "json": request.get_json(silent=True),
        "url": request.url,
        "remote": request.remote_addr,
        "cookies": request.cookies,
    }


@app.get("/fail")
def fail() -> ResponseReturnValue:
    """An error that Flask handles."""
    raise RuntimeError("on purpose")


@app.get("/missing")
def missing() -> ResponseReturnValue:
    """A status by abort."""
    abort(404)
