"""git, run in a folder whose configuration may be by somebody else.

A repository's own .git/config can name programs for git to run, even where it only lists files: a monitor of files,
hooks, filters, and remotes that missing objects are fetched from. None of them is run.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

SETTINGS = {
    "core.fsmonitor": "false",
    "core.hooksPath": os.devnull,
    "protocol.ext.allow": "never",
    # A folder that looks like git's own, in a repository that somebody else wrote, is none.
    "safe.bareRepository": "explicit",
}
ELSEWHERE = (
    "GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_NAMESPACE", "GIT_PREFIX", "GIT_EXTERNAL_DIFF",
)  # fmt: skip
"""Variables that a hook of git sets, which would name another repository."""
NEVER_FILTERING = {"init", "rev-parse", "ls-files", "clone", "fetch"}
"""Commands that compare no content with a working tree."""
OF_FILTERS = ("clean", "smudge", "process")


def run(
    folder: Path, *arguments: str, variables: Mapping[str, str] | None = None, network: bool = False
) -> subprocess.CompletedProcess[bytes]:
    """Run git in a folder, whatever it answers. Raises FileNotFoundError if it is not installed.

    variables: besides those of this process. network: whether it may fetch.
    """
    given = environment(network=network) | dict(variables or {})
    options = [
        option for name, value in _settings(folder, arguments, given).items() for option in ("-c", f"{name}={value}")
    ]
    return subprocess.run(
        ["git", "--no-pager", *options, *arguments], cwd=folder, env=given, capture_output=True, check=False
    )


def answer(folder: Path, *command: str) -> str:
    """What git answers about the folder; empty if it has no answer."""
    try:
        done = run(folder, *command)
    except FileNotFoundError:
        return ""
    return done.stdout.decode(errors="replace").strip() if done.returncode == 0 else ""


def environment(*, network: bool = False) -> dict[str, str]:
    """The variables for git."""
    kept = {name: value for name, value in os.environ.items() if name not in ELSEWHERE}
    kept["GIT_OPTIONAL_LOCKS"] = "0"
    # A remote's address can be a command, and objects that are missing are fetched without a question.
    return kept if network else {**kept, "GIT_ALLOW_PROTOCOL": "none", "GIT_NO_LAZY_FETCH": "1"}


def settings_in_variables() -> dict[str, str]:
    """The settings for a program that runs git itself."""
    numbered = list(enumerate(SETTINGS.items()))
    keys = {f"GIT_CONFIG_KEY_{number}": name for number, (name, _) in numbered}
    return {**keys, **{f"GIT_CONFIG_VALUE_{number}": value for number, (_, value) in numbered},
            "GIT_CONFIG_COUNT": str(len(SETTINGS))}  # fmt: skip


def _settings(folder: Path, arguments: tuple[str, ...], variables: Mapping[str, str]) -> dict[str, str]:
    """What is set on git's command line. Filters of the user's own configuration, such as that of LFS, are kept."""
    if NEVER_FILTERING.intersection(arguments) and "--modified" not in arguments:
        return SETTINGS
    options = [option for name, value in SETTINGS.items() for option in ("-c", f"{name}={value}")]
    asked = ["config", "--includes", "--show-scope", "--null", "--name-only", "--get-regexp", r"^filter\."]
    done = subprocess.run(
        ["git", *options, *asked], cwd=folder, env=variables, capture_output=True, text=True, check=False
    )
    scopes_and_names = done.stdout.split("\0")
    theirs = {
        name.rpartition(".")[0]
        for scope, name in zip(scopes_and_names[::2], scopes_and_names[1::2], strict=False)
        if scope in ("local", "worktree")
    }
    emptied = {f"{each}.{what}": "" for each in theirs for what in OF_FILTERS}
    return {**SETTINGS, **emptied, **{f"{each}.required": "false" for each in theirs}}
