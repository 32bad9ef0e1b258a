"""No canary in any line: secrets are planted wherever a request, an application or an operator may put one, and none is
in anything that the server's processes write."""

import base64
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.log_lines import find
from tests.raw import exchange
from tests.serving_process import ROOT, Server, environment, free_port, request, serving, until
from tests.test_tracing import attributes, collecting

pytestmark = pytest.mark.long

# Letters and digits, no two alike, and nothing of a token's length.
CANARIES = (f"c4n{number:03}ry" for number in range(1, 10_000))
END = b"\r\nConnection: close\r\n\r\n"


class Planted:
    """The canaries that were handed out."""

    def __init__(self) -> None:
        self.all: list[str] = []

    def __call__(self) -> str:
        """A new one."""
        self.all.append(next(CANARIES))
        return self.all[-1]

    def must_not_be_in(self, text: str) -> None:
        """None is there, as it is or in Base64."""
        for canary in self.all:
            at = text.find(canary)
            assert at < 0, f"{canary}: {text[max(0, at - 300) : at + 100]}"
            assert base64.b64encode(f"me:{canary}".encode()).decode() not in text


@pytest.fixture(scope="module", params=["json", "plain"])
def leaky(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """tests/leaky.py, with each format of the log."""
    folder = tmp_path_factory.mktemp("leaky")
    with serving(folder, WSGI_APP="tests.leaky:app", LOG_FORMAT=request.param, LOG_LEVEL="debug") as server:
        yield server


def written(server: Server, path: str) -> str:
    """All that was written, once this last request is logged."""
    server.get(path)
    until("it is logged", lambda: f"GET {path} 404" in server.log_file.read_text())
    return server.log_file.read_text()


def credentials(planted: Planted) -> dict[str, str]:
    """Headers that carry secrets."""
    basic = base64.b64encode(f"me:{planted()}".encode()).decode()
    return {
        "Authorization": f"Basic {basic}",
        "Proxy-Authorization": f"Bearer {planted()}",
        "Cookie": f"session={planted()}; theme=dark; remember_token={planted()}; other={planted()}-{planted()}x",
        "X-Api-Key": planted(),
        "X-Auth-Token": planted(),
        "Referer": f"https://u:{planted()}@elsewhere/reset/password/{planted()}?t={planted()}#x={planted()}",
        "User-Agent": f"bot (+https://bot.example/?key={planted()})",
    }


def targets(planted: Planted) -> list[str]:
    """Targets with secrets in them."""
    names = ["ticket", "totp", "user[pw]", "api-key", "%70assword", "%2570assword", "%252570assword", "x", "t", "q"]
    queries = [f"{name}={planted()}" for name in names]
    queries += [
        f'q={{"password":"{planted()}"}}',
        "q=" + quote(json.dumps({"ticket": planted()})),
        "q=" + quote(quote(json.dumps({"pw": [planted()]}))),
        f"next={quote(f'/login?t={planted()}')}", f"a=b;{planted()}", planted(), f"{planted()}=1", f"page={planted()}",
    ]  # fmt: skip
    return [
        *(f"/everything?{query}&page=2" for query in queries),
        *(
            f"/in/a;jsessionid={planted()}",
            f"/everything%3Fpw%3D{planted()}",
            f"/in/pw={planted()}",
            f"/in/{planted()}",
        ),
        *(f"/reset/password/{planted()}", f"/confirm/{planted()}/done", f"/x/eyJhbGciOiJ9.eyJ{planted()}.{planted()}"),
        *(f"/x/550e8400-e29b-41d4-a716-446655440000-{planted()}", f"/x/aZ3kfmQ9xTr7{planted()}LpW2vBn8"),
        f"/everything?{'a' * 1330}=1&pw={planted()}",
    ]


def test_no_secret_of_a_request_is_in_any_line(leaky: Server) -> None:
    planted = Planted()
    for target in targets(planted):
        answer = leaky.get(target, headers=credentials(planted))
        assert answer.status in (200, 404), target
    exchange(
        leaky, f"GET http://u:{planted()}@h/everything?t={planted()}#{planted()} HTTP/1.1\r\nHost: h".encode() + END
    )
    bearer = {"Authorization": f"Bearer {planted()}-and-more"}
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    leaky.get("/everything", method="POST", headers=bearer | form, body=f"ticket={planted()}&password=x".encode())
    planted.must_not_be_in(written(leaky, "/last/request"))


def test_credentials_of_a_request_are_in_no_line_of_it_wherever_it_repeats_them(leaky: Server) -> None:
    planted = Planted()
    for number in range(12):
        secret = planted()
        carriers = [
            {"Authorization": f"Bearer {secret}"},
            {"X-Api-Key": secret},
            {"Cookie": f"theme=dark; session={secret}"},
            {"Authorization": "Basic " + base64.b64encode(f"me:{secret}".encode()).decode()},
        ]
        encoded = "".join(f"%{ord(letter):x}" for letter in secret)
        repeated = {"User-Agent": f"x {secret} {encoded}", "Referer": f"http://a/{secret}", "X-Request-ID": secret}
        for target in (f"/nowhere/{secret}", f"/x/{encoded}/{'a' * number * 200}", f"/{'y' * 1390}{secret}"):
            headers = carriers[number % 4] | repeated | {"Host": f"{secret}.example"}
            assert leaky.get(target, headers=headers).status == 404
            # Refused, and failing past Flask's own handling.
            leaky.get(target, method="POST", headers=headers | {"Content-Length": "x"})
            with contextlib.suppress(HTTPException):
                leaky.get("/half/PATH", headers=headers)
    planted.must_not_be_in(written(leaky, "/last/own"))


def test_nothing_that_was_refused_is_quoted(leaky: Server) -> None:
    planted = Planted()
    host = b"\r\nHost: x"
    for before, behind in [
        ("GET /?t=", " more HTTP/1.1"), ("GET /", " HTTP/9.9"), ("password=", "&x=y"), ('{"pw": "', '"}'), ("", ""),
        ("GET / HTTP/1.1\r\nCookie session=", ""), ("GET / HTTP/1.1\r\nAuthorization\tBearer ", ""),
        ("GET / HTTP/1.1\r\nX: a\r\n ", ""), ("GET / HTTP/1.1\r\n", " : x"), ("Authorization: Bearer ", ""),
        ("GET / HTTP/1.1\r\nX: a\0", ""), ("GET / HTTP/1.1\r\nTransfer-Encoding: ", ""), ("get-", " / HTTP/1.1"),
        ("GET / HTTP/1.1\r\nContent-Length: ", ""), ("GET / HTTP/1.1\r\nExpect: ", ""), ("GET / HTTP/", ""),
        ("GET /?" + "a" * 9000, " HTTP/1.1"), ("PROXY TCP4 ", " HTTP/1.1"),
        ("GET / HTTP/1.1\r\nX-Long: " + "a" * 40000, ""),
    ]:  # fmt: skip
        exchange(leaky, before.encode() + planted().encode() + behind.encode() + host + END)
    chunked = b"POST /given HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    exchange(leaky, chunked + planted().encode() + b"\r\n")
    exchange(leaky, chunked + b"1\r\na" + planted().encode() + b"\r\n")
    text = written(leaky, "/last/refusal")
    assert text.count("Invalid request from") >= 10
    planted.must_not_be_in(text)


def test_no_secret_that_the_application_logs_beside_its_name_is_in_any_line(leaky: Server) -> None:
    planted = Planted()
    for form in ("{}", "{}/x", "{}+x@y", "é{}", "{}%20x"):
        assert leaky.get("/given", method="POST", body=form.format(planted()).encode()).status == 500
    text = written(leaky, "/last/given")
    assert text.count("no database") >= 15
    planted.must_not_be_in(text)


def secret_environment(folder: Path, planted: Planted) -> dict[str, str]:
    """Variables of every kind that has a secret in it, and files."""
    secrets = folder / "secrets"
    secrets.mkdir()
    (secrets / "DB_HOST_INTERNAL").write_text(f"{planted()}-host\n")
    (secrets / "SERVICE_ACCOUNT").write_text(json.dumps({"private_key": f"{planted()}-a", "x": 1}))
    (secrets / "PEM").write_text(f"-----BEGIN KEY-----\n{planted()}abcdef\n{planted()}ghijkl\n-----END KEY-----\n")
    (folder / "key").write_text(f"{planted()}{planted()}{planted()}{planted()}\n")
    (folder / "password").write_text(f"{planted()}-in-a-file\n")
    return {
        "SECRETS_DIR": str(secrets), "SECRET_KEY_FILE": str(folder / "key"), "SMTP_PASSWORD": f'"{planted()}"\\ é/+x',
        "SMTP_PASSWORD_FILE": str(folder / "password"), "STRIPE_KEY": f"{planted()}-key", "GH_TOKEN": f"{planted()}-t",
        "DATABASE_URL": f"postgresql://app:{planted()}%2Fx@db/shop", "SENTRY_DSN": f"https://{planted()}x@sentry/1",
        "ODBC": f"Server=db;Uid=app;Pwd={planted()}-x;", "LEAKY_CONFIG": f"{planted()}-config", "SHORT_KEY": "a",
        "OTEL_EXPORTER_OTLP_HEADERS": f"x-team=Bearer%20{planted()}",
    }  # fmt: skip


def forms(value: str) -> list[str]:
    """A value as a client or an application may write it."""
    data = value.encode()
    encoded = [base64.b64encode(before + data).decode() for before in (b"", b"a", b"ab")]
    return [value, quote(value, safe=""), quote(quote(value, safe=""), safe=""), json.dumps(value)[1:-1], *encoded]


@pytest.mark.parametrize("log_format", ["json", "plain"])
def test_known_secrets_are_in_no_line_wherever_they_stand(tmp_path: Path, log_format: str) -> None:
    planted = Planted()
    variables = secret_environment(tmp_path, planted)
    values = [variables["SMTP_PASSWORD"], *(f"{canary}" for canary in planted.all)]
    shown = {**variables, "WSGI_APP": "tests.leaky:app", "LOG_FORMAT": log_format, "LOG_QUERY": "all"}
    with serving(tmp_path, **shown) as server:
        for name in (*variables, "DB_HOST_INTERNAL", "SERVICE_ACCOUNT", "PEM"):
            assert server.get(f"/known?page={name}").status == 500
        whole = [*(tmp_path / "secrets/PEM").read_text().splitlines()[1:3], (tmp_path / "key").read_text().strip()]
        for value in [variables["SMTP_PASSWORD"], variables["STRIPE_KEY"], variables["LEAKY_CONFIG"], *whole]:
            for form in forms(value):
                safe = quote(form, safe="%=&+/")
                server.get(
                    f"/{safe}/x?plain={safe}", headers={"User-Agent": safe, "Referer": f"/{safe}", "X-Request-ID": safe}
                )
        text = written(server, "/last/known")
        server.process.send_signal(signal.SIGHUP)
        until("the workers are new", lambda: "Hang up" in server.log_file.read_text() or True)
    assert "a word" not in text
    planted.must_not_be_in(text + server.log_file.read_text())
    for value in values[:1]:
        assert base64.b64encode(value.encode()).decode().rstrip("=") not in text


def test_a_secret_that_is_rotated_is_masked_once_it_is_read_as_is_the_old_one(tmp_path: Path) -> None:
    planted = Planted()
    (tmp_path / "secrets").mkdir()
    file = tmp_path / "secrets" / "LICENCE"
    old, new = f"{planted()}-old", f"{planted()}-new"
    file.write_text(old)
    with serving(tmp_path, WSGI_APP="tests.leaky:app", SECRETS_DIR=str(file.parent)) as server:
        server.get("/known?page=LICENCE")
        file.write_text(new)
        server.process.send_signal(signal.SIGHUP)
        until("there is a new worker", lambda: len(server.workers()) == 2)
        until("it is ready", server.is_ready)
        until("the old one has ended", lambda: any("Worker exiting" in e["message"] for e in server.log()))
        server.get("/known?page=LICENCE")
        for value in (old, new):
            server.get(f"/x/{value}", headers={"User-Agent": value})
        assert find(server, lambda entry: entry.get("url") == "/x/REDACTED")
        planted.must_not_be_in(written(server, "/last/rotated"))


@pytest.mark.parametrize("log_format", ["json", "plain"])
def test_what_stalls_is_cut_off_or_fails_a_check_is_told_without_secrets(tmp_path: Path, log_format: str) -> None:
    planted = Planted()
    variables = {
        "WSGI_APP": "tests.leaky:app", "LOG_FORMAT": log_format, "GRACEFUL_TIMEOUT": "1", "STALL_TIMEOUT": "2",
        "READINESS_CHECKS": "tests.leaky:check", "READINESS_CHECK_INTERVAL": "1", "READINESS_CHECK_TIMEOUT": "1",
        "LEAKY_CHECK": f"{planted()}/x",
    }  # fmt: skip
    with serving(tmp_path, **variables) as server:
        script = (
            "import http.client, sys; c = http.client.HTTPConnection('127.0.0.1', int(sys.argv[1]));"
            "c.request('GET', sys.argv[2], headers={'Cookie': 'session=' + sys.argv[3]}); c.getresponse()"
        )
        target = f"/hang/{planted()}?seconds=30&ticket={planted()}"
        arguments = [sys.executable, "-c", script, str(server.port), target, planted()]
        with subprocess.Popen(arguments, stderr=subprocess.DEVNULL) as client:
            until("it stalls", lambda: "made no progress" in server.log_file.read_text())
            (tmp_path / "down").touch()
            until("it is not ready", lambda: not server.is_ready())
            until("the check has failed", lambda: "readiness check" in server.log_file.read_text())
            until("the management process says so", lambda: "not ready" in server.log_file.read_text())
            for path in (
                f"/readyz?t={planted()}",
                f"/metrics?name[]={planted()}",
                f"/%5B{planted()}",
                f"/{planted()}",
            ):
                request(server.management_port, path)
            children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
            for child in children:
                for grandchild in Path(f"/proc/{child}/task/{child}/children").read_text().split():
                    os.kill(int(grandchild), signal.SIGKILL)
            until("it is told", lambda: "health server died" in server.log_file.read_text())
            server.stop()
            client.wait(20)
    text = server.log_file.read_text()
    assert "cut off after" in text
    planted.must_not_be_in(text)


@pytest.mark.parametrize("how", ["exit", "fail"])
def test_an_application_that_does_not_start_and_the_check_of_it_say_why_without_secrets(
    tmp_path: Path, how: str
) -> None:
    planted = Planted()
    variables = {"WSGI_APP": "tests.leaky:app", "LEAKY_START": how, "LEAKY_CHECK": f"{planted()}/x"}
    variables |= {"PORT": str(free_port()), "MANAGEMENT_PORT": str(free_port())}
    for arguments in (["-m", "nodrop", "check", "--app"], ["-m", "gunicorn", "--config", "python:nodrop.gunicorn"]):
        done = subprocess.run(
            [sys.executable, *arguments], cwd=tmp_path, env=environment(**variables),
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode
        assert "REDACTED" in done.stdout + done.stderr
        planted.must_not_be_in(done.stdout + done.stderr)


def test_settings_that_are_refused_or_shown_have_no_secret_in_them(tmp_path: Path) -> None:
    planted = Planted()
    bad = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"ftp://u:{planted()}@host", "PORT": f"redis://:{planted()}@host"}
    good = {
        "STARTUP_PATH": f"/health?ticket={planted()}",
        "MY_PASSWORD": f"{planted()}-pw",
        "SECRET_KEY": f"{planted()}-key" * 5,
    }
    for variables in (bad, good | {"WEB_THREAD": "x"}):
        done = subprocess.run(
            [sys.executable, "-m", "nodrop", "check"], cwd=tmp_path, env=environment(**variables),
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert "STARTUP_PATH" in done.stdout or done.returncode
        planted.must_not_be_in(done.stdout + done.stderr)


def test_no_span_has_a_secret_in_it(tmp_path: Path) -> None:
    planted = Planted()
    with collecting() as collector, serving(
        tmp_path, WSGI_APP="tests.leaky:app", OTEL_EXPORTER_OTLP_ENDPOINT=collector.endpoint,
        OTEL_BSP_SCHEDULE_DELAY="20", STRIPE_KEY=f"{planted()}-key",
    ) as server:  # fmt: skip
        for target in targets(planted):
            server.get(target, headers=credentials(planted))
        server.get("/given", method="POST", body=planted().encode())
        server.get(f"/known?page=STRIPE_KEY&t={planted()}", headers={"User-Agent": planted.all[0] + "-key"})
        with pytest.raises(HTTPException):
            server.get("/half/STRIPE_KEY")
        span = collector.span("GET /half/<name>")
        assert attributes(span.events[0])["exception.type"] == "ValueError"
        until("all is there", lambda: "POST /given" in {each.name for each in collector.spans})
        planted.must_not_be_in(" ".join(map(str, collector.spans)))
        planted.must_not_be_in(written(server, "/last/span"))


def test_an_interrupt_is_printed_without_secrets(tmp_path: Path) -> None:
    planted = Planted()
    code = (
        "from nodrop.logs import output; import sys; output.configure();"
        "raise KeyboardInterrupt('postgresql://u:' + sys.argv[1] + '@host')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, planted()], cwd=tmp_path, env=environment(PYTHONPATH=str(ROOT)),
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert "KeyboardInterrupt: postgresql://REDACTED@host" in done.stderr
    planted.must_not_be_in(done.stdout + done.stderr)
