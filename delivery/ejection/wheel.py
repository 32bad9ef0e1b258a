"""nodrop as a wheel beside the lock, and its line in it."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path

from delivery.ejection.checkout import Checkout
from delivery.ejection.refusal import Refused

HEADER = """\
# Written by nodrop: every package of the image, pinned and hashed. Compiled, so edits are lost: edit what it is
# compiled from, then run `make -f deploy/nodrop.mk lock`.
"""


def build(checkout: Checkout, folder: Path) -> Path:
    """Build the wheel of the checkout in `folder`. The same source gives the same bytes. Raises Refused."""
    done = subprocess.run(
        [
            sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps",
            "--no-build-isolation", "--wheel-dir", str(folder), str(checkout.folder),
        ],
        env={**os.environ, "SOURCE_DATE_EPOCH": checkout.date}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise Refused(f"the wheel of nodrop can't be built: {done.stderr.strip()}")
    (wheel,) = folder.glob("nodrop-*.whl")
    return wheel


def with_wheel(locked: str, wheel: Path) -> str:
    """The lock, which has the wheel's dependencies already, with the wheel and nodrop's header."""
    version = wheel.name.split("-")[1]
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    pins = re.sub(r"\A(#.*\n)*", "", locked).rstrip("\n")
    return f"{HEADER}{pins}\n# The wheel beside this file.\nnodrop=={version} \\\n    --hash=sha256:{digest}\n"
