"""The lock in the user's repository names the wheel, and nothing of the machine that compiled it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from ejection.wheel import HEADER, with_wheel
from tests.template.repositories import PIN

HERE = Path("/home/me/shop")


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    path = tmp_path / "nodrop-1.2.3-py3-none-any.whl"
    path.write_bytes(b"the wheel")
    return path


def test_the_wheel_is_the_last_pin_and_the_header_is_nodrops(wheel: Path) -> None:
    digest = hashlib.sha256(b"the wheel").hexdigest()
    assert with_wheel(f"# compiled by a tool\n#    with arguments\n{PIN}", wheel, HERE) == (
        f"{HEADER}{PIN}# The wheel beside this file.\nnodrop==1.2.3 \\\n    --hash=sha256:{digest}\n"
    )


@pytest.mark.parametrize(
    ("locked", "written"),
    [
        ("tool @ file:///home/me/shop/libs/tool\n", "tool @ file:///srv/libs/tool\n"),
        ("-e file:///home/me/shop/libs/tool\n", "-e file:///srv/libs/tool\n"),
        ("./libs/tool\n", "./libs/tool\n"),
        ("    # via -r /home/me/shop/requirements.txt\n", "    # via -r requirements.txt\n"),
        ("tool @ git+https://example.com/tool@01234\n", "tool @ git+https://example.com/tool@01234\n"),
        # The repository itself.
        ("-e .\n", ""),
        (".\n", ""),
        ("-e file:///home/me/shop\n    # via -r requirements.txt\n", ""),
        ("shop @ file:///home/me/shop/\n", ""),
        ("/home/me/shop[web]\n", ""),
    ],
)
def test_folders_of_the_repository_are_named_as_the_image_has_them(locked: str, written: str, wheel: Path) -> None:
    text = with_wheel(f"{PIN}{locked}{PIN}", wheel, HERE)
    assert text.startswith(f"{HEADER}{PIN}{written}{PIN}# The wheel")
