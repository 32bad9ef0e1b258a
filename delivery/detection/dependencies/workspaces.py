"""uv workspaces: a member's siblings and its lock are outside of its folder, which alone becomes the image."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

LOCK = "uv.lock"


def workspace_of(folder: Path) -> Path | None:
    """The folder of the workspace that `folder` is a member of; None if it is in none."""
    for above in folder.resolve().parents:
        workspace = _workspace(above / "pyproject.toml")
        if workspace is not None:
            inside = folder.resolve().relative_to(above)
            members = (path for pattern in workspace.get("members", []) for path in above.glob(str(pattern)))
            excluded = {path for pattern in workspace.get("exclude", []) for path in above.glob(str(pattern))}
            return above if above / inside in set(members) - excluded else None
    return None


def remedy(folder: Path, workspace: Path, name: str) -> str:
    """How a member is deployed: as a folder of its workspace, with the packages that uv exports for it."""
    inside = folder.resolve().relative_to(workspace).as_posix()
    root = f"{inside}/src" if (folder / "src").is_dir() else inside
    file = f"requirements-{name}.txt"
    return (
        f"Deploy the workspace, APP={workspace}. Run there: uv export --package {name} --no-default-groups "
        f"--no-editable --no-emit-package {name} --output-file {file}. Write into its flask-app.toml: "
        f'name = "{name}", root = "{root}", requirements = ["{file}"]'
    )


def lock_note(folder: Path, name: str) -> str:
    """What to say of a member whose own folder has no lock; empty if its workspace has none either."""
    workspace = workspace_of(folder)
    if not workspace or not (workspace / LOCK).is_file():
        return ""
    how = remedy(folder, workspace, name)
    return f"{workspace / LOCK} is not read, so versions are chosen anew. To have those that it pins: {how}."


def _workspace(file: Path) -> dict[str, Any] | None:
    try:
        found = tomllib.loads(file.read_text(encoding="utf-8")).get("tool", {}).get("uv", {}).get("workspace")
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        return None
    return found if isinstance(found, dict) else None
