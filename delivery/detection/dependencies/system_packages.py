"""Debian packages that Python packages need and do not bring: libraries they load, headers they are compiled with.

Each name is one that both Debian 12 and 13 know, under which the official images for Python are made. Wheels bring
their libraries, so most packages need nothing; here are those that are published as source alone, and those that load
a library or start a program of the system.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from delivery.detection.description import Found


@dataclass(frozen=True)
class Needs:
    """apt_build: what compiling takes, in names of Debian. apt: what running takes."""

    apt_build: tuple[str, ...] = ()
    apt: tuple[str, ...] = ()


COMPILER = ("gcc", "libc6-dev", "pkg-config")
C_PLUS_PLUS = ("g++", *COMPILER)
PANGO = ("libpango-1.0-0", "libpangoft2-1.0-0", "libharfbuzz-subset0", "fonts-dejavu-core")
OPENCV = ("libgl1", "libglib2.0-0")
POSTGRESQL = Needs((*COMPILER, "libpq-dev"), ("libpq5",))
MYSQL = Needs((*COMPILER, "default-libmysqlclient-dev"), ("libmariadb3",))
MAGIC = Needs((), ("libmagic1",))

TABLE: dict[str, Needs] = {
    # Databases.
    "flask-mysqldb": MYSQL,
    "mysqlclient": MYSQL,
    "psycopg": Needs((), ("libpq5",)),
    "psycopg-c": POSTGRESQL,
    "psycopg2": POSTGRESQL,
    "pyodbc": Needs((), ("unixodbc",)),
    "fdb": Needs((), ("libfbclient2",)),
    "pysqlcipher3": Needs((*COMPILER, "libsqlcipher-dev"), ("libsqlcipher-dev",)),
    "python-memcached-sasl": Needs((*COMPILER, "libmemcached-dev"), ("libmemcached-dev",)),
    "pylibmc": Needs((*COMPILER, "libmemcached-dev", "zlib1g-dev"), ("libmemcached-dev",)),
    # Directories and authentication.
    "gssapi": Needs((*COMPILER, "libkrb5-dev"), ("libgssapi-krb5-2",)),
    "kerberos": Needs((*COMPILER, "libkrb5-dev"), ("libgssapi-krb5-2",)),
    "krb5": Needs((*COMPILER, "libkrb5-dev"), ("libgssapi-krb5-2",)),
    "python-ldap": Needs((*COMPILER, "libldap-dev", "libsasl2-dev"), ("libldap-dev", "libsasl2-2")),
    "pysaml2": Needs((), ("xmlsec1",)),
    "python-pam": Needs((), ("libpam0g",)),
    "xmlsec": Needs((*COMPILER, "libxml2-dev", "libxmlsec1-dev"), ("libxml2", "libxmlsec1-openssl")),
    "python3-saml": Needs((*COMPILER, "libxml2-dev", "libxmlsec1-dev"), ("libxml2", "libxmlsec1-openssl")),
    "m2crypto": Needs((*COMPILER, "libssl-dev", "swig"), ()),
    # Pictures, documents, graphs.
    "cairocffi": Needs((), ("libcairo2",)),
    "cairosvg": Needs((), ("libcairo2",)),
    "flask-weasyprint": Needs((), PANGO),
    "weasyprint": Needs((), PANGO),
    "graphviz": Needs((), ("graphviz",)),
    "opencv-contrib-python": Needs((), OPENCV),
    "opencv-python": Needs((), OPENCV),
    "pdf2image": Needs((), ("poppler-utils",)),
    "pdftotext": Needs((*C_PLUS_PLUS, "libpoppler-cpp-dev"), ("libpoppler-cpp-dev",)),
    "pydot": Needs((), ("graphviz",)),
    "pydub": Needs((), ("ffmpeg",)),
    "pygraphviz": Needs((*COMPILER, "libgraphviz-dev"), ("graphviz",)),
    "pypandoc": Needs((), ("pandoc",)),
    "pycairo": Needs((*COMPILER, "libcairo2-dev"), ("libcairo2",)),
    "pygobject": Needs((*COMPILER, "libcairo2-dev", "libgirepository1.0-dev"), ("libgirepository-1.0-1", "libcairo2")),
    "pytesseract": Needs((), ("tesseract-ocr",)),
    "pyvips": Needs((*COMPILER,), ("libvips-dev",)),
    "pyzbar": Needs((), ("libzbar-dev",)),
    "rlpycairo": Needs((*COMPILER, "libcairo2-dev"), ("libcairo2",)),
    "soundfile": Needs((), ("libsndfile1",)),
    "svglib": Needs((*COMPILER, "libcairo2-dev"), ("libcairo2",)),
    "wand": Needs((), ("libmagickwand-dev",)),
    "xhtml2pdf": Needs((*COMPILER, "libcairo2-dev"), ("libcairo2",)),
    "ffmpeg-python": Needs((), ("ffmpeg",)),
    # Text, files, hardware, the rest.
    "dbus-python": Needs((*COMPILER, "libdbus-1-dev", "libglib2.0-dev"), ("libdbus-1-3",)),
    "file-magic": MAGIC,
    "python-magic": MAGIC,
    "gdal": Needs((*C_PLUS_PLUS, "libgdal-dev"), ("libgdal-dev",)),
    "pyaudio": Needs((*COMPILER, "portaudio19-dev"), ("libportaudio2",)),
    "pycups": Needs((*COMPILER, "libcups2-dev"), ("libcups2",)),
    "pycurl": Needs((*COMPILER, "libcurl4-openssl-dev", "libssl-dev"), ("libcurl4",)),
    "pyenchant": Needs((), ("libenchant-2-2",)),
    "pyicu": Needs((*C_PLUS_PLUS, "libicu-dev"), ("libicu-dev",)),
    "pyscard": Needs((*COMPILER, "libpcsclite-dev", "swig"), ("libpcsclite1",)),
    "pyusb": Needs((), ("libusb-1.0-0",)),
    "python-gnupg": Needs((), ("gnupg",)),
    "gitpython": Needs((), ("git",)),
    "python-snappy": Needs((*C_PLUS_PLUS, "libsnappy-dev"), ("libsnappy1v5",)),
    "systemd-python": Needs((*COMPILER, "libsystemd-dev"), ("libsystemd0",)),
    "uwsgi": Needs(COMPILER, ()),
}
NEEDLESS = {
    # Another package brings what this one needs.
    "psycopg": ("psycopg-binary", "psycopg-c"),
    "psycopg2": (),
    "opencv-python": ("opencv-python-headless",),
}


def needed(names: Iterable[Found[str]]) -> tuple[tuple[Found[str], ...], tuple[Found[str], ...]]:
    """(apt, apt_build) for Python packages. names: in canonical form, with their places."""
    packages = list(names)
    present = {each.value for each in packages}
    apt: dict[str, str] = {}
    apt_build: dict[str, str] = {}
    for each in packages:
        if each.value in TABLE and not present & set(NEEDLESS.get(each.value, ())):
            place = f"{each.place} ({each.value})"
            apt |= {name: place for name in TABLE[each.value].apt if name not in apt}
            apt_build |= {name: place for name in TABLE[each.value].apt_build if name not in apt_build}
    return _found(apt), _found(apt_build)


def _found(names: dict[str, str]) -> tuple[Found[str], ...]:
    return tuple(Found(name, place) for name, place in sorted(names.items()))


def all_names() -> Iterator[str]:
    """Every Debian package that is named here."""
    yield from sorted({name for needs in TABLE.values() for name in (*needs.apt, *needs.apt_build)})
