"""Texts without their secrets: what applications log, tracebacks, and what a command prints.

Masked are known secrets, the secrets of URLs (urls.py), values that stand beside a secret's name in any of the ways in
which code, headers, JSON, forms, connection strings and command lines write them, credentials behind the name of their
scheme, and what is a token by its shape. Each step takes time in proportion to the text's length.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import quote_plus

from nodrop.logs.masking import commands, known_secrets, markup
from nodrop.logs.masking.credentials import mask_of_request
from nodrop.logs.masking.names import REDACTED, is_secret, squashed
from nodrop.logs.masking.urls import USERINFO, redact_query, redact_url

MAX_LENGTH = 32 * 1024
"""What is longer is cut first: a line has room for less."""
_LONGEST = 2 * MAX_LENGTH
"""What is longer is cut even before known secrets are looked for."""

# Without one of these there is nothing to find.
_MARKS = re.compile("[=:@?/<%'\"_\\-]|eyJ|[\uff1a\uff1d]")

_SHORTEST = len("Bearer x")
_HINTS = (
    *("token", "secret", "pass", "key", "auth", "pw", "sess", "cookie", "credential", "bearer", "basic", "sig", "jwt"),
    *("query", "assertion", "saml", "sid", "pin", "otp", "mfa", "cvv", "cvc", "salt", "code", "digest", "negotiate"),
)
"""Each name of a secret (names.py) has one of these in it, and so has each scheme."""

# --- URLs ------------------------------------------------------------------------------------------------------------

_URL_START = re.compile(
    r"(?<![\w.)\]}/~*-])/(?=[^\s/])|(?<![A-Za-z0-9+.\-])[A-Za-z][A-Za-z0-9+.\-]{0,20}+://"
    r"|\?(?=[^\s?=<>]{1,100}(?:=|%(?:25)*3[dD]))"
)
_ENCODED_WORD = re.compile(r"(?<!\S)[^\s%]*+%\S*")
_NO_URL = re.compile(r"\n|\s\S*=")
_URL_REST = re.compile(r"[^\s<>\"']*")
_QUERY_REST = re.compile(r"[^\s<>]*")
# user:password@host
_BARE_USERINFO = re.compile(
    r"(?<![^\s\"'=(,<\[])(?!(?:mailto|acct|sips?|xmpp|im):)[^\s:@/\"'=,<>()\[]{0,64}:[^\s@/\"'<>]{1,200}@(?=[\w\[])"
)

# --- Values beside names ---------------------------------------------------------------------------------------------

# The two conditions in front let a run of such characters be tried once, at its beginning.
_NAMED = re.compile(
    r"(?<![\w\-.\[\]$])(?<!%(?!(?:25)*(?:3[dDaA]|2[26cC])))(?P<name>(?:[\w\-.\[\]$]|%(?!(?:25)*(?:3[dDaA]|2[26cC])))++)"
    # name=, name: and "name": with as many blanks as there are
    r"(?:(?:\\*[\"']|&quot;|&#3[49];|\\+u0022)?\]?(?:[^\S\r\n]*+|\s{0,3})(?:=>|:=|[:=](?![:=])|[\uff1a\uff1d]|\\+u003[dDaA])"
    r"(?:[^\S\r\n]{4,}+|\s{0,3})"
    r"|(?:%(?:25)*22)?%(?:25)*3[dDaA]"  # the same percent-encoded
    r"|\\*[\"'],\s{0,3}\\*[\"']value\\*[\"']\s{0,3}:\s{0,3}"  # {"name": "name", "value": "value"}
    r"|(?P<pair>\\*[\"']\s?,\s{0,3}(?=[bB]?\\*[\"']))"  # ("name", "value") and ['--name', 'value']
    r"|\\*[\"'](?:(?:\r?\n){2}|(?:\\r)?\\n(?:\\r)?\\n)"  # name="name", an empty line, value
    r"|(?P<element>>))"  # <name>value</name>
)
_OPTION = re.compile(r"(?<!\S)--?(?P<name>[\w\-]{1,60}+)[ \t=]{1,3}(?=[^\s\-])")
_MULTI_DICT = re.compile(r"Dict\(\[")
_STRING = r"'[^'\\]*+(?:\\.[^'\\]*+)*+'|\"[^\"\\]*+(?:\\.[^\"\\]*+)*+\""
# Name, value, and what is behind.
_PAIR = re.compile(rf"\(({_STRING}), ({_STRING})(\)(?:, )?)")
# "the token abc123", "password is abc123": a word behind the name that no reader would take for one.
_BEHIND = re.compile(
    r"(?i)(?<![\w-])((?:pass(?:word|wd|phrase|code)|secret|token|credentials?|api[ _-]?key|jwt|cookie|session(?: id)?)"
    r"(?:\s(?:is|was|value|of))?\s{1,3}[\"']?)(?=[^\s\"']{0,200}[0-9])(?=[^\s\"']{0,200}[a-z])[^\s\"',;)\]}<>]{8,}"
)
_HEADERS = frozenset({"authorization", "proxyauthorization", "cookie", "setcookie"})
"""Headers with a value of several words, to the end of the line."""
_QUOTE = re.compile(r"[bBrRuUfF]{0,2}(\\*[\"'])")
_QUOTED = {
    '"': re.compile(r'[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL),
    "'": re.compile(r"[^'\\]*+(?:\\.[^'\\]*+)*+'", re.DOTALL),
}
_LINE_END = re.compile(r"[\r\n]|\\r|\\n|$")
_BARE_VALUE = re.compile(r"[^\s<>]*")
_BRACKETS = {"(": ")", "[": "]", "{": "}"}
_SAYS_NOTHING = frozenset(
    {"", "none", "null", "nil", "true", "false", "yes", "no", "on", "off", "ok", "set", "unset", "enabled", "disabled"}
    | {"required", "missing", "invalid", "expired", "valid", "failed", "denied", "empty", "undefined", "str", "bytes"}
    | {"int", "bool", "optional", "any", "unknown", "revoked", "created", "updated", "deleted", "changed", "{}", "[]"}
    | {"...", "***", "********", "%s", "?", REDACTED.lower()}
)
"""Words that stand beside a secret's name and are none."""

