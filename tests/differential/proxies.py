"""HAProxy and nginx as plain processes, each as its documentation shows it and as lenient as it can be made."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.gateway_process import find as find_haproxy
from tests.serving_process import free_port, until

CLIENT = "X-Client"
"""The header in which a proxy tells which client a request came from."""
SHORT = "2s"
"""How long a proxy waits for the rest of a request. All is sent at once, so that only what is not complete takes it."""


class NoProxy(Exception):
    """There is no such proxy."""


@dataclass(frozen=True)
class Logged:
    """A line of a proxy's access log. `forwarded`: the server has been asked."""

    client: str
    forwarded: bool
    status: int


@dataclass(frozen=True)
class Proxy:
    """A running proxy."""

    name: str
    port: int
    log_file: Path

    def log(self) -> list[Logged]:
        """What it has logged."""
        found = []
        for line in self.log_file.read_text(errors="replace").splitlines():
            if line.startswith("seen "):
                _, client, server, status = line.split(" ", 4)[:4]
                # HAProxy tells how long it took to connect to the server, nginx the server's status. HAProxy's name of
                # the server would not do: it may refuse what follows the head before it has connected.
                found.append(Logged(client, server not in ("-1", "-"), int(status)))
        return found


# One thread: where two log at the same moment, HAProxy drops a line.
HAPROXY = """
global
  nbthread 1
defaults
  mode http
  log stdout format raw local0
  log-format "seen %ci %Tc %ST %HM %HU"
  timeout connect 5s
  timeout client {short}
  timeout http-request {short}
  timeout http-keep-alive {short}
  timeout server 10s
  # nginx does that by itself.
  option abortonclose
  # A request may then come to the server behind those of other clients.
  http-reuse always
  {lenient}
listen corpus
  bind 127.0.0.1:{port}
  http-request set-header {client} %[src]
  server nodrop 127.0.0.1:{server}
"""

NGINX = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/nginx-error.log;
events {{ worker_connections 256; }}
http {{
  log_format seen 'seen $remote_addr $upstream_status $status $request';
  access_log {folder}/nginx-access.log seen;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  client_header_timeout {short};
  client_body_timeout {short};
  keepalive_timeout {short};
  lingering_timeout {short};
  client_max_body_size 0;
  upstream nodrop {{
    server 127.0.0.1:{server};
    keepalive 4;
  }}
  map $http_upgrade $asked {{ default upgrade; '' ''; }}
  {lenient}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://nodrop;
      proxy_http_version 1.1;
      proxy_next_upstream off;
      proxy_buffers 8 16k;
      proxy_buffer_size 16k;
      proxy_set_header Host $host;
      proxy_set_header Connection $asked;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header {client} $remote_addr;
    }}
  }}
}}
"""

LENIENT = {
    "haproxy": "option accept-invalid-http-request",
    "nginx": """
  proxy_request_buffering off;
  underscores_in_headers on;
  ignore_invalid_headers off;
  merge_slashes off;""",
}
NAMES = ["haproxy", "haproxy-lenient", "nginx", "nginx-lenient"]


def find(name: str) -> str:
    """The program of the proxy of that name. Raises NoProxy and NoHAProxy, which say what to install."""
    if name.startswith("haproxy"):
        return find_haproxy()
    found = shutil.which("nginx", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/usr/local/sbin")
    if not found:
        raise NoProxy("no nginx on PATH: install nginx 1.18 or later, on Debian apt-get install nginx-light")
    return found


def command(name: str, folder: Path, port: int, server: int) -> list[str]:
    """How to start the proxy of that name, at `port` and in front of `server`."""
    kind, _, lenient = name.partition("-")
    file = folder / f"{kind}.conf"
    file.write_text(
        {"haproxy": HAPROXY, "nginx": NGINX}[kind].format(
            folder=folder, port=port, server=server, short=SHORT, client=CLIENT,
            lenient=LENIENT[kind] if lenient else "",
        )
    )  # fmt: skip
    return [find(name), *(["-db", "-f"] if kind == "haproxy" else ["-c"]), str(file)]


@contextmanager
def running(name: str, folder: Path, server: int) -> Iterator[Proxy]:
    """The proxy of that name in front of `server`, a port of 127.0.0.1, for the `with` block."""
    port = free_port()
    arguments = command(name, folder, port, server)
    output = folder / "output.log"
    with output.open("w") as log:
        process = subprocess.Popen(arguments, cwd=folder, stdout=log, stderr=subprocess.STDOUT)
    try:
        until(f"{name} accepts connections: see {output}", lambda: _accepts(port) or process.poll() is not None)
        assert process.poll() is None, output.read_text()
        yield Proxy(name, port, folder / "nginx-access.log" if name.startswith("nginx") else output)
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except OSError:
        return False
    return True
