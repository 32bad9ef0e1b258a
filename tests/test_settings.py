"""Settings: what is accepted, where it comes from, and what is said about what is not accepted."""

import base64
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import generated
import settings_docs
from nodrop.config.schema import Declaration, Effective
from nodrop.config.settings import ServingSettings
from nodrop.config.sources import MAX_FILE_BYTES, Environment, SettingsError
from nodrop.config.types import MAKE_KEY, is_guessable
from tests.serving_process import ROOT, command, environment, serving, until

KEY = "hush-" + "0123456789abcdef" + "-hush-hush!"
"""A key that is long enough, and no longer."""


def problems(variables: dict[str, str]) -> list[str]:
    """What ServingSettings says is wrong with the variables."""
    with pytest.raises(SettingsError) as error:
        ServingSettings.from_environment(variables)
    return error.value.problems


def problem(variables: dict[str, str]) -> str:
    """The one thing that is wrong with the variables."""
    (found,) = problems(variables)
    return found


def accepted(variables: dict[str, str]) -> ServingSettings:
    return ServingSettings.from_environment(variables)


# --- Values ---------------------------------------------------------------------------------------------------------


def test_the_defaults_serve_the_example_on_port_5000() -> None:
    settings = accepted({})
    assert (settings.wsgi_app, settings.port, settings.workers) == ("", 5000, 1)


def test_every_variable_is_read() -> None:
    """Each setting, given a value that is not its default, differs in that value alone."""
    variables = {
        "WSGI_APP": "shop.web:create()", "PORT": "80", "MANAGEMENT_PORT": "81", "WEB_CONCURRENCY": "2",
        "WEB_THREADS": "3", "BIND_ADDRESS": "127.0.0.1", "SERVER": "gthread", "MAX_REQUESTS": "12",
        "MAX_REQUESTS_JITTER": "13", "HOOKS": "shop.hooks", "GRACEFUL_TIMEOUT": "4", "KEEP_ALIVE": "5",
        "LOG_LEVEL": "WARNING", "ACCESS_LOG": "Off",
        "LOG_FORMAT": "JSON", "LOG_QUERY": "Off", "LOG_QUERY_NAMES": "q, user[id]",
        "MAX_CONNECTIONS": "11", "READ_TIMEOUT": "6", "WRITE_TIMEOUT": "7", "MIN_UPLOAD_RATE": "2Ki",
        "MAX_HEADER_BYTES": "8Ki", "MAX_BODY_BYTES": "9", "BODY_BUFFER_BYTES": "64MiB", "STALL_TIMEOUT": "31",
        "STARTUP_PATH": "/health?a=b", "READINESS_CHECKS": "shop.checks:database, shop.checks:queue",
        "STARTUP_TIMEOUT": "61", "READINESS_CHECK_INTERVAL": "12", "READINESS_CHECK_TIMEOUT": "1",
        "TRUSTED_PROXIES": "2", "FORWARDED_HEADERS": "for", "URL_PREFIX": "/shop", "URL_PREFIX_STRIPPED": "1",
        "ALLOWED_HOSTS": "shop.example", "SECURITY_HEADERS": "no", "HSTS_SECONDS": "60", "PROBLEM_DETAILS": "0",
        "MAX_STREAMS": "10", "QUEUE_TIMEOUT": "20", "PEER_SERVICE": "shop-peers",
            "METRICS_BUCKETS": "0.1, 1,2.5e1", "SECRET_KEY": KEY, "SECRETS_DIR": "/",
    }  # fmt: skip
    declared = {each.variable: attribute for attribute, each in ServingSettings.declarations().items()}
    assert variables.keys() == declared.keys()
    defaults = accepted({})
    for variable, value in variables.items():
        if variable == "SECRETS_DIR":
            continue
        settings = accepted({variable: value})
        assert getattr(settings, declared[variable]) != getattr(defaults, declared[variable]), variable
        changed = {name for name in declared.values() if getattr(settings, name) != getattr(defaults, name)}
        assert changed - {"stall_timeout"} <= {declared[variable]}
    settings = accepted({"METRICS_BUCKETS": "0.1, 1,2.5e1", "MAX_HEADER_BYTES": "8Ki", "BODY_BUFFER_BYTES": "64MiB"})
    assert settings.metrics_buckets == (0.1, 1.0, 25.0)
    assert (settings.max_header_bytes, settings.body_buffer_bytes) == (8192, 64 * 1024**2)


