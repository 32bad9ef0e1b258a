"""Applications that no one here wrote behave behind the serving layer as they do under gunicorn alone.

Each is served both ways and visited alike. The two transcripts must agree in every status, header and body, but for
what the serving layer is documented to add: the security headers an application does not set, and problem details in
place of Werkzeug's default error pages.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import itertools
import json
import re
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlencode

import pytest

from nodrop.wsgi.security_headers import ALWAYS
from tests.serving_process import ROOT, Server, environment, free_port, own_application, serving, until

# The first test waits until the applications are installed.
pytestmark = [pytest.mark.timeout(300), pytest.mark.long]

PINS = ROOT / "tests" / "applications.txt"
UPLOAD_BYTES = 50 * 1024**2


@pytest.fixture(scope="session")
def python() -> str:
    """The Python of an environment with the applications and with what the image has; kept until the pins change."""
    key = hashlib.sha256(PINS.read_bytes() + sys.version.encode()).hexdigest()[:16]
    folder = ROOT / "build" / "applications" / key
    if not (folder / "complete").exists():
        shutil.rmtree(folder.parent, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        installed = subprocess.run(
            [*pip, "--no-compile", "--require-hashes", "--requirement", str(PINS)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if installed.returncode:
            pytest.skip(f"the applications can't be installed: {installed.stderr.strip()[-500:]}")
        (folder / "complete").touch()
    return str(folder / "bin" / "python")


# --- Serving it both ways -------------------------------------------------------------------------------------------


@contextmanager
def gunicorn_alone(folder: Path, python: str, **variables: str) -> Iterator[int]:
    """WSGI_APP under gunicorn with threads and nothing of ours; the port."""
    port = free_port()
    options = ["--worker-class", "gthread", "--threads", "8", "--bind", f"127.0.0.1:{port}", "--no-control-socket"]
    with (folder / "alone.log").open("w") as log:
        process = subprocess.Popen(
            [python, "-m", "gunicorn", *options, variables["WSGI_APP"]],
            cwd=folder, env=environment(**variables), stdout=log, stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        until("it is loaded", lambda: process.poll() is not None or _is_loaded(port), timeout=40)
        assert process.poll() is None, (folder / "alone.log").read_text()
        yield port
    finally:
        process.terminate()
        process.wait(20)


def _is_loaded(port: int) -> bool:
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", "/")
        connection.getresponse().read()
    except OSError:
        return False
    finally:
        connection.close()
    return True


@dataclass
class Visit:
    """What was answered to one request."""

    request: str
    status: int
    headers: list[tuple[str, str]]
    body: bytes


@dataclass
class Visitor:
    """Sends requests as a browser would, cookies included, and keeps the answers."""

    port: int
    folder: Path
    cookies: dict[str, str] = field(default_factory=dict)
    visits: list[Visit] = field(default_factory=list)

    def send(self, request: str, body: object = None, **headers: str) -> str:
        """Send "METHOD /path" and return the body as text. A dict is sent as a form, bytes in parts as chunks."""
        method, path = request.split(" ", 1)
        # The same for both servers, so that URLs in the answers agree.
        headers = {"Host": "shop.example", "Accept": "*/*"} | {k.replace("_", "-"): v for k, v in headers.items()}
        if self.cookies:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        if isinstance(body, dict):
            body = urlencode(body).encode()
            headers.setdefault("Content-Type", "application/x-www-form-urlencoded")
        connection = HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body=body, headers=headers)  # type: ignore[arg-type]
            response = connection.getresponse()
            answer = response.read()
        finally:
            connection.close()
        for cookie in response.headers.get_all("Set-Cookie") or []:
            name, _, rest = cookie.partition("=")
            value = rest.partition(";")[0]
            self.cookies[name] = value
            if not value:
                del self.cookies[name]
        self.visits.append(Visit(request, response.status, response.getheaders(), answer))
        return answer.decode(errors="replace")

    def upload(self, request: str, fields: dict[str, str], name: str, file: Path) -> str:
        """Send a form with a file."""
        boundary = "----------------------0123456789"
        parts = [
            f'--{boundary}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'.encode()
            for key, value in fields.items()
        ]
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="{file.name}"\r\n'
        parts += [head.encode(), b"Content-Type: application/octet-stream\r\n\r\n", file.read_bytes()]
        body = b"".join([*parts, f"\r\n--{boundary}--\r\n".encode()])
        return self.send(request, body, Content_Type=f"multipart/form-data; boundary={boundary}")

    @property
    def last(self) -> Visit:
        """The newest answer."""
        return self.visits[-1]


Script = Callable[[Visitor], None]


def visit_both_ways(tmp_path: Path, python: str, script: Script, **variables: str) -> tuple[list[Visit], list[Visit]]:
    """The transcripts of the script: without us, and with. The application gets a folder of its own, DATA."""
    # None of them is to reach for the network; what they would fetch fails at once.
    variables |= {"http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}
    transcripts = []
    for ours in (False, True):
        folder = tmp_path / ("ours" if ours else "alone")
        folder.mkdir()
        (data := folder / "data").mkdir()
        paths = {"DATA": str(data), "TMPDIR": str(data), "PYTHONPATH": f"{ROOT}:{tmp_path}", "PYTHONHASHSEED": "0"}
        with (
            serving(folder, python=python, **variables, **paths)
            if ours
            else gunicorn_alone(folder, python, **variables, **paths)
        ) as server:
            visitor = Visitor(server.port if isinstance(server, Server) else server, folder)
            script(visitor)
        transcripts.append(visitor.visits)
    return transcripts[0], transcripts[1]


# --- What may differ ------------------------------------------------------------------------------------------------

ADDED = {name.lower() for name, _ in ALWAYS} | {"x-request-id", "traceparent"}
# Of the connection and the moment.
PASSING = {"server", "date", "connection", "keep-alive"}
MOMENT = re.compile(r"(?<=session=)[^;]+|\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT")
# A default error page as Werkzeug writes it.
DEFAULT_PAGE = re.compile(
    rb"<!doctype html>\n<html lang=en>\n<title>\d{3} [^<]+</title>\n<h1>[^<]+</h1>\n<p>.*</p>\n\Z", re.S
)


def comparable(visit: Visit, *, mask: str) -> tuple[int, list[tuple[str, str]], bytes]:
    """The answer without what differs from one moment to the next: signed cookies, dates, and what `mask` finds."""
    # A compressed body says when it was compressed.
    body = gzip.decompress(visit.body) if ("Content-Encoding", "gzip") in visit.headers else visit.body
    body = re.sub(mask.encode(), b"*", body) if mask else body
    headers = [
        (name.lower(), MOMENT.sub("*", value))
        for name, value in visit.headers
        if name.lower() not in PASSING and not (mask and name.lower() in ("content-length", "etag"))
    ]
    return visit.status, sorted(headers), body


def _as_the_application_set_it(header: tuple[str, str], headers: list[tuple[str, str]]) -> tuple[str, str]:
    """The session cookie without what is added to it where the application has not set it itself."""
    name, value = header
    return header if name != "set-cookie" or header in headers else (name, value.removesuffix("; SameSite=Lax"))


def assert_same(alone: list[Visit], ours: list[Visit], *, mask: str = "") -> int:
    """The number of answers that were problem details rather than a default page; all others must agree."""
    assert [visit.request for visit in alone] == [visit.request for visit in ours]
    problems = 0
    for without, with_us in zip(alone, ours, strict=True):
        status, headers, body = comparable(without, mask=mask)
        our_status, our_headers, our_body = comparable(with_us, mask=mask)
        own_names = {name for name, _ in headers}
        our_headers = [header for header in our_headers if header[0] in own_names or header[0] not in ADDED]
        our_headers = [_as_the_application_set_it(header, headers) for header in our_headers]
        assert our_status == status, without.request
        if DEFAULT_PAGE.match(without.body):
            problems += 1
            assert json.loads(our_body)["status"] == status
            about_body = {"content-type", "content-length", "vary"}
            headers = [header for header in headers if header[0] not in about_body]
            our_headers = [header for header in our_headers if header[0] not in about_body]
        else:
            assert our_body == body, without.request
        assert our_headers == headers, without.request
    return problems


# --- The applications -----------------------------------------------------------------------------------------------

HTTPBIN = [
    "GET /", "GET /html", "GET /robots.txt", "GET /deny", "GET /ip", "GET /headers", "GET /user-agent", "HEAD /get",
    "GET /get?a=1&a=2&%C3%A9=%20", "OPTIONS /get", "GET /gzip", "GET /deflate", "GET /brotli", "GET /redirect/3",
    "GET /relative-redirect/2", "GET /absolute-redirect/2", "GET /redirect-to?url=http%3A%2F%2Felsewhere.example%2F",
    "GET /stream/5", "GET /stream-bytes/5000?seed=1&chunk_size=100", "GET /bytes/100?seed=1", "GET /range/1000",
    "GET /links/3", "GET /image", "GET /image/png", "GET /image/svg", "GET /xml", "GET /json", "GET /encoding/utf8",
    "GET /base64/SGVsbG8%3D", "GET /base64/broken", "GET /cache/60", "GET /etag/abc", "GET /forms/post",
    "GET /status/204", "GET /status/304", "GET /status/400", "GET /status/401", "GET /status/418", "GET /status/500",
    "GET /response-headers?X-Frame-Options=DENY&X-Own=1", "GET /basic-auth/me/secret", "GET /bearer", "GET /delay/0.1",
    "GET /links/300/0", "GET /no/such/path", "DELETE /get", "MADEUP /get", "PUT /anything/here", "TRACE /anything",
    "GET /static/favicon.ico", "GET /status/x", "GET /%E2%98%83", "GET /anything/%2Fa%2F..%2Fb", "GET //get",
    "GET /../get",
]  # fmt: skip


def visit_httpbin(visitor: Visitor) -> None:
    """Streams, compression, redirects, authentication, conditions, ranges, methods, cookies and bodies."""
    for request in HTTPBIN:
        visitor.send(request)
    visitor.send("GET /anything", X_Twice="one", Accept_Language="de", X_Forwarded_For="6.6.6.6")
    visitor.send("GET /etag/abc", If_None_Match='"abc"')
    visitor.send("GET /etag/abc", If_Match='"other"')
    visitor.send("GET /range/1000", Range="bytes=10-19")
    visitor.send("GET /range/1000", Range="bytes=5000-")
    visitor.send("GET /basic-auth/me/secret", Authorization=f"Basic {base64.b64encode(b'me:secret').decode()}")
    visitor.send("GET /bearer", Authorization="Bearer abc")
    visitor.send("GET /get", Origin="https://elsewhere.example")
    visitor.send("GET /cookies/set/flavour/sweet")
    visitor.send("GET /cookies/set?size=large&colour=brown")
    assert json.loads(visitor.send("GET /cookies")) == {
        "cookies": {"flavour": "sweet", "size": "large", "colour": "brown"}
    }
    visitor.send("GET /cookies/delete?size=")
    assert "large" not in visitor.send("GET /cookies")
    visitor.send("POST /post", {"a": "1", "b": "ü"})
    visitor.send("POST /post", b'{"a": [1, 2]}', Content_Type="application/json")
    visitor.send("POST /post", b"\x00\xff" * 1000, Content_Type="application/octet-stream")
    visitor.send("POST /post", b"")
    visitor.send("PATCH /patch", b"broken", Content_Type="application/json")


def test_httpbin_streams_redirects_cookies_and_bodies(tmp_path: Path, python: str) -> None:
    alone, ours = visit_both_ways(tmp_path, python, visit_httpbin, WSGI_APP="httpbin:app")
    assert len(ours) > 70
    assert assert_same(alone, ours) == 5


def test_a_chunked_body_is_handed_over_with_its_length(tmp_path: Path, python: str) -> None:
    """The one difference: when it is handed over, all of it is there."""

    def visit(visitor: Visitor) -> None:
        visitor.send("PUT /put", itertools.repeat(b"x" * 1000, 300))

    alone, ours = visit_both_ways(tmp_path, python, visit, WSGI_APP="httpbin:app")
    (without,), (with_us,) = ([json.loads(visit.body) for visit in visits] for visits in (alone, ours))
    assert without["data"] == with_us["data"] == "x" * 300_000
    assert without["headers"].pop("Transfer-Encoding")
    assert with_us["headers"].pop("Content-Length") == "300000"
    assert without["headers"].keys() <= with_us["headers"].keys()


def test_a_streamed_answer_arrives_while_it_is_produced(tmp_path: Path, python: str) -> None:
    with serving(tmp_path, python=python, WSGI_APP="httpbin:app") as server:
        connection = HTTPConnection("127.0.0.1", server.port, timeout=30)
        connection.request("GET", "/drip?duration=8&numbytes=4&delay=0")
        response = connection.getresponse()
        arrivals = []
        while response.read1(1):
            arrivals.append(time.monotonic())
        connection.close()
    assert len(arrivals) == 4
    # It is produced over 6 seconds: held back until its end, everything would arrive at once.
    assert arrivals[-1] - arrivals[0] > 1
    assert arrivals[1] - arrivals[0] > 0.2


IHATEMONEY = """
SECRET_KEY = "not the default"
SESSION_COOKIE_SECURE = False
MAIL_SUPPRESS_SEND = True
import os
SQLALCHEMY_DATABASE_URI = "sqlite:///" + os.environ["DATA"] + "/money.db"
"""


def visit_ihatemoney(visitor: Visitor) -> None:
    """A browser with sessions and forms that are protected against forgery, then a client of its API."""

    def submit(request: str, page: str, fields: dict[str, str]) -> str:
        token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', visitor.send(page))
        assert token
        return visitor.send(request, {**fields, "csrf_token": token[1]})

    assert visitor.send("GET /healthcheck") == "OK"
    for request in (
        "GET /", "GET /mobile", "GET /create", "GET /dashboard", "GET /admin", "GET /favicon.ico",
        "GET /no/such/page/at",
        "GET /static/css/main.css", "GET /static/../run.py", "HEAD /", "GET /authenticate", "GET /lang/de", "GET /",
        "GET /lang/en", "DELETE /", "GET /trip/", "GET /metrics",
    ):  # fmt: skip
        visitor.send(request)
    visitor.send("POST /create", {"name": "forged", "id": "forged"})
    project = {
        "name": "Trip", "id": "trip", "password": "secret", "contact_email": "a@shop.example",
        "default_currency": "XXX",
    }  # fmt: skip
    submit("POST /create", "GET /create", project)
    assert visitor.last.status == 302, visitor.last.body
    assert "Trip" in visitor.send("GET /trip/")
    submit("POST /trip/members/add", "GET /trip/", {"name": "Anna", "weight": "1"})
    submit("POST /trip/members/add", "GET /trip/", {"name": "Bert", "weight": "2"})
    bill = {"date": "2026-01-02", "what": "café ☕", "payer": "1", "amount": "12.5", "payed_for": "1"}
    bill |= {"original_currency": "XXX", "bill_type": "Expense"}
    submit("POST /trip/add", "GET /trip/add", bill)
    assert "café ☕" in visitor.send("GET /trip/")
    for request in (
        "GET /trip/settle_bills", "GET /trip/statistics", "GET /trip/export/bills.json", "GET /trip/export/bills.csv",
        "GET /trip/export/nothing.csv", "GET /trip/edit", "GET /trip/edit/999", "GET /exit", "POST /exit",
    ):  # fmt: skip
        visitor.send(request)
    visitor.cookies.clear()
    submit("POST /authenticate?project_id=trip", "GET /authenticate?project_id=trip", {"id": "trip", "password": "x"})
    assert visitor.last.status == 200
    submit("POST /authenticate", "GET /authenticate?project_id=trip", {"id": "trip", "password": "secret"})
    assert visitor.last.status == 302

    visitor.cookies.clear()
    key = {"Authorization": f"Basic {base64.b64encode(b'trip:secret').decode()}"}
    visitor.send("POST /api/projects", {"name": "Second"})
    visitor.send("POST /api/projects", project | {"id": "second", "name": "Second"})
    for request in (
        "GET /api/projects/trip", "GET /api/projects/trip/members", "GET /api/projects/trip/bills", "GET /api/no",
        "GET /api/projects/trip/statistics", "GET /api/projects/trip/members/99", "PATCH /api/projects/trip",
        "OPTIONS /api/projects/trip", "DELETE /api/projects/trip/bills/1", "DELETE /api/projects/trip/bills/1",
    ):  # fmt: skip
        visitor.send(request)
        visitor.send(request, **key)


def test_a_money_manager_keeps_its_sessions_forms_api_headers_and_error_page(tmp_path: Path, python: str) -> None:
    (tmp_path / "settings.cfg").write_text(IHATEMONEY)
    alone, ours = visit_both_ways(
        tmp_path, python, visit_ihatemoney,
        WSGI_APP="ihatemoney.wsgi:application", IHATEMONEY_SETTINGS_FILE_PATH=str(tmp_path / "settings.cfg"),
    )  # fmt: skip
    assert len(ours) > 50
    assert_same(alone, ours, mask=r'(?<=value=")[\w.-]{60,}(?=")|(?<=/feed/)[\w.-]+')


SQLITE_WEB = """
import os, sqlite3
from sqlite_web.sqlite_web import app, initialize_app

