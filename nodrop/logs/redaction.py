"""What must not be logged: credentials in URLs, wherever a URL stands, and credentials in lines about bad requests.

Names decide, since a value does not tell. It is better to hide a harmless `sort_key` than to show one token.
"""

import re
from functools import lru_cache
from urllib.parse import unquote_plus

REDACTED = "REDACTED"

_PARTS = re.compile(
    "token|secret|password|passwd|passphrase|signature|credential|session|jwt|assertion|samlresponse|authorization|bearer"
)
_WHOLE = frozenset(
    {"code", "authcode", "devicecode", "usercode", "passcode", "codeverifier"}
    | {"sig", "auth", "pass", "pwd", "pw", "pin", "otp", "sid"}
)
_NOT_ALPHANUMERIC = re.compile("[^a-z0-9]")

# `?name=`, `&name=` or `;name=`, also percent-encoded, as in a URL that is a parameter of another.
_NAME = (
    "(?:[?&;{marks}]|%(?:3[fbFB]|26))([^=&;?#%{marks}{ends}]*(?:%(?!3[fbdFBD]|26)[^=&;?#%{marks}{ends}]*)*)(=|%3[dD])"
)
_URL_NAME = re.compile(_NAME.format(marks="", ends=""))
_TEXT_NAME = re.compile(_NAME.format(marks="", ends=" \t\r\n"))
# Bytes that were taken for a request line may be a form.
_REFUSAL_NAME = re.compile(_NAME.format(marks=" '\"", ends=""))
# Where a value ends: in a URL that stands alone, or in a text; and where a percent-encoded one does.
_URL_END, _TEXT_END = re.compile("[&;#]"), re.compile("[&;# \t\r\n]")
_ENCODED_END = re.compile("[&;# \t\r\n]|%(?:26|3[bB]|23)")
_USERINFO = re.compile("://[^/?# \t\r\n]*@")
# Without a scheme, as CONNECT has it.
_LEADING_USERINFO = re.compile("^(?!/|[^/?#]*//)[^/?#]*@")
_HEADER = re.compile(r"\b((?:proxy-)?authorization|(?:set-)?cookie)(?![\w/-]).*", re.IGNORECASE | re.DOTALL)

# What gunicorn takes for the version is the rest of the URL when there is a space in it.
_VERSION = re.compile(r"(Invalid HTTP Version: )'(?!HTTP/[0-9.]+'$).*", re.DOTALL)


@lru_cache(maxsize=512)
def is_secret(name: str) -> bool:
    """Whether a parameter with this name, which may be percent-encoded, looks like a credential."""
    bare = _NOT_ALPHANUMERIC.sub("", unquote_plus(name).lower())
    return bare in _WHOLE or bare.endswith("key") or _PARTS.search(bare) is not None


def redact_url(url: str) -> str:
    """The URL, or target of a request line, without credentials in user information or parameters."""
    if "@" in url:
        url = _LEADING_USERINFO.sub(f"{REDACTED}@", _USERINFO.sub(f"://{REDACTED}@", url))
    return _redact_parameters(url, _URL_NAME, _URL_END)


def redact_text(text: str) -> str:
    """The text, without credentials in the URLs in it."""
    if "://" in text and "@" in text:
        text = _USERINFO.sub(f"://{REDACTED}@", text)
    return _redact_parameters(text, _TEXT_NAME, _TEXT_END)


def redact_refusal(text: str) -> str:
    """What gunicorn says of a request: redacted to the end, since a malformed one does not show where a value ends."""
    text = _redact_parameters(redact_text(text), _REFUSAL_NAME, _URL_END)
    return _HEADER.sub(rf"\1 {REDACTED}", _VERSION.sub(rf"\1{REDACTED}", text))


def _redact_parameters(text: str, name: re.Pattern[str], end: re.Pattern[str]) -> str:
    if "=" not in text and "%3" not in text:
        return text
    pieces, position = [], 0
    while found := name.search(text, position):
        pieces.append(text[position : found.end()])
        position = found.end()
        if is_secret(found[1]):
            ended = (end if found[2] == "=" else _ENCODED_END).search(text, position)
            stop = ended.start() if ended else len(text)
            if stop > position:
                pieces.append(REDACTED)
            position = stop
    return "".join([*pieces, text[position:]])
