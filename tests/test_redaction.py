"""Nothing secret gets into a log, wherever in a request it is."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodrop.logs import redaction
from tests.log_lines import access_line, find
from tests.raw import exchange
from tests.serving_process import Server, until

SECRET_NAMES = [
    *("token", "access_token", "id_token", "refresh_token", "password", "passwd", "secret", "client_secret"),
    *("api_key", "apikey", "key", "signature", "sig", "code", "session", "sessionid", "auth", "jwt", "SAMLResponse"),
    *("X-Amz-Signature", "X-Amz-Credential", "subscription-key", "user[password]", "PassWord", "+token+"),
    *("%74oken", "%74%6F%6B%65%6E"),
]


@pytest.mark.parametrize("name", SECRET_NAMES)
@pytest.mark.parametrize(
    "pattern", ["/?{}=", "/a?b=c&{}=", "/a;{}=", "/?a=b;{}=", "/?next=/x?{}=", "/?a?{}=", "/??&{}="]
)
def test_values_of_parameters_that_look_like_secrets_are_hidden(name: str, pattern: str) -> None:
    url = pattern.format(name) + "s3cret&page=2"
    assert redaction.redact_url(url) == url.replace("s3cret", "REDACTED")
    assert redaction.redact_text(f"GET {url} HTTP/1.1") == f"GET {url} HTTP/1.1".replace("s3cret", "REDACTED")


@pytest.mark.parametrize(
    "url", ["/?page=2&sort=name", "/keys", "/?monday=1", "/token/abc", "/?a", "/?=x", "/a@b", "/a=b;c", "*"]
)
def test_nothing_else_is_changed(url: str) -> None:
    assert redaction.redact_url(url) == url
    assert redaction.redact_text(f"see {url} there") == f"see {url} there"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://u:s3cret@host/a@b", "http://REDACTED@host/a@b"),
        ("u:s3cret@host:443", "REDACTED@host:443"),
        ("http://u:s3cret@x@host/", "http://REDACTED@host/"),
        ("/?next=http://u:s3cret@host/", "/?next=http://REDACTED@host/"),
        ("/?token=s3cret?s3cret=s3cret#end", "/?token=REDACTED#end"),
        ("/?next=%2Flogin%3Ftoken%3Ds3cret%26page%3D2", "/?next=%2Flogin%3Ftoken%3DREDACTED%26page%3D2"),
        ("/?token=s3cret%26s3cret&a=b", "/?token=REDACTED&a=b"),
        ("/?token=s3c\xa0ret\x85", "/?token=REDACTED"),
        ("/?to\xa0ken=s3cret", "/?to\xa0ken=REDACTED"),
        ("/?token=&a=b", "/?token=&a=b"),
    ],
)
def test_secrets_in_odd_places_are_hidden(url: str, expected: str) -> None:
    assert redaction.redact_url(url) == expected


@given(
    st.text(st.sampled_from("ab?&;=#%3D26F/@: "), max_size=60),
    st.sampled_from(["?", "&", ";"]),
    st.sampled_from(["token", "API-Key", "%70assword"]),
    st.text(st.characters(exclude_characters="&;#", exclude_categories=["Cs"]), max_size=30),
)
def test_no_surroundings_make_a_secret_visible(before: str, mark: str, name: str, after: str) -> None:
    shown = redaction.redact_url(f"/{before}{mark}{name}=s3cret{after}&page=2")
    assert "s3cret" not in shown


def test_redacting_takes_time_in_proportion_to_the_length() -> None:
    for text in ("?" * 100_000, "?%3f" * 30_000, "?token" * 20_000, "=?" * 50_000, "://" * 30_000, "?%" * 50_000):
        began = time.process_time()
        redaction.redact_refusal(text)
        redaction.redact_url(text[:1400])
        assert time.process_time() - began < 2


def test_nothing_secret_is_in_any_line_of_a_real_server(talkative: Server) -> None:
    secrets = {
        "Authorization": "Basic czNjcmV0OnMzY3JldA==", "Cookie": "session=s3cret", "Proxy-Authorization": "s3cret",
        "Referer": "http://u:s3cret@elsewhere/?token=s3cret",
    }  # fmt: skip
    talkative.get("/users/bob?password=s3cret", headers=secrets)
    talkative.get("/fail?api_key=s3cret", headers=secrets)
    end = b"\r\nHost: x\r\nConnection: close\r\n\r\n"
    exchange(talkative, b"GET http://u:s3cret@host/users/bob2?%74oken=s3cret HTTP/1.1" + end)
    for refused in (
        b"GET /?token=s3cret s3cret HTTP/1.1" + end,
        b"GET /?token=s3cret HTTP/9.9" + end,
        b"password=s3cret&x=y" + end,
        b"GET / HTTP/1.1\r\nCookie session=s3cret" + end,
        b"GET / HTTP/1.1\r\nAuthorization\tBearer s3cret" + end,
        b"Authorization: Bearer s3cret" + end,
    ):
        assert b" 400 " in exchange(talkative, refused) or b" 505 " in exchange(talkative, refused)
    failed = find(talkative, lambda entry: "Exception on /fail" in entry["message"])
    assert "https://api/?access_token=REDACTED" in failed["traceback"]
    access_line(talkative, "http://REDACTED@host/users/bob2?%74oken=REDACTED")
    assert access_line(talkative, "/users/bob?password=REDACTED")["referer"] == (
        "http://REDACTED@elsewhere/?token=REDACTED"
    )
    until("all is logged", lambda: sum("Invalid" in entry["message"] for entry in talkative.log()) >= 6)
    text = talkative.log_file.read_text()
    assert "s3cret" not in text
    assert "czNjcmV0" not in text
