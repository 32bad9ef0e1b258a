"""Requirement files, as pip reads them: `-r`, `-c`, `-e`, hashes, continued lines, options.

Left out, with a note, is what other machines leave in them, and what no image can install: paths of conda and of
Windows, and a package that Ubuntu invents.
"""

from __future__ import annotations

import codecs
import os
import re
import shlex
from collections.abc import Iterator
from pathlib import PurePosixPath

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from delivery.detection.dependencies.declarations import Declarations, Line
from delivery.detection.description import Problem, Undecided
from delivery.detection.reading import read_bytes
from delivery.detection.repository import Repository

RESOLVERS = {
    "-i": "--index-url",
    "--pypi-url": "--index-url",
    "--index-url": "--index-url",
    "--extra-index-url": "--extra-index-url",
    "-f": "--find-links",
    "--find-links": "--find-links",
    "--no-binary": "--no-binary",
    "--only-binary": "--only-binary",
    "--no-index": "--no-index",
    "--pre": "--pre",
}
"""Options that the resolver takes, in their long form. Others concern how pip itself works."""
FLAGS = {"--no-index", "--pre", "--prefer-binary", "--require-hashes"}
WINDOWS = {"pywin32", "pypiwin32", "pywinpty", "wincertstore", "pywin32-postinstall", "windows-curses", "pyreadline"}
"""Packages that exist for Windows alone. A file written by `pip freeze` there names them without a marker."""
INVENTED = {("pkg-resources", "==0.0.0"), ("pkg_resources", "==0.0.0")}
"""What `pip freeze` of old Debian and Ubuntu lists, and no index has."""
# Possessive, so that a long line takes no more time than its length.
_NAMED = r"(?:[\w.-]++\s*+(?:\[[^\]]*+\]\s*+)?+@\s*+)?"
_ADDRESS = re.compile(_NAMED + r"((?:git|hg|svn|bzr)\+\S+|https?://\S+)")
_REFERENCE = re.compile(_NAMED + r"file:(?://(?:localhost)?)?(.+)$")
BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


def read(repository: Repository, name: str, seen: frozenset[str] = frozenset()) -> Declarations:
    """What a requirement file declares, with all the files that it includes. name: relative to the repository.

    Raises Undecided for a file that is not there, and for a line that can't be read.
    """
    found = Declarations(files=[name])
    for number, text in _logical_lines(_content(repository, name)):
        place = f"{name}:{number}"
        if text.startswith("-"):
            _take_option(repository, found, text, place, seen | {name})
        else:
            _take_requirement(repository, found, text, place)
    return found


