"""From what an application declares to one requirements.txt, pinned and hashed, with what nodrop requires.

inputs          what is to be locked
indexes, uv     where packages are looked for, and with what
scrubbed        what uv, and the build code that it runs, get of this machine
resolution      versions for requirements
serving         the application's and nodrop's together
sources         what has no wheel for the image
files           what is written
locking         all of it, kept in build/lock
errors          why it can't be done
"""

from delivery.images.lock.errors import LockError
from delivery.images.lock.locking import Locked, keep, lock

__all__ = ["LockError", "Locked", "keep", "lock"]
