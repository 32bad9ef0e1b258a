"""The source distributions: fetched once, checked against their hash, and unpacked."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

from unearth import PackageFinder

from delivery.corpus.entries import Entry

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "flask-app-corpus"
"""Kept outside the checkout: 134 archives are 200 MB, and 1.6 GB unpacked."""


class SourceError(Exception):
    """The source can't be had; the message says why."""


def unpacked(entry: Entry) -> Path:
    """The folder of the application's source. Raises SourceError."""
    folder = CACHE / f"{entry.name}-{entry.version}-{entry.sha256[:12]}"
    if not folder.is_dir():
        archive = _fetched(entry)
        half_made = folder.with_name(f"{folder.name}.{os.getpid()}")
        shutil.rmtree(half_made, ignore_errors=True)
        half_made.mkdir(parents=True)
        try:
            if archive.suffix == ".zip":
                zipfile.ZipFile(archive).extractall(half_made)
            else:
                with tarfile.open(archive) as opened:
                    opened.extractall(half_made, filter="data")
        except (OSError, tarfile.TarError, zipfile.BadZipFile) as error:
            raise SourceError(f"{archive.name} can't be unpacked: {error}") from error
        half_made.rename(folder)
        archive.unlink()
    inner = [each for each in folder.iterdir() if each.is_dir()]
    return inner[0] if len(inner) == 1 else folder


def _fetched(entry: Entry) -> Path:
    """The archive, whose hash is right. Raises SourceError."""
    CACHE.mkdir(parents=True, exist_ok=True)
    archive = CACHE / entry.file
    if archive.is_file() and hashlib.sha256(archive.read_bytes()).hexdigest() == entry.sha256:
        return archive
    # pip's own settings name the index; without any, the finder takes the public one.
    index = os.environ.get("PIP_INDEX_URL") or _configured("global.index-url")
    finder = PackageFinder(index_urls=[index] if index else [], no_binary=[entry.name], ignore_compatibility=True)
    matches = [
        each for each in finder.find_matches(f"{entry.name}=={entry.version}", allow_prereleases=True)
        if each.link.filename == entry.file
    ]  # fmt: skip
    if not matches:
        raise SourceError(f"the index has no {entry.file}")
    response = finder.session.get(matches[0].link.normalized)
    response.raise_for_status()
    content: bytes = response.content
    if (found := hashlib.sha256(content).hexdigest()) != entry.sha256:
        raise SourceError(f"{entry.file} has the SHA-256 {found}, not {entry.sha256}")
    archive.write_bytes(content)
    return archive


def _configured(name: str) -> str:
    asked = subprocess.run(
        [sys.executable, "-m", "pip", "config", "get", name], capture_output=True, text=True, check=False
    )
    return asked.stdout.strip()
