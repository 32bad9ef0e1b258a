"""Lock files of uv, Poetry, PDM and Pipenv, and pylock.toml: what each pins.

What of it an image needs depends on its Python and on groups. Some locks say so for each package. Others pin all
packages alike: then the pins limit what is resolved from the dependencies that the project declares.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from packaging.markers import InvalidMarker, Marker
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

from delivery.detection.dependencies.declarations import Line, environment
from delivery.detection.description import Problem, Style, Undecided
from delivery.detection.reading import LARGEST_LOCK_BYTES, from_json, from_toml, read_bytes
from delivery.detection.repository import Repository

FILES = {
    "uv.lock": Style.UV_LOCK,
    "poetry.lock": Style.POETRY_LOCK,
    "pdm.lock": Style.PDM_LOCK,
    "Pipfile.lock": Style.PIPFILE_LOCK,
    "pylock.toml": Style.PYLOCK,
}
"""In their order of authority, where a repository has several."""


@dataclass(frozen=True)
class Pin:
    """A package of a lock file."""

    name: str
    version: str
    hashes: tuple[str, ...] = ()
    marker: str = ""
    python: str = ""
    """The versions of Python that it is for."""
    address: str = ""
    """Where it is from, if from no index: git+https://...@commit."""
    local: str = ""
    """The path of its folder or archive, relative to the repository."""
    extras: str = ""

    def fits(self, python: str, extras: tuple[str, ...] = ()) -> bool:
        """It is for this Python, on Linux, and for one of the extras or none."""
        try:
            right = not self.python or f"{python}.99" in SpecifierSet(self.python.replace("||", ","))
            values = [environment(python) | {"extra": extra} for extra in ("", *extras)]
            return right and (not self.marker or any(Marker(self.marker).evaluate(each) for each in values))
        except (InvalidMarker, InvalidSpecifier):
            return True

    def line(self, place: str) -> Line:
        """As a requirement."""
        if self.local:
            return Line(self.extras, place, local=self.local)
        text = f"{self.name}{self.extras}" + (f" @ {self.address}" if self.address else f"=={self.version}")
        return Line(text, place, hashes=self.hashes)


@dataclass(frozen=True)
class Pins:
    """What a lock file pins."""

    packages: list[Pin] = field(default_factory=list)
    complete: bool = True
    """These packages are all that the image needs, and no others. Otherwise they limit what is resolved."""
    indexes: list[str] = field(default_factory=list)
    python: str = ""
    """The versions of Python that it is made for."""

    def names(self) -> set[str]:
        """In canonical form."""
        return {each.name for each in self.packages}


def read(repository: Repository, name: str, groups: tuple[str, ...] = ()) -> Pins:
    """What a lock file pins. Raises Undecided for one that can't be read.

    Without uv, the packages of uv.lock are all that it has; `images.lock` asks uv which of them are needed.
    """
    readers: dict[str, Callable[[dict[str, Any], tuple[str, ...]], Pins]] = {
        "uv.lock": _uv,
        "poetry.lock": _poetry,
        "pdm.lock": _pdm,
        "Pipfile.lock": _pipfile,
        "pylock.toml": _pylock,
    }
    text = ""
    try:
        text = read_bytes(repository.folder / name, LARGEST_LOCK_BYTES).decode()
        data = from_json(text) if name == "Pipfile.lock" else from_toml(text)
        return readers[name](data, groups)
    except OSError as error:
        raise Undecided(Problem(f"{name} can't be read: {error.strerror}", f"Correct or remove {name}")) from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        conflicted = "<<<<<<<" in text
        cause = "has merge conflict markers" if conflicted else f"can't be read: {type(error).__name__}, {error}"
        raise Undecided(Problem(f"{name} {cause}", f"Regenerate {name} with the tool that created it")) from None


def _archives(package: dict[str, Any]) -> tuple[str, ...]:
    """The hashes of uv's and pylock's packages."""
    archives = [*([package["sdist"]] if package.get("sdist") else []), *package.get("wheels", [])]
    hashes = [each["hash"] for each in archives if each.get("hash")]
    hashes += [f"{kind}:{value}" for each in archives for kind, value in each.get("hashes", {}).items()]
    return tuple(hashes)


def _git(url: str, commit: str, subdirectory: str | None = None) -> str:
    folder = f"#subdirectory={subdirectory}" if subdirectory else ""
    return f"git+{url.removeprefix('git+')}@{commit}{folder}"


