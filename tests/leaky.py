"""An application that logs everything it gets, for the test that no secret is in any line.

It imports nothing of the serving layer, as no application has to.
"""

import dataclasses
import os
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import flask

app = flask.Flask(__name__)
app.config["PAYMENT_API_KEY"] = os.environ.get("LEAKY_CONFIG", "")
log = app.logger


@dataclasses.dataclass
class Login:
    """Its repr shows all."""

    user: str
    password: str


class Pair(NamedTuple):
    """A structure that JSON takes for a list."""

    user: str
    password: str


@app.route("/everything", methods=["GET", "POST"])
@app.route("/reset/password/<token>")
@app.route("/in/<secret>")
def everything(**_: str) -> str:
    """Logs the request in every way in which people do."""
    request = flask.request
    headers = dict(request.headers)
    log.info("headers %s", request.headers)
    log.info("headers %r", request.headers)
    log.info("headers %s", headers)
    log.info(f"headers {list(request.headers)}")
    log.info("environ %s", request.environ)
    log.info("environ", extra={"environ": request.environ, "headers": list(request.headers), "all": [headers]})
    log.info("request %s %s %s %r", request.method, request.url, request.full_path, request)
    log.info(f"serving {request.full_path} from {request.referrer}")
    log.info("args %s form %s cookies %s json %s", request.args, request.form, request.cookies, request.get_data())
    authorization = request.authorization
    if authorization:
        log.info("the token is " + str(authorization.token))
        log.info(f"the password is {authorization.password}", extra={"seen": [authorization.password]})
    log.warning("the cookie %s and the key %s", request.headers.get("Cookie"), request.headers.get("X-Api-Key"))
    return "logged"


@app.post("/given")
def given() -> str:
    """Logs the secret of the body in every way in which code has one."""
    secret = flask.request.get_data(as_text=True)
    log.info("login", extra={"password": secret, "user": {"api_key": secret, "tokens": [secret]}})
    log.info("%(password)s", {"password": secret})
    log.info("100%% sure of user %s with token %s and %-5s", "bob", secret, "x")
    log.info("login %s %s", Login("bob", secret), Pair("bob", secret))
    log.info("login", extra={"login": Login("bob", secret), "pair": Pair("bob", secret), "both": ("password", secret)})
    log.info('got {"password": "%s"} and password=%s', secret, secret)
    log.info("connecting to postgresql://user:%s@host/db, redis://:%s@host, host=x password=%s", secret, secret, secret)
    log.info("calling https://api.example/v1?ticket=%s&page=2", secret)
    log.info(f"curl -u me:{secret} -H 'Authorization: Bearer {secret}' https://api.example/")
    warnings.warn(f"deprecated: token={secret}", stacklevel=1)
    thread = threading.Thread(target=connect, args=(secret,), name=f"password={secret}")
    thread.start()
    thread.join()

    class Fragile:
        def __del__(self) -> None:
            connect(secret)

    Fragile()
    try:
        connect(secret)
    except ValueError:
        log.exception("caught", stack_info=True)
    connect(secret)
    return "not reached"


def connect(secret: str) -> None:
    """Fails with a cause that has a connection string."""
    try:
        raise ConnectionError(f"could not connect to postgresql://app:{secret}@db:5432/shop", {"password": secret})
    except ConnectionError as error:
        raise ValueError(f"no database: host=db password={secret}") from error


@app.get("/known")
def known() -> Any:
    """Logs what the process knows to be secret, with no word of what it is."""
    name = flask.request.args["page"]
    value = os.environ.get(name, "")
    log.info("value " + value)
    log.info("value", extra={"value": [value], value: 1})
    log.error("value %r", {"x": value.encode()})
    raise RuntimeError(value)


@app.get("/half/<name>")
def half(name: str) -> flask.Response:
    """Fails when some of the answer is sent already, past Flask's own handling."""

    def parts() -> Iterator[str]:
        yield "x"
        connect(os.environ[name])

    return flask.Response(parts())


@app.get("/hang/<token>")
def hang(token: str) -> str:
    """Makes no progress."""
    time.sleep(float(flask.request.args["seconds"]))
    return token


def check() -> None:
    """A readiness check that fails, once there is a file."""
    if Path("down").exists():
        connect(os.environ["LEAKY_CHECK"])


if os.environ.get("LEAKY_START") == "exit":
    sys.exit(f"no database: postgresql://app:{os.environ['LEAKY_CHECK']}@db/shop")
if os.environ.get("LEAKY_START") == "fail":
    connect(os.environ["LEAKY_CHECK"])
