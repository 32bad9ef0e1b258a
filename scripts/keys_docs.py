"""Writes docs/flask-app-toml.md from the declared keys: `make docs`. With --check, says what has drifted."""

import sys
from pathlib import Path

import generated

ROOT = Path(__file__).resolve().parents[1]
# Not there by itself when a script is what Python was started with.
sys.path.insert(0, str(ROOT))

from delivery.detection.keys import KEYS  # noqa: E402  # needs the path set above

PAGE = ROOT / "docs" / "flask-app-toml.md"


def keys() -> str:
    """The keys as a Markdown table."""
    rows = ["| key | meaning | for example |", "| --- | --- | --- |"]
    for name, key in KEYS.items():
        rows.append(f"| `{name}` | {generated.cell(key.meaning)} | `{generated.cell(key.example)}` |")
    return "\n".join(rows)


def rendered() -> dict[Path, str]:
    """What docs/flask-app-toml.md should hold."""
    text = generated.between(PAGE.read_text(), "<!-- keys: written by make docs -->", "<!-- end of keys -->", keys())
    return {PAGE: text}


if __name__ == "__main__":
    sys.exit(generated.main("Write the table of docs/flask-app-toml.md.", "the declared keys", rendered))