# --- Shapes ----------------------------------------------------------------------------------------------------------

_SCHEMES = re.compile(
    r"(?<![\w-])((?i:bearer))([ \t]+|%20|\+)(?!(?:tokens?|auth\w*|schemes?|headers?|credentials?|is|was|not|of"
    r"|and|or|for|in|to|from|with|has|missing|required)(?![\w-])|realm=|error)[^\s\"',;)\]}<>]+"
    r"|(?<![\w-])((?i:basic))([ \t]+|%20)(?!Auth|OAuth|HTTP|Access)(?=[A-Za-z0-9+/_-]*[A-Z0-9=])"
    r"[A-Za-z0-9+/_-]{4,}={0,2}"
    r"|(?<![\w-])((?i:digest))([ \t]+)(?=username=)[^\r\n]*"
    r"|(?<![\w-])((?i:negotiate|token))([ \t]+)(?=[A-Za-z]*[0-9])[A-Za-z0-9+/._-]{16,}={0,2}"
)
_SHAPES = re.compile(
    r"eyJ[\w-]{5,1000}+\.[\w-]+(?:\.[\w-]*)*"
    r"|-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----(?s:.*?)(?:-----END [A-Z ]{0,30}-----|\Z)"
    r"|(?<![A-Za-z0-9])(?:gh[pousr]_|github_pat_|glpat-|xox[abeprs]-|sk-|[sr]k_live_|[sr]k_test_|AIza|hvs\.|npm_|pypi-)"
    r"[A-Za-z0-9_.-]{16,}"
)


def redact_text(text: str) -> str:
    """The text without secrets, as far as names, shapes and known values tell them. Cut to MAX_LENGTH."""
    if len(text) > _LONGEST:
        text = _first_words(text, _LONGEST)
    text = mask_of_request(text)
    if len(text) > MAX_LENGTH:
        text = _first_words(text, MAX_LENGTH)
    if not _MARKS.search(text) and (len(text) < _SHORTEST or not _has_word(text.lower())):
        return text
    if "%" in text and known_secrets.is_in_encoded(text):
        text = _ENCODED_WORD.sub(_without_known, text)
    if "@" in text:
        text = _BARE_USERINFO.sub(f"{REDACTED}@", USERINFO.sub(f"://{REDACTED}@", text))
    if "/" in text or "?" in text:
        text = _redact_urls(text)
    lower = text.lower()
    if "-" in text or "_" in text or "eyJ" in text or "AIza" in text or "hvs." in text:
        text = _SHAPES.sub(REDACTED, text)
        if "-" in text:
            text = commands.redact(text, lower)
    if "value" in lower or "content=" in lower:
        text = markup.redact(text)
    if "Dict([" in text:
        text = _redact_multi_dicts(text)
    return _redact_named_values(text) if "%" in text or _has_hint(lower) else text


