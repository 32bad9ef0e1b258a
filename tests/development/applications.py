"""Small repositories, and the descriptions that detection would make of them."""

from __future__ import annotations

from pathlib import Path

from delivery.detection.description import Dependencies, Description, Found, Process, Served, Style, Surroundings

SHOP = """
import os, flask
app = flask.Flask(__name__)
@app.get("/")
def index(): return {"says": "one", "greeting": os.environ.get("GREETING"), "folder": os.getcwd()}
"""


def described(
    folder: Path,
    reference: str = "shop:app",
    *,
    root: str = ".",
    python: str = "3.13",
    is_package: bool = False,
    processes: tuple[Process, ...] = (),
) -> Description:
    """The description of the repository in a folder."""
    return Description(
        folder=folder,
        name=folder.name.replace("_", "-"),
        served=Found(Served(reference, root, "Flask"), "shop.py:2"),
        dependencies=Dependencies(
            Style.REQUIREMENTS, ("requirements.txt",), "requirements.txt", Found(python, "default"), is_package
        ),
        surroundings=Surroundings(processes=processes),
    )


def write(folder: Path, **files: str) -> Path:
    """Write files; `__` in a name stands for a slash, and `.py` is added where there is no dot."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        path = folder / name.replace("__", "/")
        path = path if "." in path.name else path.with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def everything_in(folder: Path) -> set[str]:
    """All files below a folder, relative to it."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}
