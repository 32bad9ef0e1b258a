"""HOOKS: a module with gunicorn's hooks, which run beside those of nodrop."""

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from nodrop.server.own_hooks import AT_THE_END, HooksError, combined, hook_names, load
from tests.serving_process import ROOT, command, environment, free_port, own_application, serving, until

APPLICATION = "import flask\napp = flask.Flask(__name__)\n@app.get('/')\ndef index(): return 'hello'\n"
EVERY_HOOK = """
import os
def said(text):
    with open(os.environ["SAID"], "a") as file:
        file.write(text + "\\n")
def on_starting(server): said(f"on_starting {len(server.LISTENERS)}")
def on_reload(server): said("on_reload")
def when_ready(server): said(f"when_ready {server.management.pid > 0}")
def pre_fork(server, worker): said("pre_fork")
def post_fork(server, worker): said(f"post_fork {worker.report.threads}")
def post_worker_init(worker): said("post_worker_init")
def worker_int(worker): said("worker_int")
def worker_abort(worker): said("worker_abort")
def worker_exit(server, worker): said(f"worker_exit {type(server).__name__}")
def child_exit(server, worker): said(f"child_exit {(worker.pid in [s.pid for s in states()])}")
def on_exit(server): said(f"on_exit {server.management.poll() is None}")
def nworkers_changed(server, new, old): said(f"nworkers_changed {old} {new}")
def pre_request(worker, req): said(f"pre_request {req.path}")
def post_request(worker, req, environ, resp): said(f"post_request {environ['nodrop.request_id'] != ''} {resp.status}")
def states():
    import pathlib
    from nodrop.health.worker_state import WorkerState
    return WorkerState(pathlib.Path(os.environ["NODROP_RUNTIME"].partition(":")[2]) / "workers").workers()
"""


def with_hooks(folder: Path, source: str, **variables: str) -> dict[str, str]:
    """The variables of a server with these hooks."""
    (folder / "my_hooks.py").write_text(source)
    said = str(folder / "said")
    return {**own_application(folder, APPLICATION), "HOOKS": "my_hooks", "SAID": said, **variables}


@pytest.mark.parametrize("server_kind", ["nodrop", "gthread"])
def test_each_hook_is_called_where_gunicorn_calls_it_beside_ours(tmp_path: Path, server_kind: str) -> None:
    said = tmp_path / "said"
    with serving(tmp_path, **with_hooks(tmp_path, EVERY_HOOK, SERVER=server_kind)) as server:
        # Those of the startup's request.
        expected = [
            "nworkers_changed None 1", "on_starting 1", "when_ready True", "pre_fork", "post_fork 8",
            "post_worker_init", "pre_request /", "post_request True 200 OK",
        ]  # fmt: skip
        until("the first request is over", lambda: said.read_text().splitlines() == expected)
        assert server.get("/").status == 200
        until("the second is", lambda: len(said.read_text().splitlines()) == len(expected) + 2)
        assert server.stop() == 0
    ended = said.read_text().splitlines()[len(expected) + 2 :]
    # The state of a worker that is gone can't be seen any more; the management process still answers.
    assert ended == ["worker_exit Arbiter", "child_exit False", "on_exit True"]


@pytest.mark.parametrize("server_kind", ["nodrop", "gthread"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT])
def test_a_stop_without_grace_calls_the_hooks_that_gunicorn_calls_then(
    tmp_path: Path, server_kind: str, number: int
) -> None:
    said = tmp_path / "said"
    with serving(tmp_path, **with_hooks(tmp_path, EVERY_HOOK, SERVER=server_kind)) as server:
        until("the first request is over", lambda: "post_request" in said.read_text())
        server.process.send_signal(number)
        assert server.process.wait(10) == 0
    ended = said.read_text().partition("post_request")[2].splitlines()[1:]
    assert ended == ["worker_int", "worker_exit Arbiter", "child_exit False", "on_exit True"]


@pytest.mark.parametrize("server_kind", ["nodrop", "gthread"])
def test_a_worker_that_is_aborted_calls_the_hook_for_it(tmp_path: Path, server_kind: str) -> None:
    said = tmp_path / "said"
    with serving(tmp_path, **with_hooks(tmp_path, EVERY_HOOK, SERVER=server_kind)) as server:
        until("the first request is over", lambda: "post_request" in said.read_text())
        os.kill(server.workers()[0], signal.SIGABRT)
        until("it is gone", lambda: "child_exit" in said.read_text())
        ended = said.read_text().partition("post_request")[2].splitlines()[1:4]
    assert ended == ["worker_abort", "worker_exit Arbiter", "child_exit False"]


@pytest.mark.alone
@pytest.mark.parametrize(
    ("body", "line"),
    [
        ("import time; time.sleep(60)", "a hook has not returned within 1.5 s at a stop without grace, and is cut off"),
        ("raise SystemExit(3)", "Exception in the hook worker_int"),
    ],
)
def test_a_hook_that_hangs_or_fails_does_not_keep_a_stop_without_grace(tmp_path: Path, body: str, line: str) -> None:
    source = f"def worker_int(worker): {body}\n"
    with serving(tmp_path, **with_hooks(tmp_path, source)) as server:
        began = time.monotonic()
        server.process.send_signal(signal.SIGQUIT)
        assert server.process.wait(10) == 0
        assert time.monotonic() - began < 5
        assert [entry["message"] for entry in server.log()].count(line) == 1


