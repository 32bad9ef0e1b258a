"""What a failed build means: one line with the stage, the likely cause and what to do, from the engine's output."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

HEADERS = {
    "libpq-fe.h": "libpq-dev", "pg_config.h": "libpq-dev", "mysql.h": "default-libmysqlclient-dev",
    "ffi.h": "libffi-dev", "openssl/": "libssl-dev", "libxml/": "libxml2-dev", "libxslt/": "libxslt1-dev",
    "xmlsec/": "libxmlsec1-dev", "lber.h": "libldap2-dev", "ldap.h": "libldap2-dev", "sasl.h": "libsasl2-dev",
    "sasl/": "libsasl2-dev", "jpeglib.h": "libjpeg-dev", "zlib.h": "zlib1g-dev", "sqlite3.h": "libsqlite3-dev",
    "sql.h": "unixodbc-dev", "gdal.h": "libgdal-dev", "geos_c.h": "libgeos-dev", "cairo.h": "libcairo2-dev",
    "curl/": "libcurl4-openssl-dev", "snappy": "libsnappy-dev", "yaml.h": "libyaml-dev", "magic.h": "libmagic-dev",
    "bzlib.h": "libbz2-dev", "lzma.h": "liblzma-dev", "uuid/": "uuid-dev", "krb5.h": "libkrb5-dev",
    "gssapi": "libkrb5-dev", "pcap.h": "libpcap-dev", "event.h": "libevent-dev", "gmp.h": "libgmp-dev",
}  # fmt: skip
"""Debian packages by how the path of a header begins that they have."""
STAGES = {
    "dependencies": "the dependencies can't be installed",
    "wheel": "nodrop's wheel can't be built",
    "installed": "nodrop can't be installed with the dependencies",
    "runtime": "the Debian packages can't be installed",
    "debian-node": "Node can't be installed",
    "frontend": "the frontend can't be built",
    "source-npm": "the application's files can't be copied",
    "source-none": "the application's files can't be copied",
    "application": "the application can't be added to the image",
}
"""What has failed, by the stage of the Dockerfile. The last stage has a name of the engine's."""
NETWORK = (
    r"Temporary failure (?:in name resolution|resolving)|Could not resolve|Name or service not known|EAI_AGAIN"
    r"|ENOTFOUND|NewConnectionError|ConnectTimeoutError|Connection (?:refused|timed out)|Network is unreachable"
)


@dataclass(frozen=True)
class Rule:
    """What a line of output means. said: with the groups of the pattern by their numbers."""

    pattern: str
    said: str
    stages: tuple[str, ...] = ()
    """In which it counts; all if empty."""


PIP = ("dependencies", "wheel", "installed", "application")
RULES = (
    Rule(r"no space left on device", "the disk is full. Free some space: docker builder prune, docker image prune"),
    Rule(
        r"fatal error: (\S+\.h(?:pp)?): No such file",
        "the header {0} is missing. Set {header} in flask-app.toml",
        PIP,
    ),
    Rule(r"pg_config executable not found", 'libpq is missing. Set apt-build = ["libpq-dev"] in flask-app.toml', PIP),
    Rule(
        r"mysql_config(?: --version)?: not found|Can not find valid pkg-config name|mysqlclient.*was not found",
        'MySQL\'s client library is missing. Set apt-build = ["default-libmysqlclient-dev"] in flask-app.toml',
        PIP,
    ),
    Rule(
        r"[Pp]ackage '?([\w.+-]+)'?,? (?:was )?not found|No package '([\w.+-]+)' found",
        "the library {0} is missing. Set apt-build in flask-app.toml to the Debian package that has {0}.pc",
        PIP,
    ),
    Rule(
        r"can't find Rust compiler|[Cc]argo, the Rust package manager, is not installed|rustc.*not found",
        'a package is written in Rust. Set apt-build = ["cargo"] in flask-app.toml, or pin one that has a wheel',
        PIP,
    ),
    Rule(
        r"command '(\w*(?:gcc|g\+\+|cc))' failed: No such file",
        "the repository's own extension modules need a compiler, which only the dependencies can use. Publish them as "
        "a separate package",
        ("application",),
    ),
    Rule(
        r"ImpImporter|No module named 'distutils'|No module named 'imp'|use_2to3",
        "{package} was written for an older Python. Pin a newer version of it, or set an older Python, such as "
        'python = "3.11", in flask-app.toml',
        PIP,
    ),
    Rule(
        r"requires a different Python: ([\d.]+) not in '([^']+)'",
        "a package needs Python {1}, but the image has {0}. Set `python` in flask-app.toml to a version that fits",
        PIP,
    ),
    Rule(
        r"THESE PACKAGES DO NOT MATCH THE HASHES|Expected sha256",
        "a package doesn't match its hash in the lock. If its index has replaced it, lock again",
        PIP,
    ),
    Rule(
        r"(?:HTTP error|Client Error|status code|returned error:|E)\D{0,3}\b(40[13])\b|User for \S+:"
        r"|could not read (?:Username|Password)",
        "a package index or git denies access. Put the credentials into ~/.netrc, or into the URL in PIP_INDEX_URL",
    ),
    Rule(
        NETWORK,
        "an address can't be reached: {line}. Check the network, or set your own index or mirror with PIP_INDEX_URL "
        "(npm: ~/.npmrc)",
    ),
    Rule(
        r"No matching distribution found for (\S+)",
        "no package index has {0} for this Python. Correct its version, set `python` in flask-app.toml to a version "
        "that it supports, or add its index with PIP_EXTRA_INDEX_URL",
        PIP,
    ),
    Rule(
        r"Failed building wheel for ([\w.-]+)|Failed to build '?([\w.-]+)'?",
        "building {0} failed: {line}. If a library is missing, set apt-build in flask-app.toml to its Debian package; "
        "otherwise pin a version of {0} that has a wheel",
        ("dependencies",),
    ),
    Rule(
        r"Unable to locate package (\S+)|Package '?(\S+?)'? has no installation candidate",
        "Debian has no package {0}. Correct apt or apt-build in flask-app.toml",
    ),
    Rule(
        r"Missing script: \"?build",
        "its package.json has no script `build`. Add one, or set assets = false in flask-app.toml",
        ("frontend",),
    ),
    Rule(
        r"npm ci.* can only install packages when your package\.json and",
        "package-lock.json doesn't match package.json. Run npm install and commit package-lock.json",
        ("frontend",),
    ),
    Rule(
        r"Unsupported engine|EBADENGINE|requires? Node|SyntaxError: Unexpected token",
        "the frontend needs another version of Node. Choose an image with NODE_IMAGE=node:<version>-slim",
        ("frontend",),
    ),
    Rule(
        r"KeyError: '([A-Z][A-Z0-9_]+)'",
        "the step `{step}` reads the environment variable {0}, which isn't set while the image is built. Set "
        'build = ["{0}=unused {step}"] in flask-app.toml',
        ("application",),
    ),
    Rule(
        r"(?:sh: \d+: |command not found: )?([\w.-]+): not found",
        "the step `{step}` runs the command {0}, which isn't in the image. Correct build in flask-app.toml, or add "
        "the package that has it to the requirements",
        ("application",),
    ),
)


