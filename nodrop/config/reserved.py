"""Variables that a folder of secrets never sets, since they decide what code runs and whom it serves.

Whoever can write to a Secret could otherwise choose the libraries that are loaded (LD_PRELOAD), the modules that are
imported (PYTHONPATH) or the commands that the application starts (PATH). Such a file stops the start instead of being
left out: the pods of before go on serving, and nobody has to find out later why a variable is not set.
"""

from __future__ import annotations

PREFIXES = (
    # The loader of programs, of C's library and of macOS.
    "LD_", "DYLD_", "GLIBC_", "MALLOC_", "OPENSSL_",
    # Interpreters.
    "PYTHON", "PERL5", "RUBY", "NODE_", "BASH", "LUA_", "PHP", "JAVA_",
    # The server.
    "GUNICORN_", "NODROP_", "LISTEN_",
)  # fmt: skip

NAMES = frozenset(
    {
        # The C library: where it looks for code, names of hosts and temporary files.
        "GCONV_PATH", "HOSTALIASES", "LOCALDOMAIN", "LOCPATH", "NIS_PATH", "NLSPATH", "RESOLV_HOST_CONF", "RES_OPTIONS",
        "TMPDIR", "TEMP", "TMP", "TZDIR",
        # Shells, and what they start.
        "CDPATH", "EDITOR", "ENV", "GLOBIGNORE", "HOME", "IFS", "LOGNAME", "PAGER", "PATH", "PS4", "PWD", "SHELL",
        "SHELLOPTS", "SHLVL", "USER", "VIRTUAL_ENV",
        # Interpreters.
        "CLASSPATH", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS", "COVERAGE_PROCESS_CONFIG", "COVERAGE_PROCESS_START",
        # The server: what it is told by others than its settings, and by this folder's own name.
        "FORWARDED_ALLOW_IPS", "NOTIFY_SOCKET", "PROMETHEUS_MULTIPROC_DIR", "SCRIPT_NAME", "SECRETS_DIR",
        "SERVER_SOFTWARE", "WATCHDOG_PID", "WATCHDOG_USEC", "prometheus_multiproc_dir",
    }
)  # fmt: skip


def is_reserved(name: str) -> bool:
    """Whether the variable is one of the loader's, an interpreter's, a shell's or the server's."""
    return name in NAMES or name.startswith(PREFIXES)
