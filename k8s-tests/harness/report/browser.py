"""A headless Chromium, driven over a pipe by the DevTools protocol: open a page, ask it things, take its picture.

The pipe needs no port and no library: messages are JSON that ends with a zero byte, on descriptors 3 and 4 of the
browser. See https://chromedevtools.github.io/devtools-protocol/.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import shutil
import signal
import tempfile
import time
from types import TracebackType
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
TIMEOUT_SECONDS = 30.0


class BrowserError(Exception):
    """There is no browser, or it did not do what it was told."""


def find() -> str:
    """The browser's program. Raises BrowserError, which says what to install."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if not found:
        raise BrowserError(
            f"no browser on PATH ({', '.join(NAMES)}): install Chromium, on Debian apt-get install chromium"
        )
    return found


class Browser:
    """A browser with one page, while the `with` block runs. `events` are those of the page so far, oldest first."""

    def __enter__(self) -> Browser:
        program = find()
        self._profile = tempfile.mkdtemp(prefix="browser-")
        command = [
            program, "--headless", "--remote-debugging-pipe", f"--user-data-dir={self._profile}", "--no-first-run",
            "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking", "--hide-scrollbars",
            "--force-color-profile=srgb",
        ]  # fmt: skip
        if os.geteuid() == 0:
            command.append("--no-sandbox")  # which Chromium refuses to do without for root
        theirs_in, ours_out = os.pipe()
        ours_in, theirs_out = os.pipe()
        # Out of the way of 3 and 4, where they go.
        high = [fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 10) for descriptor in (theirs_in, theirs_out)]
        null = os.open(os.devnull, os.O_RDWR)
        self._pid = os.posix_spawn(
            program,
            command,
            os.environ,
            file_actions=[
                (os.POSIX_SPAWN_DUP2, null, 1),
                (os.POSIX_SPAWN_DUP2, null, 2),
                (os.POSIX_SPAWN_DUP2, high[0], 3),
                (os.POSIX_SPAWN_DUP2, high[1], 4),
            ],
            setpgroup=0,
        )
        for descriptor in (theirs_in, theirs_out, *high, null):
            os.close(descriptor)
        self._in, self._out = ours_in, ours_out
        self._number, self._session = 0, ""
        self._read = b""
        self.events: list[dict[str, Any]] = []
        try:
            target = self.call("Target.createTarget", url="about:blank")["targetId"]
            self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
            for domain in ("Page", "Runtime", "Network", "Log"):
                self.call(f"{domain}.enable")
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # All of its processes: they are a group of their own.
        os.killpg(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        os.close(self._in)
        os.close(self._out)
        shutil.rmtree(self._profile, ignore_errors=True)

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol and return its result. Raises BrowserError for an error or no answer."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        data = json.dumps(message).encode() + b"\0"
        try:
            while data:
                data = data[os.write(self._out, data) :]
        except BrokenPipeError:
            raise BrowserError(f"{method}: the browser has ended") from None
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while (answer := self._receive(deadline, method)).get("id") != self._number:
            self.events.append(answer)
        if "error" in answer:
            raise BrowserError(f"{method}: {answer['error'].get('message')}")
        result: dict[str, Any] = answer["result"]
        return result

    def _receive(self, deadline: float, what: str) -> dict[str, Any]:
        while b"\0" not in self._read:
            ready, _, _ = select.select([self._in], [], [], max(0.0, deadline - time.monotonic()))
            data = os.read(self._in, 1 << 20) if ready else b""
            if not data:
                raise BrowserError(
                    f"{what}: the browser {'has ended' if ready else f'is silent for {TIMEOUT_SECONDS} s'}"
                )
            self._read += data
        message, _, self._read = self._read.partition(b"\0")
        answer: dict[str, Any] = json.loads(message)
        return answer

    def open(self, url: str) -> None:
        """Open `url` and wait until it is loaded."""
        self.events.clear()
        self.call("Page.navigate", url=url)
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while not any(event.get("method") == "Page.loadEventFired" for event in self.events):
            self.events.append(self._receive(deadline, f"loading {url}"))

    def resize(self, width: int, height: int, *, scale: float = 1) -> None:
        """Make the window so wide and high, in CSS pixels, each of `scale` pixels of the screen."""
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=False
        )

    def media(self, *, scheme: str = "light", kind: str = "screen") -> None:
        """Be of this colour scheme, `light` or `dark`, on `screen` or in `print`."""
        self.call(
            "Emulation.setEmulatedMedia", media=kind, features=[{"name": "prefers-color-scheme", "value": scheme}]
        )

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression in the page, a promise's once it is there. Raises BrowserError."""
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in result:
            raise BrowserError(json.dumps(result["exceptionDetails"]))
        return result["result"].get("value")

    def screenshot(self, selector: str = "html", *, margin: int = 0) -> bytes:
        """A PNG of the first element that `selector` finds, with a margin around it, also where it is out of view."""
        box = self.evaluate(
            f"(() => {{ const box = document.querySelector({json.dumps(selector)}).getBoundingClientRect();"
            f" return {{x: box.x + scrollX - {margin}, y: box.y + scrollY - {margin},"
            f" width: box.width + {2 * margin}, height: box.height + {2 * margin}}} }})()"
        )
        shot = self.call("Page.captureScreenshot", clip={**box, "scale": 1}, captureBeyondViewport=True)
        return base64.b64decode(shot["data"])
