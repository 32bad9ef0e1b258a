"""Redacting takes time in proportion to a text's length, whatever is in it: a client chooses what is logged of its
request, and a worker answers nobody meanwhile."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nodrop.logs.access import access_fields
from nodrop.logs.formats import JsonFormatter
from nodrop.logs.masking import known_secrets
from nodrop.logs.masking.fields import redact_fields
from nodrop.logs.masking.redaction import redact_end, redact_text
from nodrop.logs.masking.urls import redact_url
from nodrop.logs.refused_requests import REFUSAL, redact_refusal
from tests.cpu_time import cpu_seconds
from tests.serving_process import Server

pytestmark = pytest.mark.alone

LONG = 32_000
# What the patterns are made of.
CHARACTERS = "%=:@?/<>'\"_-.\\,;()[]{&#+$ \na0eJ"
WORDS = [
    *("password", "token", "key", "cookie", "Authorization", "session", "name", "value", "is", "realm=", "error"),
    *(
        "Bearer ",
        "Basic ",
        "Digest username=",
        "Negotiate ",
        "eyJ",
        "sk-",
        "-----BEGIN ",
        "PRIVATE KEY-----",
        "Dict([(",
    ),
    *("%3D", "%22", "%25", "%26", "%2525", "\\u003d", "\\n", "://", 'File "', "mailto:", "-u ", "--user ", "b'"),
    *("s3cret%43ANARYvalue9 ", "%s", "', '", "http://h/", REFUSAL, "\uff1a", '"""', "Set-Cookie"),
    *("content=", "mysql ", "-p", "<a ", "<input name='token' value=", "&quot;", '"value": "', "', '--password", "x: "),
]
known_secrets.hide("s3cretCANARYvalue9")


class Response:
    """What the access log needs of an answer."""

    status, sent = "200 OK", 1


def redact_record(text: str) -> object:
    """A line of a message, with an argument."""
    record = logging.makeLogRecord({"name": text, "levelname": "INFO", "msg": text.replace("%", "%%") + "%s"})
    record.args = (text,)
    return JsonFormatter().format(record)


def redact_access(text: str) -> object:
    """A line of a request that has it everywhere."""
    names = ("RAW_URI", "HTTP_HOST", "HTTP_USER_AGENT", "HTTP_REFERER", "HTTP_COOKIE", "HTTP_AUTHORIZATION")
    return access_fields(Response, dict.fromkeys(names, text) | {"nodrop.route": "/<token>"}, 1.0)


def redact_extra(text: str) -> object:
    """Fields."""
    return redact_fields({"text": text, text: 1, "list": ["password", text], "parameter": {"name": text, "value": "x"}})


REDACTING: list[Callable[[str], object]] = [
    *(redact_text, redact_end, redact_url, redact_refusal, redact_record, redact_access, redact_extra)
]


def seconds(redact: Callable[[str], object], text: str) -> float:
    """CPU time."""
    return cpu_seconds(lambda: redact(text))


def must_be_in_proportion(redact: Callable[[str], object], before: str, part: str) -> None:
    """Four times the length takes about four times as long."""
    text = before + part * (LONG // len(part))
    taken = seconds(redact, text)
    assert taken < 1, (redact, before, part)
    if taken > 0.05:
        quarter = min(seconds(redact, text[: LONG // 4]) for _ in range(2))
        assert min(taken, seconds(redact, text)) < 6 * quarter + 0.05, (redact, before, part)


@pytest.mark.parametrize("redact", REDACTING)
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.sampled_from(["", *WORDS]),
    st.lists(st.sampled_from([*CHARACTERS, *WORDS]), min_size=1, max_size=3).map("".join),
)
def test_four_times_the_length_takes_about_four_times_as_long(
    redact: Callable[[str], object], before: str, part: str
) -> None:
    must_be_in_proportion(redact, before, part)


@pytest.mark.parametrize("redact", [redact_text, redact_url, redact_record])
@pytest.mark.parametrize("first", CHARACTERS)
def test_no_two_characters_take_long(redact: Callable[[str], object], first: str) -> None:
    for part in (first, *(first + second for second in CHARACTERS)):
        assert seconds(redact, part * (4000 // len(part))) < 0.1, part
    for word in WORDS:
        assert seconds(redact, (word + first) * (4000 // len(word + first))) < 0.1, word


@pytest.mark.parametrize("redact", REDACTING)
@pytest.mark.parametrize(
    "part",
    [
        *("%", "%a", "%25%", "%.%%.%", "?a%25", "a%26", "Bearer+realm=", '"cookie:x"', "-_", "a0_", "/%", "%;", "eyJ"),
        *(
            "a=0123456789abcdef;",
            "a" * 99 + "=",
            "Authorization: Bearer a",
            "Command '['-u', '",
            "value='",
            'key="',
            "\\",
        ),
    ],
)
def test_what_took_long_once_does_not(redact: Callable[[str], object], part: str) -> None:
    must_be_in_proportion(redact, "mysql -p 'value' s3cret%43ANARYvalue9 ", part)


@pytest.mark.parametrize("part", ["/%", "%;", "://u:p@", "?a=%25", "a "])
def test_a_megabyte_in_one_record_takes_no_longer_than_a_line_is_worth(part: str) -> None:
    text = part * (30_000 // len(part))
    body = {f"{text[:200]}{number}": [text, {"x": [text] * 3}] for number in range(30)}
    record = logging.makeLogRecord({"name": "shop", "levelname": "INFO", "msg": "%s %s", "body": body})
    record.args = ("/" + text * 30, text * 30)
    assert cpu_seconds(lambda: JsonFormatter().format(record)) < 1


def test_a_hostile_client_does_not_delay_others(talkative: Server) -> None:
    ended = threading.Event()
    sent: list[Any] = []

    def send() -> None:
        try:
            for part in ("%", "%a", "%.%%.%", "?a%25", "Bearer+realm=", "a=0123456789abcdef;"):
                text = part * (30_000 // len(part))
                for headers in ({"User-Agent": text}, {"Referer": text}, {"Cookie": text}, {"Authorization": text}, {}):
                    target = "/users/eve" if headers else "/?" + text
                    sent.append(talkative.get(target, headers=headers).status)
        finally:
            ended.set()

    sender = threading.Thread(target=send)
    sender.start()
    slowest = 0.0
    while not ended.is_set():
        began = time.monotonic()
        assert talkative.get("/users/ada").status == 200
        slowest = max(slowest, time.monotonic() - began)
    sender.join()
    assert sent == [200, 200, 200, 200, 404] * 6
    assert slowest < 0.5
