"""Variables that a folder of secrets never sets, since they decide what code runs and whom it serves.

Whoever can write to a Secret could otherwise choose the libraries that are loaded (LD_PRELOAD), the modules that are
imported (PYTHONPATH) or the commands that the application starts (PATH). Such a file stops the start instead of being
left out: the pods of before go on serving, and nobody has to find out later why a variable is not set.

Names that people give to secrets of their own, such as ENV, USER and PWD, are not among them: in a container nothing
is run by them.
"""

from __future__ import annotations

PREFIXES = (
    # The loader of programs, of C's library and of macOS; OpenSSL's modules.
    "LD_", "DYLD_", "GLIBC_", "MALLOC_", "OPENSSL_",
    # Interpreters.
    "PYTHON", "PERL5", "RUBY", "BASH",
    # The server.
    "GUNICORN_", "NODROP_",
)  # fmt: skip

NAMES = frozenset(
    {
        # The C library: where it looks for code, names of hosts and temporary files.
        "GCONV_PATH", "HOSTALIASES", "LOCALDOMAIN", "LOCPATH", "NIS_PATH", "NLSPATH", "RESOLV_HOST_CONF", "RES_OPTIONS",
        "TMPDIR", "TEMP", "TMP", "TZDIR",
        # Shells, and what they start.
        "CDPATH", "EDITOR", "GLOBIGNORE", "HOME", "IFS", "PAGER", "PATH", "PS4", "SHELL", "SHELLOPTS", "VISUAL",
        # Interpreters.
        "CLASSPATH", "COVERAGE_PROCESS_CONFIG", "COVERAGE_PROCESS_START", "JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS",
        "LUA_CPATH", "LUA_INIT", "LUA_PATH", "NODE_OPTIONS", "NODE_PATH", "PHPRC", "PHP_INI_SCAN_DIR", "VIRTUAL_ENV",
        "_JAVA_OPTIONS",
        # The server: what it is told by others than its settings, and this folder's own name.
        "FORWARDED_ALLOW_IPS", "LISTEN_FDNAMES", "LISTEN_FDS", "LISTEN_PID", "NOTIFY_SOCKET",
        "PROMETHEUS_MULTIPROC_DIR", "SCRIPT_NAME", "SECRETS_DIR", "SERVER_SOFTWARE", "prometheus_multiproc_dir",
    }
)  # fmt: skip


def is_reserved(name: str) -> bool:
    """Whether the variable is one of the loader's, an interpreter's, a shell's or the server's."""
    return name in NAMES or name.startswith(PREFIXES)