def _has_word(lower: str) -> bool:
    """Whether a text without punctuation, in lower case, may have a secret behind one of these: of `token` and `key`,
    `pass` and `session` a part that they share. Written out, since most texts come here."""
    return (
        "ke" in lower or "ss" in lower or "secr" in lower or "cook" in lower or "cred" in lower or "jwt" in lower
        or "bear" in lower or "basic" in lower or "negot" in lower
    )  # fmt: skip


def _has_hint(lower: str) -> bool:
    """Whether anything in the text, in lower case, may be a secret's name."""
    for hint in _HINTS:  # noqa: SIM110  # a generator would take twice the time
        if hint in lower:
            return True
    return False


def _redact_named_values(text: str) -> str:
    text = _redact_values(text, _NAMED, _redact_named)
    if "-" in text:
        text = _redact_values(text, _OPTION, _redact_option)
    return _SCHEMES.sub(_without_credentials, _BEHIND.sub(rf"\1{REDACTED}", text))


def redact_end(text: str) -> str:
    """redact_text of a traceback, whose end says most: it is cut at its beginning."""
    if len(text) > _LONGEST:
        text = _last_lines(text, _LONGEST)
    text = mask_of_request(text)
    if len(text) > MAX_LENGTH:
        text = _last_lines(text, MAX_LENGTH)
    return redact_text(text)


def _first_words(text: str, length: int) -> str:
    # A part of a secret may not show that it is one.
    return text[:length].rpartition(" ")[0] + " ..."


def _last_lines(text: str, length: int) -> str:
    # From a line's beginning on, for the same reason.
    return "..." + text[-length + 10 :].partition("\n")[2]


def _without_known(found: re.Match[str]) -> str:
    return REDACTED if known_secrets.is_in_encoded(found[0]) else found[0]


def _without_credentials(found: re.Match[str]) -> str:
    scheme, space = (group for group in found.groups() if group is not None)
    return f"{scheme}{space}{REDACTED}"


def _redact_urls(text: str) -> str:
    pieces, position = [], 0
    while found := _URL_START.search(text, position):
        start, end = found.start(), _url_end(text, found.start(), found.end())
        pieces.append(text[position:start])
        url = text[start:end]
        if text.startswith('File "', start - 6):
            # A line of a traceback.
            pieces.append(url)
        else:
            pieces.append("?" + redact_query(url[1:]) if url[0] == "?" else redact_url(url))
        position = end
    return "".join([*pieces, text[position:]]) if pieces else text


def _url_end(text: str, start: int, after: int) -> int:
    """Where a URL ends: at the quote that it begins with, else at white space."""
    before = text[start - 1] if start else ""
    if before in ('"', "'"):
        end = text.find(before, after)
        # A decoded path may have blanks; but what looks like the next value's name is none of its own.
        if end >= 0 and not _NO_URL.search(text, after, end):
            return end
    rest = _URL_REST.match(text, after)
    assert rest
    # In a query, quotes may be part of a value, of JSON for instance.
    if text[start] == "?" or "?" in rest[0]:
        rest = _QUERY_REST.match(text, after)
        assert rest
    return rest.end()


def _redact_multi_dicts(text: str) -> str:
    """The text with the values of Flask's request.args, .form and .cookies as those of a query."""
    pieces, position = [], 0
    while found := _MULTI_DICT.search(text, position):
        pieces.append(text[position : found.end()])
        position = found.end()
        while pair := _PAIR.match(text, position):
            name, value = pair[1][1:-1], pair[2][1:-1]
            shown = redact_query(f"{quote_plus(name)}={quote_plus(value)}")
            shown_name = pair[1] if shown.startswith(f"{quote_plus(name)}=") else f"'{REDACTED}'"
            shown_value = pair[2] if shown.endswith(f"={quote_plus(value)}") else f"'{REDACTED}'"
            pieces.append(f"({shown_name}, {shown_value}{pair[3]}")
            position = pair.end()
    return "".join([*pieces, text[position:]]) if pieces else text