def test_an_empty_variable_counts_as_unset() -> None:
    assert accepted({"PORT": "", "LOG_LEVEL": " "}) == accepted({})


@pytest.mark.parametrize(
    "value", ["0", "65536", "-1", "5000.0", "1_000", "0x50", "٥٠٠٠", "5000 ;", "9" * 5000, "None", "+80"]
)
def test_a_bad_number_is_named_with_what_is_accepted(value: str) -> None:
    assert problem({"PORT": value}) == f"PORT={value!r} can't be accepted: set it to a whole number from 1 to 65535"


@pytest.mark.parametrize(
    ("text", "size"),
    [("0", 0), ("1000", 1000), ("64Mi", 64 * 1024**2), ("64MiB", 64 * 1024**2), ("1 ki", 1024), ("1Gi", 1024**3)],
)
def test_a_size_can_have_a_unit(text: str, size: int) -> None:
    assert accepted({"MAX_BODY_BYTES": text, "BODY_BUFFER_BYTES": "1Ti"}).max_body_bytes == size


@pytest.mark.parametrize("text", ["64M", "64MB", "1.5Gi", "-1", "Mi", "1  Mi", "٦٤Mi", "2Ti", "1Ei", "9" * 30])
def test_a_bad_size_is_refused_with_an_example(text: str) -> None:
    assert "from 0 to 1Ti: a number of bytes, or one with Ki, Mi, Gi or Ti, such as 64Mi" in problem(
        {"MAX_BODY_BYTES": text, "BODY_BUFFER_BYTES": "1Ti"}
    )


@pytest.mark.parametrize(("text", "value"), [("1", True), ("Yes", True), ("on", True), ("false", False), ("0", False)])
def test_booleans(text: str, value: bool) -> None:
    assert accepted({"ACCESS_LOG": text}).access_log is value


def test_a_bad_choice_lists_the_choices() -> None:
    assert problem({"LOG_LEVEL": "loud"}) == (
        "LOG_LEVEL='loud' can't be accepted: set it to one of debug, info, warning, error, critical"
    )


@pytest.mark.parametrize(
    "value",
    [
        "shop:",
        ":app",
        "shop:app; x",
        "shop:a..b",
        "shop:a.b(",
        "a..b:c",
        "ſ:app",
        "shop:create(x)",
        "shop:create(*[1])",
        "shop:create(**{'a': 1})",
        "shop:create(1)(2)",
        "shop:create() or 1",
        "shop/app",
        "shop:create(__import__('os'))",
        "shop:create(" + "[" * 10_000 + ")",
    ],
)
def test_a_malformed_application_name_is_refused(value: str) -> None:
    assert "module:factory()" in problem({"WSGI_APP": value})


@pytest.mark.parametrize(
    "value",
    [
        "shop",
        "shop.web",
        "shop:app",
        "shop:site.app",
        "shop:create()",
        "shop:create('dev', n=[1, (2, -3)])",
    ],
)
def test_an_application_is_named_as_for_gunicorn(value: str) -> None:
    assert accepted({"WSGI_APP": value}).wsgi_app == value


@pytest.mark.parametrize("value", ["health", "/a b", "/é", "http://x/", "/\t"])
def test_a_malformed_startup_path_is_refused(value: str) -> None:
    # The space around a value is not part of it.
    if value.strip() == "/":
        assert accepted({"STARTUP_PATH": value}).startup_path == "/"
    else:
        assert "begins with /" in problem({"STARTUP_PATH": value})


@pytest.mark.parametrize("value", ["shop", "shop:a()", "shop:a,,shop:b", "shop:a,", "shop:a b", ","])
def test_malformed_readiness_checks_are_refused(value: str) -> None:
    assert "module:function" in problem({"READINESS_CHECKS": value})


@pytest.mark.parametrize(
    "value",
    ["1,1", "2,1", "0,1", "-1,1", "nan", "inf", "1,inf", "1e999", "1_0", "1,,2", "x", ",".join(map(str, range(1, 52)))],
)
def test_buckets_are_finite_positive_rising_and_few(value: str) -> None:
    assert "at most 50 numbers above 0 in rising order" in problem({"METRICS_BUCKETS": value})


