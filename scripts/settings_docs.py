"""Writes docs/settings.md from the declarations of the settings: `make docs`. With --check, says what has drifted."""

import sys
from collections.abc import Iterable
from pathlib import Path

import generated

ROOT = Path(__file__).resolve().parents[1]
# Not there by itself when a script is what Python was started with.
sys.path.insert(0, str(ROOT))

from app.settings import ApiSettings  # noqa: E402  # needs the path set above
from nodrop.config.schema import Computed, Declaration  # noqa: E402
from nodrop.config.settings import ServingSettings  # noqa: E402

PAGE = ROOT / "docs" / "settings.md"
MARK = "★"
HEAD = f"""# Settings

<!-- Written by `make docs` from the declarations in nodrop/config/settings.py: change those. -->

Each setting is an environment variable, in the chart `config.<NAME>`. An empty one counts as unset. Most applications
need at most the five that are marked {MARK}.

- Sizes are in bytes, or with Ki, Mi, Gi or Ti, such as `64Mi`.
- A value that can't be accepted stops the start, with one line for each that names the variable, the value and what is
  accepted.
- `nodrop check` prints every setting in effect and where it comes from, secrets masked, and warns of misspelt names.
  `nodrop check --app` loads the application too. In a pod: `kubectl exec deployment/<name> -- nodrop check`.
- A secret can be in a file: `SECRET_KEY_FILE=/path` names one. In the folder `SECRETS_DIR`, such as a mounted Secret,
  each file is a variable by its name. These become environment variables of your application too, before it is loaded.
  A variable that is set takes precedence over a file. Other settings than secrets are refused there, as are variables
  that decide what code runs or whom it trusts, such as `LD_PRELOAD` and `HTTPS_PROXY`.
"""
EXAMPLE = """## The example application

Read by [app](../app), and by no application of yours.
"""


def _default(declaration: Declaration) -> str:
    if isinstance(declaration.default, Computed):
        return declaration.default.text
    return f"`{declaration.default_text}`" if declaration.default_text else "none"


def table(declarations: Iterable[Declaration]) -> str:
    """The settings as a Markdown table."""
    rows = ["| variable | default | accepted | meaning |", "| --- | --- | --- | --- |"]
    for each in declarations:
        meaning = f"{each.meaning} Secret: also as a file, `{each.variable}_FILE`." if each.secret else each.meaning
        variable = f"`{each.variable}` {MARK}" if each.common else f"`{each.variable}`"
        rows.append(f"| {' | '.join(map(generated.cell, (variable, _default(each), each.kind.range, meaning)))} |")
    return "\n".join(rows)


def rendered() -> dict[Path, str]:
    """What the page should hold."""
    groups = [f"## {heading}\n\n{table(declared)}\n" for heading, declared in ServingSettings.groups().items()]
    example = f"{EXAMPLE}\n{table(ApiSettings.declarations().values())}\n"
    return {PAGE: "\n".join([HEAD, *groups, example])}


if __name__ == "__main__":
    sys.exit(generated.main("Write docs/settings.md.", "the declared settings", rendered))