def _uv(data: dict[str, Any], _groups: tuple[str, ...]) -> Pins:
    packages = []
    for each in data.get("package", []):
        source = each.get("source", {})
        if {"virtual", "editable", "directory"} & set(source):
            continue
        address = f"git+{source['git']}" if "git" in source else source.get("url", "")
        packages.append(Pin(canonicalize_name(each["name"]), each.get("version", ""), _archives(each), address=address))
    return Pins(packages, complete=False, python=data.get("requires-python", ""))


def _pylock(data: dict[str, Any], _groups: tuple[str, ...]) -> Pins:
    packages = []
    for each in data["packages"]:
        vcs, archive = each.get("vcs", {}), each.get("archive", {})
        address = _git(vcs.get("url") or vcs.get("path", ""), vcs["commit-id"], vcs.get("subdirectory")) if vcs else ""
        packages.append(
            Pin(
                canonicalize_name(each["name"]),
                each.get("version", ""),
                _archives(each),
                each.get("marker", ""),
                each.get("requires-python", ""),
                address or archive.get("url", ""),
                each.get("directory", {}).get("path", "") or archive.get("path", ""),
            )
        )
    return Pins(packages, python=data.get("requires-python", ""))


def _poetry(data: dict[str, Any], groups: tuple[str, ...]) -> Pins:
    wanted = {"main", *groups}
    tells = str(data.get("metadata", {}).get("lock-version", "1")) >= "2.1"
    old = data.get("metadata", {}).get("files", data.get("metadata", {}).get("hashes", {}))
    packages, indexes = [], []
    for each in data.get("package", []):
        source, markers = each.get("source", {}), each.get("markers", "")
        if tells and not wanted & set(each.get("groups", ["main"])):
            continue
        if isinstance(markers, dict):
            mine = [markers.get(group, "") for group in sorted(wanted) if group in each.get("groups", ())]
            markers = "" if "" in mine else " or ".join(f"({marker})" for marker in mine)
        kind, url = source.get("type"), source.get("url", "")
        if kind == "legacy":
            indexes.append(url)
        address = _git(url, source["resolved_reference"], source.get("subdirectory")) if kind == "git" else ""
        files = each.get("files") or old.get(each["name"], [])
        hashes = tuple(str(file["hash"]) if isinstance(file, dict) else f"sha256:{file}" for file in files)
        local = url if kind in ("directory", "file") else ""
        packages.append(
            Pin(
                canonicalize_name(each["name"]), each["version"], () if address or local else hashes,
                markers if tells else "", each.get("python-versions", "").replace("*", ""),
                url if kind == "url" else address, local,
            )
        )  # fmt: skip
    return Pins(packages, complete=False, indexes=sorted(set(indexes)))


def _pdm(data: dict[str, Any], groups: tuple[str, ...]) -> Pins:
    wanted = {"default", *groups}
    tells = "inherit_metadata" in data.get("metadata", {}).get("strategy", [])
    packages = []
    for each in data.get("package", []):
        if tells and not wanted & set(each.get("groups", ["default"])):
            continue
        address = each.get("url", "")
        if "git" in each:
            address = _git(each["git"], each["revision"], each.get("subdirectory"))
        hashes = tuple(file["hash"] for file in each.get("files", []) if "hash" in file)
        packages.append(
            Pin(
                canonicalize_name(each["name"]), each["version"], () if address else hashes,
                each.get("marker", "") if tells else "", each.get("requires_python", ""), address,
                each.get("path", ""),
            )
        )  # fmt: skip
    # A package with an extra is there twice: `uvicorn`, and with `extras = ["standard"]`.
    unique = {(each.name, each.version): each for each in reversed(packages)}
    return Pins(list(unique.values()), complete=tells)


def _pipfile(data: dict[str, Any], groups: tuple[str, ...]) -> Pins:
    packages: list[Pin] = []
    for section in ("default", *groups):
        packages += _pipfile_section(data.get(section, {}))
    meta = data.get("_meta", {})
    # Pipenv writes the default index under this name.
    urls = [source["url"] for source in meta.get("sources", []) if source.get("name") != "pypi"]
    return Pins(packages, indexes=urls)


def _pipfile_section(section: dict[str, Any]) -> Iterator[Pin]:
    for name, each in section.items():
        extras = f"[{','.join(each['extras'])}]" if each.get("extras") else ""
        address = each.get("file", "")
        if "git" in each:
            address = _git(each["git"], each["ref"], each.get("subdirectory"))
        hashes = () if address else tuple(each.get("hashes", ()))
        version = each.get("version", "").removeprefix("==")
        yield Pin(
            canonicalize_name(name), version, hashes, each.get("markers", ""), "", address, each.get("path", ""), extras
        )