@pytest.mark.parametrize("value", ["a\nb", "a\x1b[2Jb", "a\udcffb"])
def test_control_characters_are_refused(value: str) -> None:
    refused = f"SECRETS_DIR={f'/{value}'!r} can't be accepted: set it to the absolute path of a folder"
    assert refused in problems({"SECRETS_DIR": f"/{value}"})


@pytest.mark.parametrize(
    "value",
    ["11", "-1", "1, 10.0.0.0/8", "10.0.0.1/8", "10.0.0.0/8,", "0.0.0.0/0", "::/0", "10.0.0.0/33", "proxy", "a/8", "*"],
)
def test_proxies_are_a_number_or_networks_and_never_everyone(value: str) -> None:
    assert "or to their networks" in problem({"TRUSTED_PROXIES": value})


def test_networks_and_single_addresses_of_both_versions_name_proxies() -> None:
    networks = accepted({"TRUSTED_PROXIES": "10.0.0.0/8,192.0.2.1, 2001:db8::/32"}).trusted_proxies
    assert isinstance(networks, tuple)
    assert [str(each) for each in networks] == ["10.0.0.0/8", "192.0.2.1/32", "2001:db8::/32"]


def test_forwarded_headers_are_named_in_short_or_in_full() -> None:
    settings = accepted({"FORWARDED_HEADERS": "For, X-Forwarded-Proto,host"})
    assert settings.forwarded_headers == ("for", "proto", "host")
    assert "some of for, proto, host, port, prefix" in problem({"FORWARDED_HEADERS": "for, forwarded"})


@pytest.mark.parametrize("value", ["shop", "//evil", "/a//b", "/a/../b", "/.", "/a,b", "/a b", "/é", "/a?b", "/%61"])
def test_a_prefix_that_could_not_stand_in_front_of_every_url_is_refused(value: str) -> None:
    assert "a path that begins with /" in problem({"URL_PREFIX": value})


def test_a_prefix_has_no_slash_at_its_end_and_another_name() -> None:
    assert accepted({"URL_PREFIX": "/a/b.c/"}).url_prefix == "/a/b.c"
    assert accepted({"URL_PREFIX": "/"}).url_prefix == ""
    assert accepted({"SCRIPT_NAME": "/shop"}).url_prefix == "/shop"
    assert problem({"SCRIPT_NAME": "/a", "URL_PREFIX": "/b"}) == (
        "URL_PREFIX and SCRIPT_NAME are both set: unset one of them"
    )
    assert problem({"SCRIPT_NAME": "shop"}).startswith("SCRIPT_NAME='shop' can't be accepted")


@pytest.mark.parametrize("value", ["shop.example:80", "https://shop.example", "*.shop.example", "a b", "", "-", "a,,b"])
def test_malformed_hosts_are_refused(value: str) -> None:
    if value:
        assert "hosts without a port" in problem({"ALLOWED_HOSTS": value})
    else:
        assert accepted({"ALLOWED_HOSTS": value}).allowed_hosts == ()


# --- Every text, by chance ------------------------------------------------------------------------------------------

# Texts that are nearly right are found by chance alone too seldom.
TEXTS = st.text(max_size=30) | st.text("0123456789-+.,eE_kKMmGTiB /:()", max_size=12) | st.integers().map(str)
VARIABLES = list(ServingSettings.declarations().values())


def limits(declared: Declaration) -> tuple[int, int] | None:
    """The least and the most of a number, as the table of docs/settings.md says them."""
    match = re.match(r"(\w+) to (\w+)", declared.kind.range)
    return (declared.kind.parse(match[1]) or 0, declared.kind.parse(match[2]) or 0) if match else None


@pytest.mark.parametrize("declared", VARIABLES, ids=lambda each: each.variable)
@given(text=TEXTS)
def test_any_text_is_accepted_in_range_or_refused_by_name(declared: Declaration, text: str) -> None:
    # A folder that exists would be read, which is not what this is about.
    if declared.variable == "SECRETS_DIR" and text.strip().startswith("/"):
        text = text.replace("/", "")
    value = declared.kind.parse(text.strip())
    effective: list[Effective] = []
    found: list[str] = []
    try:
        _, effective = ServingSettings.read(Environment({declared.variable: text}))
    except SettingsError as error:
        found = error.problems
    refusals = [each for each in found if " can't be accepted: set it to " in each]
    assert len(refusals) == (value is None and text.strip() != "")
    assert all(each.startswith(declared.variable) for each in refusals)
    # Else it is accepted, but may contradict the default of another.
    assert all(declared.variable in each for each in found)
    if value is not None and limits(declared):
        least, most = limits(declared) or (0, 0)
        assert least <= value <= most
    for each in effective:
        if each.declaration is declared and text.strip():
            assert each.value == value
            assert declared.kind.parse(declared.kind.show(value)) == value, "what is shown can be set"


