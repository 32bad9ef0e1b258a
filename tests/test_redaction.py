"""Nothing secret gets into a log, wherever in a request or a text it is, and what is harmless stays."""

import json
import logging
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nodrop.logs.formats import JsonFormatter, PlainFormatter
from nodrop.logs.masking import credentials, urls
from nodrop.logs.masking.credentials import credentials_of
from nodrop.logs.masking.fields import redact_fields
from nodrop.logs.masking.redaction import MAX_LENGTH, redact_end, redact_text
from nodrop.logs.masking.urls import redact_url
from nodrop.logs.refused_requests import redact_refusal
from tests.cpu_time import cpu_seconds

SECRET_NAMES = [
    *("token", "access_token", "id_token", "refresh_token", "password", "passwd", "secret", "client_secret"),
    *("api_key", "apikey", "key", "signature", "sig", "code", "session", "sessionid", "auth", "jwt", "SAMLResponse"),
    *("X-Amz-Signature", "X-Amz-Credential", "subscription-key", "user[password]", "PassWord", "+token+"),
    *("%74oken", "%74%6F%6B%65%6E", "%2574oken", "%2570assword", "user[pw]", "user%5Bpw%5D", "ticket", "totp"),
]
UNLISTED_NAMES = ["a", "whatever", "t", "q", "next", "data", "monday"]
PATTERNS = ["/?{}=", "/a?page=3&{}=", "/a;{}=", "/?page=3;{}=", "/?a?{}=", "/??&{}=", "http://host/?{}="]


@pytest.fixture
def query_policy() -> Iterator[None]:
    """Restores the policy that a test has changed."""
    yield
    urls.configure("harmless", ())


@pytest.mark.parametrize("name", SECRET_NAMES + UNLISTED_NAMES)
@pytest.mark.parametrize("pattern", PATTERNS)
def test_values_of_parameters_that_nobody_listed_are_hidden(name: str, pattern: str) -> None:
    url = pattern.format(name) + "s3cret&page=2"
    shown = url.replace("s3cret", "REDACTED").replace("?a?", "?REDACTED?")
    assert redact_url(url) == shown
    assert redact_text(f"GET {url} HTTP/1.1") == f"GET {shown} HTTP/1.1"


