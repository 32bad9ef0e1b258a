"""Writes the README's tables of settings from their declarations: `make docs`. With --check, says what has drifted."""

import sys
from pathlib import Path

import generated

ROOT = Path(__file__).resolve().parents[1]
# Not there by itself when a script is what Python was started with.
sys.path.insert(0, str(ROOT))

from app.settings import ApiSettings  # noqa: E402  # needs the path set above
from nodrop.config.schema import Computed, Declaration, Settings  # noqa: E402
from nodrop.config.settings import ServingSettings  # noqa: E402

README = ROOT / "README.md"
TABLES: dict[str, type[Settings]] = {"settings": ServingSettings, "settings of the example": ApiSettings}


def _default(declaration: Declaration) -> str:
    if isinstance(declaration.default, Computed):
        return declaration.default.text
    return f"`{declaration.default_text}`" if declaration.default_text else "none"


def table(settings: type[Settings]) -> str:
    """The settings as a Markdown table."""
    rows = ["| variable | default | accepted | meaning |", "| --- | --- | --- | --- |"]
    for each in settings.declarations().values():
        meaning = f"{each.meaning} Secret: also as a file, `{each.variable}_FILE`." if each.secret else each.meaning
        cells = (f"`{each.variable}`", _default(each), each.kind.range, meaning)
        rows.append(f"| {' | '.join(map(generated.cell, cells))} |")
    return "\n".join(rows)


def rendered() -> dict[Path, str]:
    """What the README should hold."""
    text = README.read_text()
    for name, settings in TABLES.items():
        text = generated.between(
            text, f"<!-- {name}: written by make docs -->", f"<!-- end of {name} -->", table(settings)
        )
    return {README: text}


if __name__ == "__main__":
    sys.exit(generated.main("Write the README's tables of settings.", "the declared settings", rendered))