@pytest.mark.parametrize("declared", [each for each in VARIABLES if limits(each)], ids=lambda each: each.variable)
def test_a_number_beyond_its_limits_is_refused(declared: Declaration) -> None:
    least, most = limits(declared) or (0, 0)
    parse = declared.kind.parse
    assert (parse(str(least)), parse(str(most))) == (least, most)
    assert (parse(str(least - 1)), parse(str(most + 1))) == (None, None)


@given(st.integers(min_value=0, max_value=1024**4))
def test_a_size_is_shown_as_it_can_be_set(number: int) -> None:
    kind = ServingSettings.declarations()["max_body_bytes"].kind
    assert kind.parse(kind.show(number)) == number == kind.parse(str(number))


def test_every_default_is_one_that_could_be_set() -> None:
    for each in ServingSettings.read(Environment({}))[1]:
        shown = each.declaration.kind.show(each.value)
        assert shown == "" or each.declaration.kind.parse(shown) == each.value, each.declaration.variable


# --- Values that contradict each other, and all problems at once ----------------------------------------------------


def test_every_problem_is_listed_at_once() -> None:
    found = problems({"PORT": "x", "WEB_THREADS": "0", "LOG_LEVEL": "loud", "GRACEFUL_TIMEOUT": "99",
                      "STALL_TIMEOUT": "99", "SECRET_KEY": "a", "SECRET_KEY_FILE": "/b"})  # fmt: skip
    assert len(found) == 5
    assert {"PORT", "WEB_THREADS", "LOG_LEVEL", "STALL_TIMEOUT", "SECRET_KEY"} == {
        line.partition("=")[0].partition(" ")[0] for line in found
    }


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"PORT": "5001"}, "set them to two different ports"),
        ({"MAX_BODY_BYTES": "97Mi"}, "set it to BODY_BUFFER_BYTES=96Mi or less, or BODY_BUFFER_BYTES to 97Mi or more"),
        ({"STALL_TIMEOUT": "30"}, "set it above GRACEFUL_TIMEOUT=30, or to 0 for never"),
        ({"STALL_TIMEOUT": "60", "GRACEFUL_TIMEOUT": "60"}, "set it above GRACEFUL_TIMEOUT=60"),
        ({"READINESS_CHECK_TIMEOUT": "6"}, "set it to READINESS_CHECK_INTERVAL=5 or less"),
        ({"MAX_CONNECTIONS": "10", "WEB_THREADS": "10"}, "set it above WEB_THREADS=10"),
    ],
)
def test_values_that_contradict_each_other_are_refused_with_the_remedy(variables: dict[str, str], said: str) -> None:
    assert said in problem(variables)


@pytest.mark.parametrize(
    "variables",
    [
        {"PORT": "5001", "MANAGEMENT_PORT": "5000"},
        {"MAX_BODY_BYTES": "96Mi"},
        {"STALL_TIMEOUT": "0"},
        {"STALL_TIMEOUT": "31"},
        {"READINESS_CHECK_TIMEOUT": "5"},
        {"MAX_CONNECTIONS": "11", "WEB_THREADS": "10"},
    ],
)
def test_values_just_inside_the_limits_are_accepted(variables: dict[str, str]) -> None:
    accepted(variables)


def test_the_stall_timeout_follows_the_graceful_timeout() -> None:
    assert accepted({}).stall_timeout == 120
    assert accepted({"GRACEFUL_TIMEOUT": "3600"}).stall_timeout == 14400


def test_a_refused_value_is_not_said_to_contradict_another() -> None:
    assert "whole number" in problem({"MANAGEMENT_PORT": "0", "PORT": "5001"})


# --- Secrets and files ----------------------------------------------------------------------------------------------


def write(path: Path, content: str | bytes) -> str:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return str(path)


@pytest.mark.parametrize("content", [KEY, f"{KEY}\n", f"{KEY}\r\n"])
def test_a_secret_is_read_from_the_file_that_is_named(tmp_path: Path, content: str) -> None:
    path = write(tmp_path / "key", content)
    assert accepted({"SECRET_KEY_FILE": path}).secret_key == KEY


