"""What a folder of secrets never sets: variables of the loader, of interpreters and of the server."""

import subprocess
from pathlib import Path

import pytest

from nodrop.config.settings import ServingSettings
from nodrop.config.sources import Environment, SettingsError
from tests.serving_process import ROOT, command, environment


@pytest.mark.parametrize(
    "name",
    [
        "LD_PRELOAD", "LD_LIBRARY_PATH", "LD_AUDIT", "GLIBC_TUNABLES", "GCONV_PATH", "OPENSSL_CONF",
        "PYTHONPATH", "PYTHONSTARTUP", "PYTHONHOME", "NODE_OPTIONS", "PERL5OPT", "RUBYOPT", "JAVA_TOOL_OPTIONS",
        "PATH", "HOME", "IFS", "SHELL", "BASH_ENV", "TMPDIR",
        "SCRIPT_NAME", "GUNICORN_CMD_ARGS", "GUNICORN_PID", "GUNICORN_FD", "LISTEN_FDS", "SECRETS_DIR",
        "FLASK_APP", "FLASK_DEBUG", "GIT_SSH_COMMAND", "GIT_CONFIG_COUNT", "PROMPT_COMMAND", "OTEL_PYTHON_CONFIGURATOR",
        "HTTP_PROXY", "http_proxy", "Https_Proxy", "all_proxy", "NO_PROXY", "WERKZEUG_DEBUG_PIN",
        "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSLKEYLOGFILE",
        "FORWARDED_ALLOW_IPS", "PROMETHEUS_MULTIPROC_DIR", "prometheus_multiproc_dir", "NODROP_RUNTIME",
    ],
)  # fmt: skip
def test_a_secret_never_sets_a_variable_of_the_loader_an_interpreter_or_the_server(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("hush")
    (tmp_path / "DATABASE_URL").write_text("kept")
    found = Environment({"SECRETS_DIR": str(tmp_path)})
    assert found.secret_variables() == {"DATABASE_URL": "kept"}
    assert found.problems == [
        f"SECRETS_DIR: '{tmp_path}/{name}' can't be accepted: a secret never sets {name}, which decides what code "
        "runs, whom it trusts or how the server is started; rename the key, or set the variable in the environment"
    ]


@pytest.mark.parametrize(
    "name",
    [
        "ENV", "USER", "PWD", "NODE_ENV", "LISTEN_ADDRESS", "PATH_TO_KEY", "SECRET_KEY", "DATABASE_URL", "REDIS_URL",
        "OTEL_EXPORTER_OTLP_HEADERS", "GIT_TOKEN", "FLASK_MAIL_PASSWORD", "AWS_SECRET_ACCESS_KEY",
    ],
)  # fmt: skip
def test_names_that_people_give_to_secrets_of_their_own_are_accepted(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("hush")
    found = Environment({"SECRETS_DIR": str(tmp_path)})
    assert found.secret_variables() == {name: "hush"}
    assert found.problems == []


PLAIN = [each.variable for each in ServingSettings.declarations().values() if not each.secret]


@pytest.mark.parametrize("name", [name for name in PLAIN if name != "SECRETS_DIR"])
def test_a_setting_that_is_no_secret_never_comes_from_the_folder(tmp_path: Path, name: str) -> None:
    """HOOKS, WSGI_APP and READINESS_CHECKS choose code; TRUSTED_PROXIES, ALLOWED_HOSTS and others, who is trusted."""
    (tmp_path / name).write_text("hush")
    with pytest.raises(SettingsError) as refused:
        ServingSettings.from_environment({"SECRETS_DIR": str(tmp_path)})
    assert refused.value.problems == [
        f"SECRETS_DIR: '{tmp_path}/{name}' can't be accepted: {name} is a setting that is no secret; remove the key, "
        "and set the variable in the environment"
    ]


def test_a_folder_with_hooks_stops_the_start_before_they_run(tmp_path: Path) -> None:
    (tmp_path / "mounted").mkdir()
    (tmp_path / "mounted" / "HOOKS").write_text("planted")
    (tmp_path / "planted.py").write_text("print('hush')\n")
    variables = environment(SECRETS_DIR=str(tmp_path / "mounted"), PYTHONPATH=f"{ROOT}:{tmp_path}")
    refused = subprocess.run(command(), env=variables, capture_output=True, text=True, timeout=20, check=False)
    assert refused.returncode == 1
    assert refused.stderr.startswith(f"SECRETS_DIR: '{tmp_path}/mounted/HOOKS' can't be accepted")
    assert "hush" not in refused.stderr + refused.stdout


def test_a_secret_with_a_reserved_name_stops_the_start_with_a_line_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "LD_PRELOAD").write_text("/nowhere/hush.so")
    refused = subprocess.run(
        command(), env=environment(SECRETS_DIR=str(tmp_path)), capture_output=True, text=True, timeout=20, check=False
    )
    assert refused.returncode == 1
    assert refused.stderr.startswith(f"SECRETS_DIR: '{tmp_path}/LD_PRELOAD' can't be accepted")
    assert refused.stderr.count("\n") == 1
    assert "hush" not in refused.stderr + refused.stdout
