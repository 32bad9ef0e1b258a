"""Whether an answer is the answer to its request, and who gave it."""

import json
import re
from dataclasses import dataclass
from typing import Protocol

from answer import Answer
from record import Failure
from traffic import Request


class Check(Protocol):
    """Judges an answer: returns who answered, as (host, version), or raises Failure with the class of error."""

    def __call__(self, request: Request, answer: Answer) -> tuple[str, str]: ...


@dataclass(frozen=True, slots=True)
class EchoCheck:
    """The example application's /echo or /sleep: it must give back this very request, of this very run.

    An answer to another request, to another run, from a cache, or to a body with one bit changed does not pass.
    """

    run: str

    def __call__(self, request: Request, answer: Answer) -> tuple[str, str]:
        """See Check."""
        if answer.status != 200:
            raise Failure(f"status-{answer.status}")
        try:
            echo = json.loads(answer.body)
            query = echo["query"]
            same = query["probe"] == [str(request.number)] and query["run"] == [self.run]
            if same and request.body_sha256:
                same = (echo["body_bytes"], echo["body_sha256"]) == (request.body_bytes, request.body_sha256)
            if not same:
                raise Failure("body")
            return str(echo["host"]), str(echo["version"])
        except (ValueError, KeyError, TypeError):
            raise Failure("body") from None


@dataclass(frozen=True, slots=True)
class PatternCheck:
    """Any application: the status, and a pattern that must be found in the body, if one is given.

    host_header, version_header: response headers that say who answered; empty for none.
    """

    status: int = 200
    pattern: re.Pattern[str] | None = None
    host_header: str = ""
    version_header: str = ""

    def __call__(self, request: Request, answer: Answer) -> tuple[str, str]:  # noqa: ARG002
        """See Check."""
        if answer.status != self.status:
            raise Failure(f"status-{answer.status}")
        if self.pattern and not self.pattern.search(answer.body.decode(errors="replace")):
            raise Failure("body")
        get = answer.headers.get
        return get(self.host_header.lower(), ""), get(self.version_header.lower(), "")