@pytest.mark.parametrize(
    "url",
    [
        *("/?page=2&sort=-created_at", "/?limit=50&offset=100&order_by=name&lang=en", "/?from=2026-01-31&wsdl"),
        *("/keys", "/token/abc", "/a@b", "*", "/", "", "/?", "/users/ada/orders/1234", "/static/app.3f2a1b9c.js"),
        *("/login/oauth2/callback", "/auth/v1/users/42", "/keys/42", "/tokens/users/42", "/users:batchGet"),
        *("/how-to-write-an-internationalization-guide-in-2024", "/api/v2/MyLongCamelCaseResourceName/items"),
        *("/reset/password", "/login/oauth", "/files/Quarterly_Report_2026_final_version.pdf"),
    ],
)
def test_harmless_urls_are_shown_as_they_are(url: str) -> None:
    assert redact_url(url) == url
    assert redact_text(f"see {url} there") == f"see {url} there"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("/reset%2Fs3cret", "/REDACTED"),
        ("/reset%252Fs3cret", "/REDACTED"),
        ("/x%2Freset/s3cret", "/x%2Freset/REDACTED"),
        ("/reset/x/s3cret", "/reset/x/REDACTED"),
        ("/reset/MQ/s3cret", "/reset/REDACTED/REDACTED"),
        ("//reset/s3cret", "//reset/REDACTED"),
        ("/reset-password-confirm/s3cret", "/reset-password-confirm/REDACTED"),
        ("/token:s3cret", "/token:REDACTED"),
        ("/pwd/s3cret", "/pwd/REDACTED"),
        ("/auth/s3cret", "/auth/REDACTED"),
        ("/key/s3cret/x", "/key/REDACTED/x"),
        ("http://u:s3cret@host/a@b", "http://REDACTED@host/a@b"),
        ("u:s3cret@host:443", "REDACTED@host:443"),
        ("http://u:s3cret@x@host/", "http://REDACTED@host/"),
        ("http://u:s3/cret@host/x", "http://REDACTED@host/x"),
        ("http://host:80/a@b", "http://host:80/a@b"),
        ("/?next=http://u:s3cret@host/", "/?next=REDACTED"),
        ("/?token=s3cret#end", "/?token=REDACTED#REDACTED"),
        ("/#access_token=s3cret", "/#REDACTED"),
        ("/?next=%2Flogin%3Ftoken%3Ds3cret%26page%3D2", "/?next=REDACTED"),
        ("/login%3Ftoken%3Ds3cret", "/REDACTED"),
        ('/?q={"password":"s3cret"}', "/?q=REDACTED"),
        ("/?q=%257B%2522password%2522%253A%2522s3cret%2522%257D", "/?q=REDACTED"),
        ("/?token=s3c\xa0ret\x85", "/?token=REDACTED"),
        ("/?to\xa0ken=s3cret", "/?REDACTED=REDACTED"),
        ("/?s3cret", "/?REDACTED"),
        ("/?=s3cret", "/?=REDACTED"),
        ("/?token=&page=1", "/?token=&page=1"),
        ("/?page=s3cret&sort=s3cret", "/?page=REDACTED&sort=REDACTED"),
        ("/shop;jsessionid=s3cret/cart;s3cret", "/shop;jsessionid=REDACTED/cart;REDACTED"),
        ("/password=s3cret/x", "/password=REDACTED/x"),
        ("/reset/password/s3cret", "/reset/password/REDACTED"),
        ("/magic-link/S3cret", "/magic-link/REDACTED"),
        ("/reset-password/s3cret/done", "/reset-password/REDACTED/done"),
        ("/x/550e8400-e29b-41d4-a716-446655440000", "/x/REDACTED"),
        ("/x/9944b09199c62bcf9418ad846dd0e4bbdfc6ee4b", "/x/REDACTED"),
        ("/x/aZ3kfmQ9xTr7LpW2vBn8_-s/y", "/x/REDACTED/y"),
        ("/x/eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.", "/x/REDACTED"),
        ("/x/dG9wIHNlY3JldA==/y", "/x/REDACTED/y"),
        ("/x/aZ3kfmQ9%78Tr7LpW2vBn8", "/x/REDACTED"),
    ],
)
def test_secrets_in_odd_places_of_urls_are_hidden(url: str, expected: str) -> None:
    assert redact_url(url) == expected


@pytest.mark.usefixtures("query_policy")
def test_an_operator_chooses_what_is_shown_of_queries() -> None:
    url = "/a?q=blue+shoes&category=7b&ticket=s3cret&token=s3cret&page=2"
    urls.configure("harmless", ["q", "category"])
    assert redact_url(url) == "/a?q=blue+shoes&category=7b&ticket=REDACTED&token=REDACTED&page=2"
    assert redact_url("/a?q=eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.") == "/a?q=REDACTED"
    assert redact_url('/a?q={"password":"s3cret"}') == "/a?q=REDACTED"
    urls.configure("all", ())
    assert redact_url("/a?x=y1&find-me") == "/a?x=y1&find-me"
    assert redact_url(url) == "/a?q=blue+shoes&category=7b&ticket=REDACTED&token=REDACTED&page=2"
    assert redact_url("/?next=%2Flogin%3Ftoken%3Ds3cret") == "/?next=REDACTED"
    urls.configure("off", ())
    assert redact_url(url) == "/a?REDACTED"
    assert redact_url("/a?page=2") == "/a?REDACTED"


