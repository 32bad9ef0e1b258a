"""`nodrop reload`: have a running server load the application anew, without losing a request."""

import sys
import time

from nodrop.server.reload import ReloadError, find_server, reload


def main(master: int | None = None) -> int:
    """Reload the server with this master, by default the only one. Returns the exit status."""
    began = time.monotonic()
    try:
        workers = reload(find_server(master))
    except ReloadError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{workers} worker{'s' if workers > 1 else ''} replaced in {time.monotonic() - began:.1f} s")
    return 0