path = os.environ["DATA"] + "/shop.db"
with sqlite3.connect(path) as database:
    database.execute("create table thing (id integer primary key, name text)")
    database.execute("insert into thing (name) values ('<b>nail</b>')")
database.close()
app.config.update(ENABLE_LOAD=True, ENABLE_FILESYSTEM=False, DB_UPLOAD_DIR=os.environ["DATA"])
app.secret_key = "known"
initialize_app([path], password="secret")
"""


def visit_sqlite_web(visitor: Visitor) -> None:
    """Log in, read, write, import, export, and upload a database of 50 MB."""
    for request in ("GET /", "GET /thing/", "GET /static/css/sqlbrowse.css", "GET /static/none.css", "GET /login/"):
        visitor.send(request)
    visitor.send("POST /login/", {"password": "wrong"})
    visitor.send("POST /login/", {"password": "secret"})
    assert visitor.last.status == 302
    for request in (
        "GET /", "GET /thing/", "GET /thing/content/", "GET /thing/content/?page=9", "GET /thing/insert/",
        "GET /nothing/", "GET /no/such/thing", "PUT /thing/", "GET /thing/row/MQ/", "GET /thing/row/broken/",
        "GET /thing/export/", "GET /thing/query/", "GET /query/", "GET /create-table/", "GET /metrics", "GET /readyz",
    ):  # fmt: skip
        visitor.send(request)
    visitor.send("POST /query/", {"sql": "select name, 1 / 0 from thing"})
    visitor.send("POST /query/", {"sql": "selekt"})
    visitor.send("POST /thing/insert/", {"name": "hammer", "chk-name": "1"})
    visitor.send("POST /thing/export/", {"export_format": "json", "columns": "name"})
    visitor.send("POST /query/", {"sql": "select 1"}, Sec_Fetch_Site="cross-site")
    assert visitor.last.status == 403
    (table := visitor.folder / "more.csv").write_text("id,name\n7,screw\n")
    visitor.upload("POST /thing/import/", {}, "file", table)
    assert "screw" in visitor.send("GET /thing/content/")
    visitor.send("GET /logout/")
    visitor.send("GET /thing/")
    visitor.send("POST /login/", {"password": "secret"})

    large = visitor.folder / "large.db"
    with sqlite3.connect(large) as database:
        database.execute("create table blob (content blob)")
        database.execute("insert into blob values (?)", (b"\xff\x00\r\n" * (UPLOAD_BYTES // 4),))
    database.close()
    visitor.upload("POST /load/", {"mode": "upload"}, "database", large)
    assert visitor.last.status == 302, visitor.last.body
    kept = visitor.folder / "data" / "large.db"
    assert hashlib.sha256(kept.read_bytes()).digest() == hashlib.sha256(large.read_bytes()).digest()
    visitor.send("GET /download/")
    assert len(visitor.last.body) > UPLOAD_BYTES


def test_a_database_browser_keeps_its_login_error_pages_imports_and_large_uploads(tmp_path: Path, python: str) -> None:
    (tmp_path / "browser.py").write_text(SQLITE_WEB)
    alone, ours = visit_both_ways(tmp_path, python, visit_sqlite_web, WSGI_APP="browser:app", MAX_BODY_BYTES="64Mi")
    assert len(ours) > 30
    folders = f"{tmp_path}/(alone|ours)"
    assert_same(
        alone, ours, mask=rf"{folders}|\d+\.?\d* ?(ms|seconds|s)\b|\d\d:\d\d(:\d\d)?|[A-Z][a-z]+ \d+, \d{{4}}[^<]*"
    )


PYPISERVER = """
import os, pathlib, pypiserver
app = pypiserver.app(
    roots=[pathlib.Path(os.environ["DATA"])], password_file=".", authenticate=[], health_endpoint="/health"
)
"""


def visit_pypiserver(visitor: Visitor) -> None:
    """Upload a package of 50 MB and fetch it again."""
    assert visitor.send("GET /health") == "Ok"
    for request in (
        "GET /",
        "GET /simple/",
        "GET /packages/",
        "GET /none",
        "POST /",
        "GET /metrics",
        "GET /simple/none/",
    ):
        visitor.send(request)
    package = visitor.folder / "parcel-1.0.tar.gz"
    content = hashlib.shake_256(b"parcel").digest(UPLOAD_BYTES)
    package.write_bytes(content)
    visitor.upload("POST /", {":action": "file_upload"}, "content", package)
    visitor.upload("POST /", {":action": "file_upload"}, "content", package)
    visitor.send("GET /simple/parcel/")
    visitor.send("GET /packages/parcel-1.0.tar.gz")
    assert visitor.last.body == content
    visitor.send("GET /packages/parcel-1.0.tar.gz", Range="bytes=100-199")
    assert visitor.last.body == content[100:200]


def test_an_application_of_another_framework_is_served_too(tmp_path: Path, python: str) -> None:
    (tmp_path / "parcels.py").write_text(PYPISERVER)
    alone, ours = visit_both_ways(tmp_path, python, visit_pypiserver, WSGI_APP="parcels:app", MAX_BODY_BYTES="64Mi")
    # Nothing is a problem: what is not Flask writes its own errors.
    assert assert_same(alone, ours) == 0


# --- Routes of the same names as ours -------------------------------------------------------------------------------

OWN_ROUTES = """
import flask, prometheus_client
app = flask.Flask(__name__)
asked = prometheus_client.Counter("shop_asked", "Requests", ["path"])

@app.get("/metrics")
def metrics():
    asked.labels("/metrics").inc()
    lines = prometheus_client.generate_latest().decode().splitlines()
    return [line for line in lines if "shop_asked_total" in line]

@app.get("/health")
@app.get("/healthz")
@app.get("/livez")
@app.get("/readyz")
@app.get("/startupz")
def health():
    return {"mine": flask.request.path}
"""


def test_routes_of_its_own_for_health_and_metrics_answer_as_before(tmp_path: Path, python: str) -> None:
    own_application(tmp_path, OWN_ROUTES)
    paths = ["/metrics", "/metrics", "/health", "/healthz", "/livez", "/readyz", "/startupz"]

    def visit(visitor: Visitor) -> None:
        for path in paths:
            visitor.send(f"GET {path}")

    alone, ours = visit_both_ways(tmp_path, python, visit, WSGI_APP="own:app")
    assert_same(alone, ours)
    assert json.loads(ours[1].body)[-1] == 'shop_asked_total{path="/metrics"} 2.0'
    assert json.loads(ours[-1].body) == {"mine": "/startupz"}