def explain(log: Sequence[str]) -> str:
    """The one line for a failed build. log: the lines of `docker build --progress plain`."""
    failed = next((matched for line in log if (matched := re.match(r"#(\d+) ERROR: (.*)", line))), None)
    if not failed:
        return f"The image can't be built: {_engine(log)}"
    number, error = failed.groups()
    own = [line for line in log if line.startswith(f"#{number} ") and not line.startswith(f"#{number} ERROR: ")]
    title = own[0].removeprefix(f"#{number} ")
    image = re.search(r"load metadata for (\S+)", title)
    if image:
        return _no_image(image[1], error)
    stage = title.partition("[")[2].partition(" ")[0]
    output = [re.sub(rf"^#{number} (?:\d+\.\d+ ?)?", "", line) for line in own[1:]]
    return f"{_capital(STAGES.get(stage, f'stage {stage} of the Dockerfile failed'))}: {_cause(stage, output, error)}"


def _cause(stage: str, output: Sequence[str], error: str) -> str:
    for rule in RULES:
        if rule.stages and stage not in rule.stages:
            continue
        # The last one: what was tried before it was made good.
        for line in reversed(output):
            if matched := re.search(rule.pattern, line):
                return _filled(rule, matched, output, line)
    if stage == "application" and (step := _step(output)):
        return f"the step `{step}` failed, see its output above. Correct build in flask-app.toml"
    said = next((line.strip() for line in reversed(output) if re.search("error|ERROR", line)), error)
    return f"{said}. The engine's output above has the details"


def _filled(rule: Rule, matched: re.Match[str], output: Sequence[str], line: str) -> str:
    groups = [each for each in matched.groups() if each]
    return rule.said.format(
        *groups, header=_header(groups[0] if groups else ""), line=line.strip()[:200], step=_step(output),
        package=_package(output),
    )  # fmt: skip


def _header(path: str) -> str:
    package = next((package for start, package in HEADERS.items() if path.startswith(start)), "")
    if package:
        return f'apt-build = ["{package}"]'
    return f"apt-build with the Debian package that has {path} (packages.debian.org finds it)"


def _package(output: Sequence[str]) -> str:
    """The package that pip was collecting or building last."""
    names = re.findall(
        r"(?m)^\s*(?:Collecting|Building wheel for|Processing) ([\w.-]+(?:==[\w.]+)?)", "\n".join(output)
    )
    return names[-1] if names else "a package"


def _step(output: Sequence[str]) -> str:
    """The build step that ran last, as the shell has shown it."""
    return next((line.removeprefix("+ ") for line in reversed(output) if line.startswith("+ ")), "")


def _no_image(image: str, error: str) -> str:
    name = image.removeprefix("docker.io/").removeprefix("library/")
    variable = "NODE_IMAGE" if "node" in name else "PYTHON_IMAGE"
    python = " If there is no image for this Python version, set `python` in flask-app.toml."
    return (
        f"The image {name} can't be pulled ({error.rpartition(': ')[2]}). Check that its registry is reachable, or set "
        f"{variable} to another image.{python if variable == 'PYTHON_IMAGE' else ''}"
    )


def _engine(log: Sequence[str]) -> str:
    """What the engine says of a build that it has not begun."""
    if any("buildx component is missing" in line for line in log):
        return "Docker has no BuildKit. Install the docker-buildx plugin"
    said = next((line for line in reversed(log) if line.startswith(("ERROR", "error"))), "")
    return said.partition(": ")[2] or (log[-1] if log else "the engine printed nothing") or "see the output above"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
