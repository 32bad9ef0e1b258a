"""Where an application lies: a folder, or a git repository that is cloned into build/.

`https://host/path/shop.git@v1.2` is the tag, branch or commit v1.2 of a repository, and `#subdirectory=backend` behind
it a folder of it, as pip writes both.
"""

from __future__ import annotations

import difflib
import hashlib
import os
import re
from pathlib import Path

from delivery import git
from delivery.checkout import BUILD
from delivery.detection.description import Problem, Undecided

REPOSITORIES = BUILD / "repositories"
_ADDRESS = re.compile(r"(?:git\+)?(?P<address>(?:https?|ssh|git|file)://.+|[\w.-]+@[\w.-]+:.+)")
_HOST = re.compile(r"\w+://[^/]*|[^/:]*:")
"""What is in front of the path. The @ in it is behind a user's name."""
_SLOW = ("-c", "http.lowSpeedLimit=1000", "-c", "http.lowSpeedTime=60")
"""A server that sends less than 1000 bytes a second for 60 seconds is given up."""

REMEDIES = (
    (r"could not resolve host|unable to access|connection|timed out", "check the address and the network"),
    (r"could not read Username|authentication failed|permission denied|publickey|terminal prompts disabled",
     "check the address, and that `git ls-remote ADDRESS` works without a prompt"),
    (r"couldn't find remote ref|not our ref|no such ref", "put a branch, a tag or a full commit hash after the @"),
    (r"not found|does not exist|does not appear to be a git repository", "check the address"),
)  # fmt: skip
"""What git says, and what to do."""


def folder_of(app: str) -> Path:
    """The absolute folder that APP names. A git address is cloned, or updated if it was before.

    Raises Undecided.
    """
    if match := _ADDRESS.fullmatch(app.strip()):
        address, _, rest = match["address"].partition("#")
        return _subfolder(_cloned(address), rest)
    folder = Path(os.path.expanduser(app)).resolve()  # noqa: PTH111 - pathlib raises for a user it does not know
    if not app.strip():
        raise Undecided(Problem("APP is empty", "name a folder or a git address: APP=../shop"))
    if folder.is_file():
        raise Undecided(Problem(f"APP={app} is a file", f"name its folder: APP={Path(app).parent}"))
    if not folder.is_dir():
        raise Undecided(_missing(app, folder))
    return folder


def _missing(app: str, folder: Path) -> Problem:
    """What to say of a folder that isn't there: the nearest name beside it, or how far the path goes."""
    there = folder
    while not there.is_dir():
        there = there.parent
    name = folder.relative_to(there).parts[0]
    names = [each.name for each in sorted(there.iterdir()) if each.is_dir() and not each.name.startswith(".")]
    near = difflib.get_close_matches(name, names, n=1)
    cause = f"APP={app}: there is no folder {name} in {there}"
    if near:
        meant = os.path.relpath(there / near[0]) if not Path(app).is_absolute() else str(there / near[0])
        return Problem(cause, f"did you mean APP={meant}?")
    return Problem(cause, "name a folder or a git address: APP=../shop")


def _subfolder(clone: Path, fragment: str) -> Path:
    if not fragment:
        return clone
    key, _, path = fragment.partition("=")
    folder = (clone / path).resolve()
    if key != "subdirectory" or not folder.is_relative_to(clone) or not folder.is_dir():
        raise Undecided(
            Problem(f"#{fragment} isn't a folder of the repository", "use one of its folders: #subdirectory=backend")
        )
    return folder


def _cloned(text: str) -> Path:
    """The folder of the repository's files, at the revision that the address ends with."""
    host = _HOST.match(text)
    start = host.end() if host else 0
    path, _, revision = text[start:].rpartition("@") if "@" in text[start:] else (text[start:], "", "HEAD")
    address = text[:start] + path
    if not revision or revision.startswith("-"):
        raise Undecided(Problem(f"{revision} isn't a revision", "put a branch, a tag or a commit hash after the @"))
    name = re.sub(r"[^\w.-]+", "-", re.split(r"[/:]", address.rstrip("/"))[-1].removesuffix(".git")).strip("-.")
    digest = hashlib.sha256(f"{address}@{revision}".encode()).hexdigest()[:10]
    # The folder has the repository's own name: that of the application, or of a package that it is.
    folder = REPOSITORIES / f"{name}-{digest}" / (name or "repository")
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / ".git").exists():
        _git(folder, address, "init", "--quiet")
    # Without a login: the file stays.
    _git(folder, address, "config", "remote.origin.url", _without_credentials(address))
    _require_unchanged(folder, address)
    _git(folder, address, *_SLOW, "fetch", "--quiet", "--depth", "1", "--force", address, revision)
    _git(folder, address, "checkout", "--quiet", "--force", "--detach", "FETCH_HEAD")
    if (folder / ".gitmodules").exists():
        _git(folder, address, *_SLOW, "submodule", "--quiet", "update", "--init", "--recursive", "--depth", "1")
    return folder


def _require_unchanged(folder: Path, address: str) -> None:
    """Raise Undecided if somebody edited a file of the clone, which an update would undo."""
    changed = _git(folder, address, "status", "--porcelain", "--untracked-files=no").splitlines()
    if changed:
        raise Undecided(
            Problem(
                f"{folder} has edits ({changed[0][3:]}) that an update would overwrite",
                f"set APP={folder} to use it as it is, or delete the folder",
            )
        )


def _git(folder: Path, address: str, *arguments: str) -> str:
    """Run git there without questions. Raises Undecided with what it says, in a line."""
    variables = {"GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
    variables["GIT_SSH_COMMAND"] = os.environ.get("GIT_SSH_COMMAND", "ssh -o BatchMode=yes")
    try:
        done = git.run(folder, *arguments, variables=variables, network=True)
    except FileNotFoundError as error:
        raise Undecided(Problem("git isn't installed", "install git, or use a local folder")) from error
    if done.returncode:
        stderr = done.stderr.decode(errors="replace")
        said = _without_credentials(_line(stderr))
        remedy = next((each for text, each in REMEDIES if re.search(text, stderr, re.IGNORECASE)), "")
        raise Undecided(
            Problem(f"git can't fetch {_without_credentials(address)}: {said}", remedy or "check the address")
        )
    return done.stdout.decode(errors="replace")


def _line(said: str) -> str:
    """The line in which git tells the cause."""
    lines = [each.strip() for each in said.splitlines() if each.strip()]
    telling = [each for each in lines if re.match(r"(fatal|error|remote): ", each)]
    return re.sub(r"^(fatal|error|remote): ", "", (telling or lines or ["it exited without output"])[0])


def _without_credentials(text: str) -> str:
    return re.sub(r"//[^/@\s]*@", "//", text)