def test_a_variable_wins_over_a_named_file_and_that_over_the_folder(tmp_path: Path) -> None:
    named = write(tmp_path / "named", KEY + "from the file")
    folder = tmp_path / "folder"
    folder.mkdir()
    write(folder / "SECRET_KEY", KEY + "from the folder\n")
    variables = {"SECRETS_DIR": str(folder)}
    assert accepted(variables).secret_key == KEY + "from the folder"
    assert accepted({**variables, "SECRET_KEY_FILE": named}).secret_key == KEY + "from the file"
    assert accepted({**variables, "SECRET_KEY": KEY + "from the variable"}).secret_key == KEY + "from the variable"
    assert problem({"SECRET_KEY": "a", "SECRET_KEY_FILE": named}) == (
        "SECRET_KEY and SECRET_KEY_FILE are both set: unset one of them"
    )


def test_a_variable_takes_precedence_over_a_file_of_the_folder(tmp_path: Path) -> None:
    write(tmp_path / "WEB_THREADS", "3\n")
    assert "WEB_THREADS is a setting that is no secret" in problem({"SECRETS_DIR": str(tmp_path)})
    assert accepted({"SECRETS_DIR": str(tmp_path), "WEB_THREADS": "4"}).threads == 4


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"hush" * (MAX_FILE_BYTES // 4) + b"h", "larger than 1 MiB"),
        (b"hush\xff", "not text in UTF-8"),
        (b"hu\0sh", "not text in UTF-8"),
        (b"hush\nhush", "SECRET_KEY (from "),
        (b" \n", "is empty: write the value into it"),
    ],
)
def test_a_file_that_can_not_be_accepted_is_named_and_never_shown(tmp_path: Path, content: bytes, said: str) -> None:
    path = write(tmp_path / "key", content)
    found = problem({"SECRET_KEY_FILE": path})
    assert said in found
    assert path in found
    assert "hush" not in found


def test_a_named_file_that_can_not_be_read_is_named_with_the_reason(tmp_path: Path) -> None:
    missing = str(tmp_path / "gone")
    assert problem({"SECRET_KEY_FILE": missing}) == (
        f"SECRET_KEY_FILE={missing!r} can't be read: No such file or directory"
    )
    assert "can't be read: Is a directory" in problem({"SECRET_KEY_FILE": str(tmp_path)})
    assert "can't be read: embedded null byte" in problem({"SECRET_KEY_FILE": "/a\0b"})


def test_a_pipe_is_refused_instead_of_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert "it is not a file" in problem({"SECRET_KEY_FILE": str(tmp_path / "pipe")})


def test_a_secret_put_where_a_path_belongs_is_not_shown() -> None:
    assert "hush" not in problem({"SECRET_KEY_FILE": "hush"})


def test_a_malformed_secret_is_not_shown_whatever_it_stands_for(tmp_path: Path) -> None:
    write(tmp_path / "SECRET_KEY", "hush")
    assert problem({"SECRETS_DIR": str(tmp_path)}).startswith(
        f"SECRET_KEY (from {tmp_path}/SECRET_KEY) can't be accepted: set it to printable text of at least 32 bytes"
    )
    assert problem({"SECRET_KEY": f"{KEY}\nhush"}) == (
        "SECRET_KEY can't be accepted: set it to printable text of at least 32 bytes at random, with 8 different "
        "characters or more, such as what "
        "python3 -c 'import secrets; print(secrets.token_hex())' prints"
    )


@pytest.mark.parametrize(
    "key",
    [
        "dev", KEY[:-1], "é" * 15 + "e", "a" * 40, "hush" * 8, "0123456" * 6,
        "change-me-" * 4, "changeme" * 4, "CHANGE_ME " * 4 + "!", "secret" * 6, "your-secret-key-" * 3,
        "super-secret-development-key-please-change-this", "django-insecure-" + "dev-key-change-me",
    ],
)  # fmt: skip
def test_a_key_that_could_be_guessed_is_refused_wherever_it_comes_from(tmp_path: Path, key: str) -> None:
    path = write(tmp_path / "SECRET_KEY", key)
    for variables in ({"SECRET_KEY": key}, {"SECRET_KEY_FILE": path}, {"SECRETS_DIR": str(tmp_path)}):
        found = problem(variables)
        assert "at least 32 bytes" in found
        assert key not in found


