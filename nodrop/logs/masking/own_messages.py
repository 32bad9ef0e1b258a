"""What nodrop says of settings, without secrets.

These texts are nodrop's own: they never repeat a secret's value, and they name files, which redact_text would take for
paths of URLs: `/run/secrets/app/DATABASE_URL` for one with a secret behind `secrets`. So only what is known to be a
secret is masked, and credentials and queries of URLs, should a value have got where it does not belong.
"""

from __future__ import annotations

import re

from nodrop.logs.masking import known_secrets
from nodrop.logs.masking.names import REDACTED
from nodrop.logs.masking.urls import USERINFO, redact_query

# Of a URL, or of a path of one; as far as a blank or the quote around it.
_QUERY = re.compile(r"\?([^\s?'\"]*=[^\s'\"]*)")


def redact_own(text: str) -> str:
    """The text without known secrets, and without users, passwords and what may be secret in queries of URLs."""
    text = _QUERY.sub(lambda found: f"?{redact_query(found[1])}", USERINFO.sub(f"://{REDACTED}@", text))
    return known_secrets.mask(text)
