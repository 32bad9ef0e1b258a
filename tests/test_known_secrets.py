"""What is known to be a secret is masked as it is, and in whatever it was encoded; what may be a word is not."""

import base64
import json
import os
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from nodrop.logs.masking import known_secrets
from nodrop.logs.masking.fields import redact_fields
from nodrop.logs.masking.redaction import redact_text
from tests.cpu_time import cpu_seconds


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test begins without known secrets, and leaves none."""
    for name, value in (("_learned", {}), ("_needles", ()), ("_base64_needles", ())):
        monkeypatch.setattr(known_secrets, name, value)


@settings(max_examples=200, suppress_health_check=list(HealthCheck), deadline=None)
@given(
    st.from_regex(r"[0-9][!-~]{7,40}", fullmatch=True)
    | st.from_regex(r"[0-9][a-zé\u4e00 \"\\/+&%']{7,20}x", fullmatch=True),
    st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), max_size=9),
)
@example("0000000a", "")
def test_a_known_secret_is_masked_in_every_encoding(secret: str, beside: str) -> None:
    known_secrets.hide(secret)
    forms = {
        secret, quote(secret), quote(secret, safe=""), quote(quote(secret, safe=""), safe=""), json.dumps(secret)[1:-1],
        repr(secret)[1:-1], "".join(f"%{byte:02x}" for byte in secret.encode()),
        *(base64.b64encode(f"{beside[:length]}{secret}{beside}".encode()).decode() for length in range(4)),
    }  # fmt: skip
    for form in forms:
        shown = redact_text(f"seen {form} there")
        assert form not in shown
        assert "REDACTED" in shown
        assert form not in str(redact_fields({"x": [form], form: 1}))


def test_what_may_be_a_word_and_what_is_short_is_not_looked_for() -> None:
    known_secrets.hide("a", "hunter2", "production", "POSTGRES", "", "1234567", "12345678", "productionserver")
    text = "a hunter2 of production and POSTGRES has 1234567"
    assert redact_text(text) == text
    assert redact_text("12345678 and productionserver") == "REDACTED and REDACTED"


def test_secrets_are_found_in_every_kind_of_variable_and_file(tmp_path: Path) -> None:
    (tmp_path / "pw").write_text("file-secret-1\n")
    variables = {
        "DB_PASSWORD": "plain-secret-1", "DB_PASSWORD_FILE": str(tmp_path / "pw"), "STRIPE_KEY": "stripe-secret-1",
        "CACHE": "redis://:redis-secret-1@host:6379/0", "DATABASE_URL": "postgresql://u:p%2Fg/secret-1@host/db",
        "ODBC": "Server=h;Pwd=odbc-secret-1;", "OTEL_EXPORTER_OTLP_HEADERS": "a=otel-secret-1,b=other-secret-1",
        "PWD": "/home/folder-1", "TOKEN_ISSUER": "https://issuer-1.example", "TLS_KEY": str(tmp_path / "pw"),
        "PORT": "12345678",
    }  # fmt: skip
    pem = "-----BEGIN X-----\npem-secret-11\npem-secret-22\n-----END X-----\n"
    account = json.dumps({"private_key": "json-secret-1", "kind": "service-account-1"})
    known_secrets.hide_environment(variables, {"HOST": "folder-secret-1", "PEM": pem})
    known_secrets.hide_environment({"ACCOUNT": account})
    known_secrets.hide_configuration(
        {"SECRET_KEY_FALLBACKS": ["older-secret-1"], "DEBUG": True, "MAIL_TOKEN": b"mail-secret-1"}
    )
    for secret in (
        *("plain-secret-1", "file-secret-1", "stripe-secret-1", "redis-secret-1", "p/g/secret-1", "odbc-secret-1"),
        *("otel-secret-1", "other-secret-1", "folder-secret-1", "pem-secret-11", "pem-secret-22", "json-secret-1"),
        *("older-secret-1", "mail-secret-1"),
    ):
        assert known_secrets.mask(f"x {secret} y") == "x REDACTED y"
    for harmless in (
        "/home/folder-1",
        "issuer-1.example",
        str(tmp_path / "pw"),
        "12345678",
        "service-account-1",
        "-----BEGIN X-----",
    ):
        assert known_secrets.mask(harmless) == harmless


def test_a_part_of_a_long_secret_is_masked_too_and_learning_takes_no_time() -> None:
    secret = "".join(f"{number:x}z" for number in range(20_000))
    variables = {"LONG_TOKEN": secret, "URLS": "://" * 300_000 + "@", "FORM": "password=" * 100_000}
    assert cpu_seconds(lambda: known_secrets.hide_environment(variables)) < 3
    assert secret[3000:4000] not in known_secrets.mask(secret[:9000])


def test_what_only_looks_like_base64_is_left_as_it_is() -> None:
    known_secrets.hide("s3cretCANARYvalue9")
    harmless = base64.b64encode(b"nothing that is a secret of anybody").decode()
    assert known_secrets.mask(harmless) == harmless


def test_a_secrets_file_that_is_none_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "password")
    known_secrets.hide_environment({"DB_PASSWORD_FILE": str(tmp_path / "password")})
    known_secrets.hide_environment({"DB_PASSWORD_FILE": str(tmp_path)})
