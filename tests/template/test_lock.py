"""The lock in the user's repository names the wheel, and nothing of how it was compiled."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from delivery.ejection.checkout import committed
from delivery.ejection.wheel import HEADER, build, with_wheel
from tests.template.repositories import PIN, commit


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    path = tmp_path / "nodrop-1.2.3-py3-none-any.whl"
    path.write_bytes(b"the wheel")
    return path


def test_the_wheel_is_the_last_pin_and_the_header_is_nodrops(wheel: Path) -> None:
    digest = hashlib.sha256(b"the wheel").hexdigest()
    assert with_wheel(f"# compiled by a tool\n#    with arguments\n{PIN}", wheel) == (
        f"{HEADER}{PIN}# The wheel beside this file.\nnodrop==1.2.3 \\\n    --hash=sha256:{digest}\n"
    )


def test_the_same_source_gives_the_same_wheel(nodrop: Path, later: Path, tmp_path: Path) -> None:
    (later / "delivery" / "template" / "later").write_text("")
    commit(later, date="2034-05-06T07:08:09Z")
    built = []
    for number, root in enumerate((nodrop, later)):
        folder = tmp_path / str(number)
        with committed(root) as checkout:
            built.append(build(checkout, folder).read_bytes())
    assert built[0] == built[1]
