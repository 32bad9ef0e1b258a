"""`make live`: while it runs, the pods of a release serve the repository as it is being edited.

1. the release is upgraded with live_values(), so that its pods take files
2. each pod that comes gets the files that differ from its image, before its application starts
3. each change is sent to all pods, which load the application anew without losing a request
4. at the end the release is rolled back to the revision before
"""

from __future__ import annotations

import contextlib
import functools
import json
import queue
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from watchfiles import watch

from delivery.checkout import CHART
from delivery.development.cluster import Release, component, main_container, run
from delivery.development.errors import DevelopmentError
from delivery.development.live.files import Files
from delivery.development.live.link import Link, LinkLost, Outcome
from delivery.development.live.values import VOLUME, live_values, revision_before
from delivery.development.pods import PodWatch, is_crashing, running

HELM_SECONDS = 300
MOST_PODS = 32
"""Which are talked to at once."""
STEP_MS, DEBOUNCE_MS = 20, 300
"""A change is sent when nothing else has changed for the one, at the latest after the other: editors write more than
once."""
FIRST_MS = 500
RECENT_SECONDS = 5.0
"""A file that was written longer ago has been moved or copied, which its time does not tell."""

Say = Callable[[str], None]


class _Ended(Exception):
    """The session is to end."""


@dataclass
class Session:
    """One run of `make live`. declaring: the files that the image's packages come from. say: prints a line."""

    release: Release
    files: Files
    say: Say
    declaring: Collection[str] = ()
    _events: queue.SimpleQueue[Callable[[], None]] = field(default_factory=queue.SimpleQueue)
    """What the threads leave to the main one."""
    _pods: dict[str, dict[str, Any]] = field(default_factory=dict)
    _links: dict[str, Link] = field(default_factory=dict)
    _opened: list[Link] = field(default_factory=list)
    """All that there have been."""
    _connecting: set[tuple[str, str]] = field(default_factory=set)
    """Pods and ids of their sidecars that a connection was tried to."""
    _now: dict[str, str] = field(default_factory=dict)
    _gone: set[str] = field(default_factory=set)
    """Files that were there since the session began, and are not any more."""
    _is_over: threading.Event = field(default_factory=threading.Event)
    _executor: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(MOST_PODS))

    def run(self) -> None:
        """Serve edits until KeyboardInterrupt, and go back. Raises DevelopmentError where that can't be begun."""
        began, values = self.release.revision(), self.release.values()
        if not values["management"]["enabled"]:
            raise DevelopmentError(f"{self.release.name} isn't served by nodrop, so `make live` can't reload it")
        before = revision_before(values) or began
        added = live_values(self.release.values(before), before)
        self._now = self.files.now()
        pods = PodWatch(self.release, lambda pod, is_gone: self._events.put(lambda: self._pod(pod, is_gone)))
        threading.Thread(target=self._watch_files, daemon=True).start()
        try:
            self._upgrade(added)
            self.say(f"edit the files in {self.files.folder}: the pods serve each change immediately, until Ctrl-C")
            with contextlib.suppress(_Ended):
                while True:
                    self._events.get()()
        finally:
            self._is_over.set()
            pods.close()
            for link in list(self._opened):
                link.end()
            self._executor.shutdown(cancel_futures=True)
            for link in self._opened:
                link.close()
            # Not where helm has refused to change anything.
            if self.release.revision() != began or began != before:
                self._go_back(before)

    def end(self) -> None:
        """Have run(), in another thread, go back and return."""

        def end() -> None:
            raise _Ended

        self._events.put(end)

    # --- The release -------------------------------------------------------------------------------------------------

    def _upgrade(self, added: dict[str, Any]) -> None:
        """Have the release's pods take files, and bring up to date those that come meanwhile."""
        self.say(f"preparing the pods of {self.release.name}")
        # In a session of its own, so that Ctrl-C does not reach it, which has it end here.
        with subprocess.Popen(
            self.release.helm(
                "upgrade", self.release.name, str(CHART), "--reset-then-reuse-values", "--values", "-",
                "--wait", "--timeout", f"{HELM_SECONDS}s",
            ),
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True,
        ) as helm:  # fmt: skip
            assert helm.stdin
            assert helm.stderr
            helm.stdin.write(json.dumps(added))
            helm.stdin.close()
            try:
                while helm.poll() is None:
                    with contextlib.suppress(queue.Empty):
                        self._events.get(timeout=0.1)()
            except BaseException:
                helm.send_signal(signal.SIGINT)
                raise
            if helm.returncode:
                raise DevelopmentError(f"the pods can't be prepared: {helm.stderr.read().strip()}")

    def _go_back(self, revision: int) -> None:
        command = ("rollback", self.release.name, str(revision), "--wait", "--timeout", f"{HELM_SECONDS}s")
        self.say(f"rolling back {self.release.name}: make up deploys your edits")
        try:
            run(self.release.helm(*command), seconds=HELM_SECONDS + 30)
        except (DevelopmentError, KeyboardInterrupt) as error:
            why = str(error) or "interrupted"
            self.say(
                f"the rollback didn't finish ({why}); finish it with: helm {' '.join(self.release.helm(*command)[1:])}"
            )

    # --- The pods ----------------------------------------------------------------------------------------------------

    def _pod(self, pod: dict[str, Any], is_gone: bool) -> None:
        """A pod has come, changed or gone."""
        name = pod["metadata"]["name"]
        if is_gone:
            self._pods.pop(name, None)
            if link := self._links.pop(name, None):
                link.end()
            return
        self._pods[name] = pod
        sidecar = running(pod, VOLUME)
        if sidecar and not pod["metadata"].get("deletionTimestamp") and (name, sidecar) not in self._connecting:
            self._connecting.add((name, sidecar))
            self._executor.submit(self._connect, name)

    def _connect(self, name: str) -> None:
        """In a thread: connect to a pod, and bring it up to date."""
        link = Link(self.release, name)
        self._opened.append(link)
        if self._is_over.is_set():
            link.end()
        try:
            link.connect()
            outcome = link.bring_to(self._now, self._gone, self.files)
        except LinkLost as error:
            why = str(error)
            self._events.put(lambda: self.say(f"{name} can't be reached: {why}"))
            return

        def connected() -> None:
            self._links[name] = link
            # With what was changed meanwhile.
            outcomes = [outcome, *self._bring([name]).values()]
            if files := {file: None for each in outcomes for file in (*each.changed, *each.deleted)}:
                self.say(f"{name} received {_some(list(files))}")
            if outcomes[-1].error:
                self._tell_failure(name)

        self._events.put(connected)

    def _bring(self, names: Iterable[str]) -> dict[str, Outcome]:
        """Bring these pods up to date, all at once; what came of it, where there was something to do."""

        def bring(name: str) -> tuple[str, Outcome | LinkLost]:
            try:
                return name, self._links[name].bring_to(self._now, self._gone, self.files)
            except LinkLost as error:
                return name, error

        outcomes = {}
        for name, outcome in self._executor.map(bring, list(names)):
            if isinstance(outcome, LinkLost):
                self._links.pop(name)
                # If it runs, it is connected to again with the next that is told of it.
                self._connecting = {each for each in self._connecting if each[0] != name}
            elif outcome.changed or outcome.deleted:
                outcomes[name] = outcome
        return outcomes

    # --- The files ---------------------------------------------------------------------------------------------------

    def _watch_files(self) -> None:
        """In a thread: tell of changes."""
        is_first = True
        for changes in watch(
            self.files.folder, step=STEP_MS, debounce=DEBOUNCE_MS, stop_event=self._is_over, raise_interrupt=False,
            ignore_permission_denied=True, rust_timeout=FIRST_MS, yield_on_timeout=True,
        ):  # fmt: skip
            # The first time also without: for what changed before anybody watched.
            if changes or is_first:
                self._events.put(functools.partial(self._changed, time.time()))
            is_first = False

    def _changed(self, noticed: float) -> None:
        """Files have changed, though perhaps none of the image's."""
        before, self._now = self._now, self.files.now()
        self._gone = (self._gone | before.keys()) - self._now.keys()
        changed = [name for name in {**before, **self._now} if before.get(name) != self._now.get(name)]
        if not changed:
            return
        began = self._saved(changed, noticed)
        outcomes = self._bring(self._links)
        self._tell(changed, outcomes, time.time() - began)
        for name in changed:
            if self.files.path(name).relative_to(self.files.folder).as_posix() in self.declaring:
                self.say(
                    f"{name} has changed: the pods keep the packages of their image until make up builds a new one"
                )

    def _saved(self, changed: list[str], noticed: float) -> float:
        """When the files were saved."""
        times = [path.lstat().st_mtime for name in changed if (path := self.files.path(name)).exists()]
        latest = max(times, default=noticed)
        return latest if noticed - RECENT_SECONDS < latest <= noticed else noticed

    def _tell(self, changed: list[str], outcomes: dict[str, Outcome], seconds: float) -> None:
        failed = [name for name, outcome in outcomes.items() if outcome.error]
        if not failed:
            served = len(outcomes)
            self.say(f"{_some(changed)}: in {served} pod{'' if served == 1 else 's'} after {seconds:.1f} s")
        for name, outcome in outcomes.items():
            if outcome.reloaded.startswith("worker,"):
                self.say(f"{name} restarts its worker {outcome.reloaded.removeprefix('worker, ')}")
            # One that waits to be started again, with what was wrong, would wait for minutes.
            if not outcome.reloaded and not outcome.error and is_crashing(self._pods.get(name, {"status": {}})):
                self._executor.submit(run, self.release.kubectl("delete", "pod", name, "--wait=false"))
        if failed:
            self.say(f"{_some(changed)} can't be loaded; the previous code keeps serving")
            self._tell_failure(failed[0])

    def _tell_failure(self, name: str) -> None:
        """Say why a pod can't load the application, as the pod itself does."""
        pod = self._pods.get(name)
        if not pod or component(pod) != "server":
            return
        check = ("exec", name, "--container", main_container(pod), "--", "nodrop", "check", "--app")
        done = subprocess.run(self.release.kubectl(*check), capture_output=True, text=True, check=False, timeout=60)
        lines = [line for line in done.stderr.splitlines() if not line.startswith("command terminated")]
        self.say("\n".join(f"  {line}" for line in lines) or f"  see the log of {name}: make logs")


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