def test_the_command_that_the_message_gives_makes_a_key() -> None:
    made = subprocess.run(["sh", "-c", MAKE_KEY], capture_output=True, text=True, timeout=20, check=True).stdout
    assert accepted({"SECRET_KEY": made}).secret_key == made.strip()
    # What is counted is bytes, and any script will do.
    assert accepted({"SECRET_KEY": "éèêàùôîç" * 2}).secret_key == "éèêàùôîç" * 2


@given(st.binary(min_size=32, max_size=32))
@example(bytes(range(32)))
def test_a_random_key_is_accepted_however_it_is_written(key: bytes) -> None:
    for text in (key.hex(), base64.b64encode(key).decode(), base64.urlsafe_b64encode(key).decode().rstrip("=")):
        assert is_guessable(text) == (len(set(text)) < 8)


def test_a_secret_is_not_in_the_settings_text() -> None:
    assert "hush" not in repr(accepted({"SECRET_KEY": KEY}))


@pytest.mark.parametrize("folder", ["/nowhere", "/etc/hostname"])
def test_a_folder_that_can_not_be_read_is_refused(folder: str) -> None:
    assert f"SECRETS_DIR={folder!r} can't be read" in problem({"SECRETS_DIR": folder})


def test_a_relative_folder_is_refused() -> None:
    assert "absolute path" in problem({"SECRETS_DIR": "secrets"})


def kubernetes_secret(folder: Path, **keys: str | bytes) -> Path:
    """A Secret as Kubernetes mounts it: links through ..data to a folder with a date."""
    data = folder / "..2026_01_01_00_00_00.1"
    data.mkdir()
    (folder / "..data").symlink_to(data.name)
    for name, content in keys.items():
        write(data / name, content)
        (folder / name).symlink_to(f"..data/{name}")
    return folder


def test_a_mounted_secret_becomes_variables_that_are_not_set_already(tmp_path: Path) -> None:
    keys: dict[str, str | bytes] = {
        "DATABASE_URL": "postgres://u:p@db/x\n", "SET": "no", "EMPTY": "no", "NAMED": "no", "BLANK": " a \n\n",
        "tls.crt": b"\xff", "1ST": "no", "a-b": "no", "É": "no",
    }  # fmt: skip
    folder = kubernetes_secret(tmp_path, **keys)
    (folder / "SUBFOLDER").mkdir()
    found = Environment({"SECRETS_DIR": str(folder), "SET": "yes", "EMPTY": "", "NAMED_FILE": "/x"})
    assert found.secret_variables() == {"DATABASE_URL": "postgres://u:p@db/x", "BLANK": " a \n"}
    assert found.problems == []


def test_a_file_of_the_folder_that_is_no_text_is_refused_with_the_remedy(tmp_path: Path) -> None:
    write(tmp_path / "KEYSTORE", b"hush\xff")
    write(tmp_path / "LARGE", b"x" * (MAX_FILE_BYTES + 1))
    found = problems({"SECRETS_DIR": str(tmp_path)})
    assert len(found) == 2
    assert f"{tmp_path}/KEYSTORE" in found[0]
    assert "such as key.bin" in found[0]
    assert f"{tmp_path}/LARGE" in found[1]
    assert "hush" not in str(found)


READS_THE_ENVIRONMENT = """
import os, flask
at_import = os.environ.get("DATABASE_URL")
app = flask.Flask(__name__)
@app.get("/")
def index(): return {"url": at_import, "set": os.environ["SET"], "key": app.secret_key}
"""


def test_any_application_finds_the_mounted_secrets_in_its_environment(tmp_path: Path) -> None:
    (tmp_path / "reader.py").write_text(READS_THE_ENVIRONMENT)
    (tmp_path / "secrets").mkdir()
    folder = kubernetes_secret(tmp_path / "secrets", DATABASE_URL="postgres://hush\n", SET="no", SECRET_KEY=KEY)
    variables = {"WSGI_APP": "reader:app", "PYTHONPATH": f"{ROOT}:{tmp_path}", "SET": "yes", "LOG_LEVEL": "debug"}
    with serving(tmp_path, SECRETS_DIR=str(folder), **variables) as server:
        assert server.get("/").json() == {"url": "postgres://hush", "set": "yes", "key": KEY}
        server.stop()
        assert "hush" not in server.log_file.read_text()


