"""What is said when the application's code can't be imported for a reason that is known, in place of a traceback."""

import errno
import importlib.util
import os
import sys
import sysconfig
from importlib.metadata import PackageNotFoundError
from pathlib import Path

from nodrop.importing.frames import is_own, where


def explained(error: Exception, *, wanted: str = "") -> str:
    """The cause and the remedy; empty when nothing better than the error itself can be said.

    wanted: the module that a setting names, if the error came from importing it.
    """
    if isinstance(error, PackageNotFoundError):
        return _distribution(error)
    if isinstance(error, ModuleNotFoundError):
        return _module(error, wanted)
    if isinstance(error, OSError) and error.errno in (errno.EROFS, errno.EACCES) and error.filename is not None:
        return _file(error)
    return ""


def _distribution(error: PackageNotFoundError) -> str:
    return (
        f"{where(error)}, asks importlib.metadata for the distribution {error.name!r}, which is not installed in "
        f"{sys.prefix}: install the project itself, with `pip install .` in the folder of its pyproject.toml, and not "
        "its requirements alone"
    )


def _module(error: ModuleNotFoundError, wanted: str) -> str:
    missing = str(error.name)
    parent, _, leaf = missing.rpartition(".")
    if missing == wanted or wanted.startswith(f"{missing}."):
        return _not_in(parent, leaf) if parent else _named_module(missing)
    asked = f"{where(error)}, imports {missing!r}, which is not there: "
    if parent:
        return asked + _not_in(parent, leaf)
    beside = Path(where(error).rpartition(", line")[0]).parent
    if _is_module(beside, missing) and str(beside) not in sys.path:
        return asked + (
            f"{beside} has it, and is not on the path. Write `from . import {missing}`, or set PYTHONPATH={beside}"
        )
    return (
        f"{where(error)}, imports {missing!r}, which is not installed: add the package that has it to the requirements "
        "of the application, and install or lock them again"
    )


def _named_module(missing: str) -> str:
    """What to do about a module that a setting names and nobody has."""
    told = f"there is no module {missing!r} in {', '.join(map(str, _folders()))}, nor is a package with it installed: "
    for folder in (Path.cwd() / "src", *(each for each in Path.cwd().iterdir() if each.is_dir())):
        if _is_module(folder, missing):
            return told + f"{folder} has it. Install the project with `pip install .`, or set PYTHONPATH={folder}"
    return told + "start the server in the folder that has it, or name that folder with PYTHONPATH=<folder>"


def _not_in(parent: str, leaf: str) -> str:
    """Why `parent` has no module `leaf`."""
    file, folders = _places(parent)
    if leaf == "py" and file:
        return f"{file} is there, but a module is named without .py: write {parent}:app for the name app in it"
    if not folders:
        return f"{parent!r} is the file {file}, not a package" if file else f"{parent!r} is no package"
    if any(map(is_own, folders)):
        return f"there is neither {leaf}.py nor {leaf}/ in {', '.join(folders)}"
    return f"the installed package {parent} has no {leaf!r}; the code may have been written for another version of it"


def _places(name: str) -> tuple[str | None, list[str]]:
    """The file of a module, and the folders in which its own modules are, if it is a package."""
    module = sys.modules.get(name)
    if module:
        return getattr(module, "__file__", None), list(getattr(module, "__path__", ()))
    # Its import has failed, and so it has been taken out again; one in a package would be imported by this.
    spec = importlib.util.find_spec(name) if "." not in name else None
    return (spec.origin, list(spec.submodule_search_locations or ())) if spec else (None, [])


def _folders() -> list[Path]:
    """The folders that modules are looked for in, but for Python's own and the one of the installed commands."""
    found = dict.fromkeys(Path(entry).resolve() for entry in sys.path if Path(entry).is_dir())
    # Python puts the folder of a command that it is started with on the path.
    commands = Path(sysconfig.get_path("scripts")).resolve()
    return [folder for folder in found if is_own(f"{folder}/") and folder != commands] or [Path.cwd()]


def _is_module(folder: Path, name: str) -> bool:
    return (folder / f"{name}.py").is_file() or (folder / name / "__init__.py").is_file()


def _file(error: OSError) -> str:
    path = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else str(error.filename)
    asked = f"{where(error)}, wants {path!r}, which "
    if error.errno == errno.EACCES and Path(path).is_file() and not os.access(path, os.R_OK):
        return f"{asked}user {os.getuid()} may not read: make it readable to that user"
    why = "is on a read-only file system" if error.errno == errno.EROFS else f"user {os.getuid()} may not write to"
    writable = _writable()
    use = f", such as Flask(..., instance_path={writable[0] + '/instance'!r})" if writable else ""
    return (
        f"{asked}{why}. What can be written to: {', '.join(writable) or 'nothing'}. Have the application use a folder "
        f"there{use}, or mount a volume at the path that it wants: the chart's volumes and volumeMounts, for `make up` "
        f'writable = ["{_folder_of(path)}"] in flask-app.toml'
    )


def _folder_of(path: str) -> str:
    """The folder of a file, or the folder itself, relative to the working folder where it lies in it."""
    wanted = Path.cwd() / path
    # What isn't there is a file if its name has an ending.
    folder = wanted if wanted.is_dir() or not wanted.suffix else wanted.parent
    return str(folder.relative_to(Path.cwd()) if folder.is_relative_to(Path.cwd()) else folder)


def _writable() -> list[str]:
    """Folders that programs use and this one can, the one for temporary files first."""
    candidates = (os.environ.get("TMPDIR", "/tmp"), "/tmp", "/dev/shm", os.environ.get("HOME", "/"), str(Path.cwd()))
    return [folder for folder in dict.fromkeys(candidates) if os.access(folder, os.W_OK) and Path(folder).is_dir()]
