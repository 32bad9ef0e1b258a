"""Writes the tables of docs/gunicorn-options.md from nodrop/options: `make docs`. With --check, says what drifted."""

import sys
from pathlib import Path

import generated

ROOT = Path(__file__).resolve().parents[1]
# Not there by itself when a script is what Python was started with.
sys.path.insert(0, str(ROOT))

from gunicorn.config import make_settings  # noqa: E402  # needs the path set above

from nodrop.options.foreign_variables import COMMON  # noqa: E402
from nodrop.options.table import Option, option, spelling  # noqa: E402

PAGE = ROOT / "docs" / "gunicorn-options.md"


def _here(found: Option) -> str:
    if found.honoured:
        return f"honoured: {found.note}"
    note = f"{' ' if found.setting else ''}{f'({found.note})' if found.setting else found.note}" if found.note else ""
    places = " and ".join(f"`{name}`" for name in found.setting.split(" and ") if name)
    return f"set {places}{note}" if found.setting else f"refused: {note}"


def options() -> str:
    """Every option of gunicorn, those with the same answer in one row."""
    rows: dict[str, list[str]] = {}
    for name in make_settings():
        rows.setdefault(_here(option(name)), []).append(f"`{spelling(name)}`")
    lines = ["| gunicorn | here |", "| --- | --- |"]
    lines += [f"| {', '.join(names)} | {generated.cell(here)} |" for here, names in rows.items()]
    return "\n".join(lines)


def variables() -> str:
    """The variables of images that start gunicorn."""
    lines = ["| variable | setting here |", "| --- | --- |"]
    for name, setting in COMMON.items():
        lines.append(f"| `{name}` | {' and '.join(f'`{each}`' for each in setting.split(' and '))} |")
    return "\n".join(lines)


def rendered() -> dict[Path, str]:
    """What the page should hold."""
    text = PAGE.read_text()
    for name, table in (("options", options()), ("variables", variables())):
        text = generated.between(text, f"<!-- {name}: written by make docs -->", f"<!-- end of {name} -->", table)
    return {PAGE: text}


if __name__ == "__main__":
    sys.exit(generated.main("Write the tables of gunicorn's options.", "nodrop/options", rendered))
