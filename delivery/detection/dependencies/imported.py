"""The packages that an application imports, where nothing declares them."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator

from delivery.detection.repository import Repository

PACKAGES = {
    "attr": "attrs",
    "bs4": "beautifulsoup4",
    "cv2": "opencv-python-headless",
    "Crypto": "pycryptodome",
    "dateutil": "python-dateutil",
    "dotenv": "python-dotenv",
    "environ": "django-environ",
    "fitz": "PyMuPDF",
    "flask_mysqldb": "Flask-MySQLdb",
    "flask_restful": "Flask-RESTful",
    "git": "GitPython",
    "google.cloud": "google-cloud-core",
    "jose": "python-jose",
    "jwt": "PyJWT",
    "ldap": "python-ldap",
    "magic": "python-magic",
    "MySQLdb": "mysqlclient",
    "nacl": "PyNaCl",
    "OpenSSL": "pyOpenSSL",
    "PIL": "Pillow",
    "psycopg2": "psycopg2-binary",
    "pkg_resources": "setuptools",
    "serial": "pyserial",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "slugify": "python-slugify",
    "telegram": "python-telegram-bot",
    "wx": "wxPython",
    "yaml": "PyYAML",
    "zmq": "pyzmq",
}
"""Modules that are not called as the package that brings them is. `_` in a module is `-` in the package."""


def third_party(repository: Repository) -> dict[str, str]:
    """The packages, each with the place of its first import: neither Python's own nor the repository's."""
    own = {part for path in repository.files for part in path.removesuffix(".py").split("/")}
    # A repository that is itself a package may import itself by its name.
    own.add(repository.folder.name)
    found: dict[str, str] = {}
    for file in repository.matching(r"(?!setup\.py$).*\.py"):
        tree = repository.parse(file)
        for module, line in _imports(tree) if tree else ():
            top = module.split(".")[0]
            if top not in own and top not in sys.stdlib_module_names and top != "__future__":
                package = PACKAGES.get(module) or PACKAGES.get(top) or re.sub("_", "-", top)
                found.setdefault(package, f"{file.path}:{line}")
    return found


def _imports(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Modules, and where: without those that may be missing, inside of `try`."""
    optional = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.Try) and any("Import" in ast.unparse(each.type) for each in node.handlers if each.type)
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if node in optional:
            continue
        if isinstance(node, ast.Import):
            yield from ((each.name, node.lineno) for each in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module, node.lineno