PLANTED = [
    *("Authorization: Bearer {}", "headers {{'Host': 'x', 'Cookie': 'a=b; sid={}', 'Accept': '*/*'}}"),
    *("EnvironHeaders([('Host', 'x'), ('Authorization', 'Bearer {}')])", "Host: x\r\nX-Api-Key: {}\r\nAccept: */*"),
    *("Set-Cookie: session={}; Path=/; HttpOnly", "Proxy-Authorization: Digest username=x, response={}"),
    *("environ {{'HTTP_COOKIE': 'session={}', 'HTTP_HOST': 'x'}}", "'QUERY_STRING': 'ticket={}&x=y'"),
    *("<Request 'http://host/?ticket={}' [GET]>", "'RAW_URI': '/?ticket={}'", "b'Authorization: Basic {}'"),
    *(
        'curl -H "Authorization: Bearer {}" http://host/',
        "curl -u me:{} http://host/",
        "curl -d 'password={}&x=y' host",
    ),
    *("a Bearer {} came", "Basic {}==", "Token {}abcdefghijkl", "mysql --password {} -h db", "deploy --api-key={} now"),
    *('{{"password": "{}"}}', '{{\\"password\\": \\"{}\\", \\"x\\": 1}}', "{{'token': b'{}'}}", '{{"tokens": ["{}"]}}'),
    *(
        '{{"name": "Authorization", "value": "{}"}}',
        "<password>{}</password>",
        "password={}",
        "password: {}",
        "pwd={};",
    ),
    *("password = '{}'", "Credentials(user='bob', password='{}')", "Login(secret=SecretStr('{}'))", "user[pw]={}"),
    *("postgresql://user:{}@host/db", "redis://:{}@host:6379/0", "amqp://u:a/{}@host", "user:{}@host:5432"),
    *("host=h user=u password={} dbname=d", "host=h password='x {}' dbname=d", "Server=h;Uid=u;Pwd={};"),
    *("password%3D{}", "%22password%22%3A%22{}%22", "Exception on /reset/{} [GET]", "see https://host/a?b={}"),
    *(
        "https://host/cb#access_token={}",
        "login?ticket={}",
        "Max retries exceeded with url: /v1?appid={} (Caused by x)",
    ),
    *("-----BEGIN RSA PRIVATE KEY-----\n{}\n-----END RSA PRIVATE KEY-----", "a eyJhbGciOiJIUzI1NiJ9.eyJ{}.{}"),
    *(
        "password=[1, '{}'",
        "secret=SecretStr('{}'",
        'password="unclosed {}',
        "password=[1, '{}']",
        "('client_secret', '{}')",
        'GET /?q={{"ticket":"{}"}} HTTP/1.1',
    ),
    *("the token {}-abcdef came", "password is '{}-abcdef'", "(b'authorization', b'Bearer {}')", '"pass-word" : "{}"'),
    'Content-Disposition: form-data; name="password"\r\n\r\n{}\r\n--x',
    "b'name=\"pw\"\\r\\n\\r\\n{}\\r\\n--x'",
    *("AccountKey={}==;EndpointSuffix=x", "PRIVATE_KEY => {}", "X-Amz-Signature={}", "ghp_0123456789abcdef{}"),
    "Command '['psql', '--password', '{}', '-c', 'x']' returned non-zero exit status 1.",
    "Command '['curl', '-u', 'bob:{}', 'h']' returned non-zero exit status 1.",
    "Command '['/usr/bin/mysql', '-h', 'db', '-p{}']' timed out after 3 seconds",
    *(
        "mysql -h db -p{} shop",
        "sshpass -p {} ssh h",
        "redis-cli -p 6379 -a {} ping",
        "docker login -u u -p {} h",
        "password    : {}",
        "password :     {}",
        "Authorization bEARER {}",
    ),
    *('<input type="hidden" name="csrf_token" value="{}">', '<add key="Password" value="{}"/>', "secret\\u003d{}"),
    *("<meta content='{}' name='csrf-token'>", '{{"value": "{}", "name": "password"}}', 'token="""{}"""'),
    *(
        '{{\\"value\\": \\"{}\\", \\"name\\": \\"password\\"}}',
        '{{"password","{}"}}',
        "password\uff1a{}",
        "the secret {}-ab",
    ),
    *("{{&quot;password&quot;: &quot;{}&quot;}}", "token='''a\n{}\n'''", "\\u0022password\\u0022:\\u0022{}\\u0022"),
]


@pytest.mark.parametrize("template", PLANTED)
def test_a_secret_is_hidden_however_code_and_protocols_write_it(template: str) -> None:
    text = template.format("s3cret", "s3cret")
    assert "s3cret" not in redact_text(text)
    assert "s3cret" not in redact_end("Traceback:\n  " + text)
    assert "s3cret" not in json.dumps(redact_fields({"order": [{"note": text}]}))


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(PLANTED),
    st.from_regex(r"C[0-9][A-Za-z0-9]{8,30}", fullmatch=True),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=30),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=30),
)
def test_no_canary_is_shown_whatever_it_is_and_whatever_stands_around(
    template: str, canary: str, before: str, behind: str
) -> None:
    assert canary not in redact_text(f"{before} {template.format(canary, canary)} {behind}")


