"""Whether the application has replaced Python's threads by greenlets, which gunicorn's own threaded worker can't serve:
its loop waits where no greenlet gets a turn, so that nothing is ever answered."""

from __future__ import annotations

import sys

_ASK = {
    "gevent.monkey.patch_all()": ("gevent.monkey", "is_module_patched", "threading"),
    "eventlet.monkey_patch()": ("eventlet.patcher", "is_monkey_patched", "thread"),
}
"""For each call: the module that was imported for it, and the function of it that tells, with its argument."""


def threads_replaced_by() -> str | None:
    """The call that has replaced threads by greenlets, or None."""
    for call, (module, function, argument) in _ASK.items():
        if module in sys.modules and getattr(sys.modules[module], function)(argument):
            return call
    return None