def _content(repository: Repository, name: str) -> str:
    """PowerShell writes UTF-16. Raises Undecided; for a file of somebody else's, without a word of what is in it."""
    if not repository.has(repository.folder / name):
        raise Undecided(
            Problem(f"{name} is outside of the repository", f"Copy {name} into the repository, and refer to the copy")
        )
    try:
        data = read_bytes(repository.folder / name)
    except OSError as error:
        raise Undecided(
            Problem(f"{name} can't be read: {error.strerror}", f"Add {name}, or remove what refers to it")
        ) from None
    encoding = next((encoding for mark, encoding in BOMS if data.startswith(mark)), "utf-8")
    return data.decode(encoding, errors="replace")


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Without comments, with continued lines put together; the number is that of the first."""
    whole, first = "", 0
    for number, line in enumerate(text.splitlines(), 1):
        first = first or number
        stripped = re.sub(r"(^|\s)#.*$", "", line)
        whole += stripped.removesuffix("\\")
        if line.rstrip().endswith("\\") and stripped == line:
            continue
        if whole.strip():
            yield first, whole.strip()
        whole, first = "", 0
    if whole.strip():
        yield first, whole.strip()


def _take_option(repository: Repository, found: Declarations, text: str, place: str, seen: frozenset[str]) -> None:
    match = re.match(r"(--?[a-z][a-z-]*)(?:\s*=\s*|\s+)?(.*)$", text)
    option, value = (match[1], match[2].strip()) if match else (text, "")
    if option.startswith("-") and not option.startswith("--") and len(option) > 2:
        option, value = option[:2], option[2:] + value
    if option in ("-r", "--requirement", "-c", "--constraint"):
        included = os.path.normpath(str(PurePosixPath(place).parent / value.strip("'\"")))
        if included in seen:
            return
        inner = read(repository, included, seen)
        if option in ("-c", "--constraint"):
            inner.constraints, inner.requirements = [*inner.constraints, *inner.requirements], []
        found.add(inner)
    elif option in ("-e", "--editable"):
        _take_requirement(repository, found, value, place)
    elif option in RESOLVERS:
        found.options.append(f"{RESOLVERS[option]} {value}".strip())


def _take_requirement(repository: Repository, found: Declarations, text: str, place: str) -> None:
    hashes = tuple(re.findall(r"--hash[=\s]\s*(\S+)", text))
    bare = re.split(r"\s--?[a-z]", text)[0].strip()
    bare = shlex.split(bare)[0] if bare[:1] in ("'", '"') else bare
    address = _ADDRESS.match(bare)
    if address:
        # HEAD is what is taken anyway, and uv knows no such reference.
        named = re.sub(r"@HEAD(?=#|$|\s)", "", _with_name(bare, address[1]))
        found.requirements.append(Line(named, place, hashes=hashes))
        return
    path = _local_path(bare)
    if path is not None:
        _take_local(repository, found, path, bare, place)
        return
    try:
        requirement = Requirement(bare)
    except InvalidRequirement as error:
        reason = str(error).splitlines()[0]
        raise Undecided(
            Problem(f"{place}: {bare!r} isn't a valid requirement ({reason})", f"Correct {place}")
        ) from None
    name = canonicalize_name(requirement.name)
    if (requirement.name, str(requirement.specifier)) in INVENTED:
        found.notes.append(f"{place} is skipped: {bare} is an artifact of Ubuntu's pip and isn't on PyPI.")
    elif name in WINDOWS and requirement.marker is None:
        found.notes.append(f"{place} is skipped: {name} is Windows-only.")
    else:
        found.requirements.append(Line(bare, place, hashes=hashes))


def _with_name(text: str, address: str) -> str:
    """An address as PEP 508 writes it, where it tells the name the old way: `git+https://host/shop#egg=shop`."""
    egg = re.search(r"[#&]egg=([\w.-]+)(\[[^\]]*\])?", address)
    if not egg or "@" in text.partition("://")[0]:
        return text
    rest = re.sub(r"egg=[^&;\s]+&?", "", address).rstrip("#&")
    marker = text.partition(address)[2].strip()
    return f"{egg[1]}{egg[2] or ''} @ {rest}{' ' + marker if marker else ''}"


def _local_path(text: str) -> str | None:
    """The path that a line names; None if it names none."""
    plain = text.partition(";")[0].rstrip()
    reference = _REFERENCE.match(plain)
    if reference:
        return reference[1].split("#")[0]
    if plain.startswith((".", "/", "~")) or re.search(r"^[\w.-]*/|\.(whl|zip|tar\.gz)$", plain):
        return plain
    return plain if re.match(r"[A-Za-z]:\\", plain) else None


def _take_local(repository: Repository, found: Declarations, path: str, text: str, place: str) -> None:
    match = re.match(r"(.*?)(\[[\w,\s.-]+\])?$", path.strip("'\""))
    bare, extras = (match[1], match[2] or "") if match else (path, "")
    file = PurePosixPath(place.partition(":")[0])
    # pip takes the paths of `.` and `./lib` from the folder where it is run, which is the repository's.
    tried = [repository.folder / bare, repository.folder / file.parent / bare]
    existing = next((each for each in tried if each.exists()), None)
    if existing is not None:
        found.requirements.append(Line(extras, place, local=os.path.relpath(existing, repository.folder)))
        return
    named = re.match(r"([\w.-]+(?:\s*\[[^\]]*\])?)\s*@", text)
    if not named:
        raise Undecided(
            Problem(
                f"{place} refers to {bare}, which doesn't exist", f"Add {bare} to the repository, or remove the line"
            )
        )
    spelled = "[-_.]".join(re.escape(part) for part in re.split(r"[-_.]", named[1]))
    archive = re.search(rf"/{spelled}-(\d[\w.]*?)-[^/]*\.whl$", bare, re.IGNORECASE)
    pinned = f"{named[1]}=={archive[1]}" if archive else named[1]
    if canonicalize_name(named[1]) in WINDOWS:
        found.notes.append(f"{place} is skipped: {named[1]} is Windows-only.")
        return
    found.notes.append(
        f"{place} refers to a path on another machine: {pinned} is installed from the package index instead."
    )
    found.requirements.append(Line(pinned, place))