def test_a_reload_brings_secrets_that_have_been_replaced(tmp_path: Path) -> None:
    (tmp_path / "reader.py").write_text(READS_THE_ENVIRONMENT)
    (tmp_path / "secrets").mkdir()
    url = tmp_path / "secrets" / "DATABASE_URL"
    url.write_text("old")
    variables = {"WSGI_APP": "reader:app", "PYTHONPATH": f"{ROOT}:{tmp_path}", "SET": "yes"}
    with serving(tmp_path, SECRETS_DIR=str(url.parent), **variables) as server:
        assert server.get("/").json()["url"] == "old"
        url.write_text("new")
        server.process.send_signal(signal.SIGHUP)
        until("the new secret", lambda: server.get("/").json()["url"] == "new")


def test_a_bad_secret_stops_the_start_and_is_not_shown(tmp_path: Path) -> None:
    (tmp_path / "KEYSTORE").write_bytes(b"hush\xff")
    refused = subprocess.run(
        command(), env=environment(SECRETS_DIR=str(tmp_path)), capture_output=True, text=True, timeout=20, check=False
    )
    assert refused.returncode == 1
    assert refused.stderr.startswith(f"SECRETS_DIR: '{tmp_path}/KEYSTORE' can't be accepted: it is not text in UTF-8.")
    assert "hush" not in refused.stderr + refused.stdout


def test_a_key_of_the_applications_own_is_kept(tmp_path: Path) -> None:
    (tmp_path / "reader.py").write_text(READS_THE_ENVIRONMENT + "app.secret_key = 'own'\n")
    variables = {"WSGI_APP": "reader:app", "PYTHONPATH": f"{ROOT}:{tmp_path}", "SET": "yes", "SECRET_KEY": KEY}
    with serving(tmp_path, **variables) as server:
        assert server.get("/").json()["key"] == "own"


# --- The page of the settings ---------------------------------------------------------------------------------------


def test_the_page_has_the_settings_as_they_are_declared() -> None:
    assert {path: path.read_text() for path in settings_docs.rendered()} == settings_docs.rendered(), "run make docs"


def test_drift_of_the_page_is_told(tmp_path: Path) -> None:
    copy = tmp_path / "project"
    for name in ("docs/settings.md", "scripts/generated.py", "scripts/settings_docs.py"):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_text((ROOT / name).read_text().replace("1 to 256", "1 to 255"))

    def docs(*arguments: str) -> subprocess.CompletedProcess[str]:
        script = [sys.executable, "scripts/settings_docs.py", *arguments]
        return subprocess.run(script, cwd=copy, capture_output=True, text=True, timeout=30, check=False)

    refused = docs("--check")
    assert (refused.returncode, refused.stderr) == (
        1,
        "settings.md does not agree with the declared settings: run make docs\n",
    )
    assert docs().returncode == 0
    assert docs("--check").returncode == 0
    assert (copy / "docs" / "settings.md").read_text() == (ROOT / "docs" / "settings.md").read_text()


def test_every_setting_stands_once_under_a_heading_and_five_are_marked() -> None:
    groups = ServingSettings.groups()
    declared = list(ServingSettings.declarations().values())
    assert "" not in groups
    assert [each for group in groups.values() for each in group] == declared
    assert sum(each.common for each in declared) == 5


def test_settings_stand_under_the_heading_of_what_they_are_about() -> None:
    groups = {heading: {each.variable for each in group} for heading, group in ServingSettings.groups().items()}
    assert {"LOG_LEVEL", "LOG_FORMAT", "ACCESS_LOG", "LOG_QUERY", "LOG_QUERY_NAMES"} < groups["Logs and metrics"]
    assert groups["Application"] == {"WSGI_APP", "PROBLEM_DETAILS", "HOOKS"}
    assert {name for name in groups["Timeouts"] if not name.endswith("TIMEOUT")} == {"KEEP_ALIVE"}
    assert {name for name in groups["Limits"] if not name.startswith("MAX_")} == {
        "BODY_BUFFER_BYTES",
        "MIN_UPLOAD_RATE",
    }


def test_every_setting_says_what_it_means() -> None:
    for each in VARIABLES:
        assert each.meaning.endswith("."), each.variable
        assert each.kind.range


def test_a_table_without_its_comments_is_an_error() -> None:
    with pytest.raises(ValueError, match="unpack"):
        generated.between("text", "<!-- start -->", "<!-- end -->", "table")
