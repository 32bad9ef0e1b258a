"""Variables that a folder of secrets never sets, since they decide what code runs, whom it trusts and whom it serves.

Whoever can write to a Secret could otherwise choose the libraries that are loaded (LD_PRELOAD), the modules that are
imported (PYTHONPATH), the commands that the application starts (PATH), or through whom it reaches other services and by
which certificates it knows them (HTTPS_PROXY, SSL_CERT_FILE). Such a file stops the start instead of being left out:
the pods of before go on serving, and nobody has to find out later why a variable is not set. The settings that are no
secrets are refused in the same way, where they are read (nodrop/config/sources.py).

Names that people give to secrets of their own, such as ENV, USER, PWD and GIT_TOKEN, are not among them: in a container
nothing is run by them.
"""

from __future__ import annotations

PREFIXES = (
    # The loader of programs, of C's library and of macOS; OpenSSL's modules.
    "LD_", "DYLD_", "GLIBC_", "MALLOC_", "OPENSSL_",
    # Interpreters.
    "PYTHON", "PERL5", "RUBY", "BASH",
    # git, which can be told commands in its configuration.
    "GIT_CONFIG", "GIT_SSH", "GIT_SSL_",
    # The server, its debugger, and the modules that OpenTelemetry loads.
    "GUNICORN_", "NODROP_", "OTEL_PYTHON_", "WERKZEUG_",
)  # fmt: skip

NAMES = frozenset(
    {
        # The C library: where it looks for code, names of hosts and temporary files.
        "GCONV_PATH", "HOSTALIASES", "LOCALDOMAIN", "LOCPATH", "NIS_PATH", "NLSPATH", "RESOLV_HOST_CONF", "RES_OPTIONS",
        "TMPDIR", "TEMP", "TMP", "TZDIR",
        # Shells, and what they start.
        "CDPATH", "EDITOR", "GLOBIGNORE", "HOME", "IFS", "PAGER", "PATH", "PROMPT_COMMAND", "PS4", "SHELL", "SHELLOPTS",
        "VISUAL",
        # What git and ssh start.
        "GIT_ASKPASS", "GIT_EDITOR", "GIT_EXEC_PATH", "GIT_EXTERNAL_DIFF", "GIT_PAGER", "GIT_PROXY_COMMAND",
        "GIT_SEQUENCE_EDITOR", "GIT_TEMPLATE_DIR", "SSH_ASKPASS", "SUDO_ASKPASS",
        # The certificates that other services are known by, and who gets the keys of what is said to them.
        "AWS_CA_BUNDLE", "CURL_CA_BUNDLE", "CURL_HOME", "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", "NODE_EXTRA_CA_CERTS",
        "NODE_TLS_REJECT_UNAUTHORIZED", "REQUESTS_CA_BUNDLE", "SSLKEYLOGFILE", "SSL_CERT_DIR", "SSL_CERT_FILE",
        # Interpreters.
        "CLASSPATH", "COVERAGE_PROCESS_CONFIG", "COVERAGE_PROCESS_START", "JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS",
        "LUA_CPATH", "LUA_INIT", "LUA_PATH", "NODE_OPTIONS", "NODE_PATH", "PHPRC", "PHP_INI_SCAN_DIR", "VIRTUAL_ENV",
        "_JAVA_OPTIONS",
        # The server: what it is told by others than its settings, and this folder's own name.
        "FLASK_APP", "FLASK_DEBUG", "FLASK_ENV_FILE", "FORWARDED_ALLOW_IPS", "LISTEN_FDNAMES", "LISTEN_FDS",
        "LISTEN_PID", "NOTIFY_SOCKET", "PROMETHEUS_MULTIPROC_DIR", "SCRIPT_NAME", "SECRETS_DIR", "SERVER_SOFTWARE",
        "prometheus_multiproc_dir",
    }
)  # fmt: skip

IN_ANY_CASE = frozenset({"ALL_PROXY", "FTP_PROXY", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY"})
"""The proxies that clients of other services go through: programs read them in upper, lower and mixed case."""


def is_reserved(name: str) -> bool:
    """Whether the variable is one of the loader's, an interpreter's, a shell's, a network client's or the server's."""
    return name in NAMES or name.startswith(PREFIXES) or name.upper() in IN_ANY_CASE
