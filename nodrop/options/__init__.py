"""What is configured for gunicorn itself: honoured, or refused by name."""

import os

# gunicorn.config takes WEB_CONCURRENCY for a number as soon as it is imported, and has a traceback for any other value.
# What is wrong with one, our settings say. In the server gunicorn has imported it before anything of ours.
_given = os.environ.pop("WEB_CONCURRENCY", None)
try:
    from gunicorn.config import Config  # noqa: F401 - for what its import does
finally:
    if _given is not None:
        os.environ["WEB_CONCURRENCY"] = _given