def test_a_reload_calls_the_hook_for_it(tmp_path: Path) -> None:
    with serving(tmp_path, **with_hooks(tmp_path, EVERY_HOOK)) as server:
        server.process.send_signal(signal.SIGHUP)
        until("it is called", lambda: "on_reload" in (tmp_path / "said").read_text())


def test_post_request_may_take_fewer_arguments_as_under_gunicorn(tmp_path: Path) -> None:
    source = "import os\ndef post_request(worker, req): open(os.environ['SAID'], 'a').write(req.path)\n"
    with serving(tmp_path, **with_hooks(tmp_path, source)) as server:
        server.get("/some")
        until("it is called", lambda: "/some" in (tmp_path / "said").read_text())


def test_an_error_in_a_hook_of_a_request_is_logged_and_answered_as_under_gunicorn(tmp_path: Path) -> None:
    source = """
def pre_request(worker, req):
    if req.path == "/before": raise RuntimeError("before")
def post_request(worker, req):
    if req.path == "/after": raise RuntimeError("after")
"""
    errors = ("RuntimeError: before", "RuntimeError: after")
    with serving(tmp_path, **with_hooks(tmp_path, source)) as server:
        assert server.get("/before").status == 500
        assert server.get("/after").status == 404
        until("both are logged", lambda: all(each in server.log_file.read_text() for each in errors))
        assert server.get("/").status == 200


def test_hooks_are_found_in_a_folder_of_pythonpath_on_the_command_line(tmp_path: Path) -> None:
    libraries = tmp_path / "libraries"
    libraries.mkdir()
    (libraries / "far_hooks.py").write_text("def on_starting(server): server.log.info('hello from afar')\n")
    variables = {**own_application(tmp_path, APPLICATION), "HOOKS": "far_hooks"}
    with serving(tmp_path, GUNICORN_CMD_ARGS=f"--pythonpath {libraries}", **variables) as server:
        assert any(entry["message"] == "hello from afar" for entry in server.log())


@pytest.mark.parametrize(
    ("source", "line"),
    [
        (None, "HOOKS=my_hooks can't be loaded: there is no module 'my_hooks' in "),
        ("1 / 0", "HOOKS=my_hooks can't be imported: ZeroDivisionError: division by zero"),
        (
            "x = 1",
            "HOOKS=my_hooks has no hook: name its functions after gunicorn's, such as on_starting, on_reload, "
            "when_ready, pre_fork, post_fork",
        ),
        (
            "def post_frok(server, worker): pass",
            "HOOKS=my_hooks has a function post_frok, which is no hook: is post_fork meant?",
        ),
        ("def post_fork(worker): pass", "HOOKS=my_hooks: post_fork must be a function of server, worker"),
        ("on_exit = 7", "HOOKS=my_hooks: on_exit must be a function of server"),
    ],
)  # fmt: skip
def test_a_module_that_will_not_do_is_refused_in_one_line(tmp_path: Path, source: str | None, line: str) -> None:
    if source is not None:
        (tmp_path / "my_hooks.py").write_text(f"{source}\n")
    variables = {**own_application(tmp_path, APPLICATION), "HOOKS": "my_hooks", "PORT": str(free_port())}
    for words in (command(), [command()[0], "-m", "nodrop", "check", "--app"]):
        refused = subprocess.run(
            words, env=environment(**variables), capture_output=True, text=True, timeout=20, check=False
        )
        assert refused.returncode == 1
        assert refused.stderr.startswith(line)
        assert refused.stderr.count("\n") == 1


def test_what_is_no_module_name_is_refused() -> None:
    refused = subprocess.run(
        command(), env=environment(HOOKS="hooks.py:post_fork"), cwd=ROOT, capture_output=True, text=True, timeout=20,
        check=False,
    )  # fmt: skip
    assert refused.returncode == 1
    assert refused.stderr == (
        "HOOKS='hooks.py:post_fork' can't be accepted: set it to the dotted name of a module, such as shop.hooks\n"
    )


# --- The functions --------------------------------------------------------------------------------------------------


def test_ours_runs_first_and_last() -> None:
    calls: list[str] = []

    def hook(text: str) -> Any:
        return lambda *_: calls.append(text)

    ours = {name: hook("ours") for name in ("post_fork", "worker_exit")}
    both = combined(ours, {name: hook("theirs") for name in hook_names()})
    both["post_fork"](None, None)
    assert calls == ["ours", "theirs"]
    both["worker_exit"](None, None)
    assert calls == ["ours", "theirs", "theirs", "ours"]
    assert set(both) == set(hook_names())


def test_ours_runs_at_the_end_whatever_theirs_raises() -> None:
    calls: list[str] = []

    def theirs(*_: object) -> None:
        raise RuntimeError("theirs")

    both = combined({"on_exit": lambda *_: calls.append("ours")}, {"on_exit": theirs})
    with pytest.raises(RuntimeError, match="theirs"):
        both["on_exit"](None)
    assert calls == ["ours"]


def test_without_a_module_there_are_no_hooks() -> None:
    assert load("") == {}
    assert set(hook_names()) >= AT_THE_END
    with pytest.raises(HooksError):
        load("nowhere.at.all")