@given(
    st.text(st.sampled_from("ab?&;=#%3D26F/@: "), max_size=60),
    st.sampled_from(["?", "&", ";"]),
    st.sampled_from(["token", "API-Key", "%70assword", "ticket", "x", "%2574oken"]),
    st.text(st.characters(exclude_characters="&;#", exclude_categories=["Cs"]), max_size=30),
)
def test_no_surroundings_make_a_parameter_visible(before: str, mark: str, name: str, after: str) -> None:
    shown = redact_url(f"/{before}{mark}{name}=s3cret{after}&page=2")
    assert "s3cret" not in shown


@pytest.mark.parametrize(
    "text",
    [
        *(
            "token bucket is empty",
            "key=value store",
            "ordered by sort_key=name",
            "primary_key: id",
            "cache_key=users:7",
        ),
        *(
            "password sha256 mismatch",
            "a session with 3 items",
            "TOKEN_ISSUER=https://issuer.example",
            "cookie 12 of 30",
        ),
        *("the password was changed", "password reset requested by ada", "3 tokens used", "prompt_tokens=512 total=9"),
        *(
            "Invalid token",
            "a secret is required",
            "session has ended",
            "the Basic plan",
            "basic authentication failed",
        ),
        *("Bearer token missing", "Bearer authentication required", "token_type=bearer", "password_length: 12"),
        *("Access denied for user 'root'@'localhost' (using password: YES)", "token=None", "secret: false"),
        *("Listening at: http://0.0.0.0:5000 (17)", "status code=404", "exit code: 1", "auth=ok", "12:30:01 done"),
        *("SECRET_KEY_FILE=/run/secrets/key", "InvalidTokenError: Not enough segments", "KeyError: 'password'"),
        *('  File "/opt/aZ3kfmQ9xTr7LpW2vBn8xx/site.py", line 3, in <module>', "50% done; 3/4 left", "what? nothing"),
        *("hello ada", "mailto:bob@example.org", "git@github.com:org/repo", "x = y ? a : b", "monkey=1 turkey=2"),
        *("POST /orders/1234/items?page=2 took 17 ms", "saved /var/lib/app/report-2026-01-31.csv", "a -> b", "[a](b)"),
        *("commit 9944b09199c62bcf9418ad846dd0e4bbdfc6ee4b", "order 550e8400-e29b-41d4-a716-446655440000 was paid"),
        *(
            "Command '['ls', '-p', 'x']' returned 1",
            '<input type="text" name="city" value="Ulm">',
            "the key of it is here",
        ),
        *('{"value": "Ulm", "name": "city"}', "a basic idea", "docker run -p 8000:80 shop", "id -u", "cp -a x y"),
        *('{"level": "info", "count": 3}', "SELECT * FROM users WHERE id = 7", "token: expired", "PWD=/work"),
    ],
)
def test_harmless_texts_are_shown_as_they_are(text: str) -> None:
    assert redact_text(text) == text


def test_what_stands_behind_an_option_in_a_list_is_masked() -> None:
    shown = redact_fields(
        {"argv": ["psql", "--password", "s3cret", "-c", "x"], "curl": ("curl", "-u", "bob:s3cret", "h")}
    )
    assert shown["argv"] == ["psql", "--password", "REDACTED", "-c", "x"]
    assert shown["curl"] == ["curl", "-u", "REDACTED", "h"]
    assert redact_fields({"list": ["password", "s3cret"]}) == {"list": ["password", "REDACTED"]}


def test_the_name_of_a_logger_is_shown_without_secrets() -> None:
    record = logging.makeLogRecord({"name": "a.token=s3cret", "msg": "x", "levelname": "INFO"})
    assert json.loads(JsonFormatter().format(record))["logger"] == "a.token=REDACTED"
    assert "s3cret" not in PlainFormatter(colours=False).format(record)