def _redact_values(text: str, pattern: re.Pattern[str], value_end: Callable[[str, re.Match[str]], int]) -> str:
    """The text with what is between a match of `pattern` and the end that `value_end` gives masked; an end that is no
    later than the match leaves all as it is."""
    pieces, position = [], 0
    while found := pattern.search(text, position):
        begin, end = found.end(), value_end(text, found)
        pieces.append(text[position:begin])
        position = begin
        if end > begin:
            shown, position = _masked(text[begin:end]), end
            pieces.append(shown)
    return "".join([*pieces, text[position:]]) if pieces else text


def _masked(value: str) -> str:
    """REDACTED in the value's quotes, if it has any; what closes something around it stays."""
    quote = _QUOTE.match(value)
    if quote and value.endswith(quote[1]) and len(value) > quote.end():
        inner, before, behind = value[quote.end() : -len(quote[1])], quote[0], quote[1]
    else:
        inner = value.rstrip(",;)]}\"'\\") if value[0] not in _BRACKETS else value
        before, behind = "", value[len(inner) :]
    if inner.startswith((f"{REDACTED}&", f"{REDACTED};", f"{REDACTED}#")):
        # Of a URL, which has been dealt with.
        return value
    return value if inner.lower() in _SAYS_NOTHING else before + REDACTED + behind


def _redact_named(text: str, found: re.Match[str]) -> int:
    """The end of the value behind a name, or 0 if the name is no secret's."""
    name, start, begin = found["name"], found.start(), found.end()
    if not is_secret(name) or begin == len(text):
        return 0
    before = text[start - 1] if start else ""
    if found["element"] is not None:
        end = text.find("<", begin) if before == "<" else 0
        return end if end >= 0 else len(text)
    if found["pair"] is not None:
        ahead = text[max(0, start - 6) : start].rstrip("\\\"'bB")
        return _value_end(text, begin, "", whole_line=False) if name[0] == "-" or ahead[-1:] in _BRACKETS else 0
    if name in ("PWD", "OLDPWD") and text[begin] == "/":
        return 0
    closed = text[found.end("name") : begin].lstrip("\\")[:1] in ('"', "'")
    end = _value_end(
        text,
        begin,
        before if before in ('"', "'") and not closed else "",
        whole_line=squashed(name).removeprefix("http") in _HEADERS,
    )
    if name.lower().endswith("s") and text[begin:end].rstrip(",;)]}").isdecimal():
        # `tokens=512` counts them.
        return 0
    return end


def _redact_option(text: str, found: re.Match[str]) -> int:
    return _value_end(text, found.end(), "", whole_line=False) if is_secret(found["name"]) else 0


def _value_end(text: str, begin: int, around: str, *, whole_line: bool) -> int:
    """Where the value that begins at `begin` ends.

    around: the quote that name and value stand in together, if any. whole_line: it has several words, unless quoted.
    """
    if quote := _QUOTE.match(text, begin):
        mark = quote[1]
        if len(mark) > 1:
            end = text.find(mark, quote.end())
            return end + len(mark) if end >= 0 else _line_end(text, begin)
        if mark != around and text.startswith(mark * 2, quote.end()):
            end = text.find(mark * 3, quote.end() + 2)
            return end + 3 if end >= 0 else len(text)
        if mark != around:
            closed = _QUOTED[mark].match(text, quote.end())
            return closed.end() if closed else _line_end(text, begin)
    if text[begin : begin + 1] in _BRACKETS:
        return _closing(text, begin)
    end = text.find(around, begin) if around else -1
    if end < 0:
        end = len(text)
    if whole_line:
        return _line_end(text, begin, end)
    bare = _BARE_VALUE.match(text, begin, end)
    assert bare
    return _closing(text, bare.end() - 1) if bare[0].endswith("(") else bare.end()


def _line_end(text: str, begin: int, end: int | None = None) -> int:
    end = len(text) if end is None else end
    found = _LINE_END.search(text, begin, end)
    return found.start() if found else end


def _closing(text: str, begin: int) -> int:
    """Behind the bracket that closes the one at `begin`, or the end of the text."""
    opening, closing = text[begin], _BRACKETS[text[begin]]
    depth = 0
    for found in re.compile(f"[{re.escape(opening + closing)}]").finditer(text, begin):
        depth += 1 if found[0] == opening else -1
        if not depth:
            return found.end()
    return len(text)