def test_fields_are_masked_by_their_names_and_structures_inside_out() -> None:
    from collections import namedtuple

    login = namedtuple("login", "user password")
    shown = redact_fields(
        {
            "password": "s3cret", "nested": {"a": [{"api_key": "s3cret", "n": 1}]}, "pin": 1234, "token": None,
            "login": login("bob", "s3cret"), "headers": [("Authorization", "Bearer s3cret"), ("Host", "x")],
            "har": {"name": "Cookie", "value": "s3cret"}, "credentials": {"user": "s3cret"}, "prompt_tokens": 512,
            "raw": b"password=s3cret", "sort_key": "name", "url": "/?ticket=s3cret", "has_password": True,
        }
    )  # fmt: skip
    assert "s3cret" not in json.dumps(shown)
    assert shown["nested"] == {"a": [{"api_key": "REDACTED", "n": 1}]}
    assert shown["login"] == {"user": "bob", "password": "REDACTED"}
    assert shown["headers"] == [["Authorization", "REDACTED"], ["Host", "x"]]
    assert (shown["pin"], shown["token"], shown["prompt_tokens"], shown["sort_key"]) == ("REDACTED", None, 512, "name")
    assert shown["has_password"] is True


@pytest.mark.parametrize(
    ("refusal", "shown"),
    [
        ("Invalid HTTP request line: 'GET /?ticket=s3cret s3cret HTTP/1.1'", "35 characters, beginning with GET"),
        ("Invalid HTTP Header: 'Cookie session=s3cret'", "21 characters"),
        ('Invalid HTTP header name: "s3cret\'"', "7 characters"),
        ("Invalid chunk size: b's3cret'", "7 characters"),
        ("Invalid HTTP Version: 's3cret HTTP/1.1'", "15 characters"),
    ],
)
def test_nothing_of_what_could_not_be_read_is_quoted(refusal: str, shown: str) -> None:
    said = redact_refusal(f"Invalid request from ::1: {refusal}")
    assert "s3cret" not in said
    assert shown in said


ADVERSARIAL = [
    *(
        "?",
        "?%3f",
        "?token",
        "=?",
        "://",
        "?%",
        "password=",
        "password='",
        '\\"token\\":',
        "eyJ",
        "eyJ.",
        "a:",
        "a@",
        "%25",
    ),
    *(
        "(",
        "token=(",
        "'/",
        "'/a\n",
        "Basic ",
        "Bearer ",
        "-u a:",
        "--token ",
        "-----BEGIN PRIVATE KEY-----",
        "a-",
        "a.b[",
    ),
    *("%", "%a", "%25%", "%.%%.%", "?a%25", "a%26", "Bearer+realm=", '"cookie:x"'),
    *("Cookie: ", "Cookie='", "<password>", "/a=", "/;", "://u:", "://u:p/", "\\", "a\\", "('token', ", " ", "\n", "x"),
]


@pytest.mark.parametrize("part", ADVERSARIAL)
def test_redacting_takes_time_in_proportion_to_the_length(part: str) -> None:
    text = part * (1_000_000 // len(part))

    def redact() -> None:
        redact_text(text)
        redact_end(text)
        redact_url(text[:5600])
        redact_refusal(text)
        redact_fields({"text": text})

    assert cpu_seconds(redact) < 2


@pytest.mark.parametrize("length", [MAX_LENGTH + 1, 10 * MAX_LENGTH])
def test_a_long_text_is_cut_at_a_word_and_a_traceback_at_a_line(length: int) -> None:
    text = "password=s3cretvalue " + "word " * (length // 5)
    assert redact_text(text).startswith("password=REDACTED word ")
    assert redact_text(text).endswith(" word ...")
    traceback = "line\n" * (length // 5) + "ValueError: password=s3cretvalue"
    assert redact_end(traceback).startswith("...line\n")
    assert redact_end(traceback).endswith("\nValueError: password=REDACTED")


def test_only_text_is_a_credential_and_names_without_end_are_not_kept() -> None:
    environ = {"HTTP_AUTHORIZATION": b"bytes", "x" * 10_000: "text", "HTTP_X_TOKEN": 5}
    assert credentials_of(environ) == ()
    assert "x" * 10_000 not in credentials._harmless
