"""A command line, as a Procfile or a README has it, as the list that a container is started with."""

from __future__ import annotations

import re
import shlex

RUN = ["nodrop", "run", "--"]
"""Gives a command the settings and secrets that the application has."""
SHELL = set("|&;<>()$`*?[#~{}!\n")
"""With one of these outside of quotes, only a shell can read it."""
_VARIABLE = re.compile(r"[A-Za-z_]\w*=")


def container_command(line: str) -> list[str]:
    """The command of a container. SIGTERM reaches the process itself: a shell that is needed is replaced by it."""
    if _needs_shell(line):
        return [*RUN, "sh", "-c", _with_exec(line)]
    words = shlex.split(line)
    # NAME=value before the command.
    return [*RUN, *(["env"] if _VARIABLE.match(words[0]) else []), *words]


def _needs_shell(line: str) -> bool:
    """Whether a shell does more with it than splitting it into words. In double quotes, that is $ and ` alone."""
    quote = ""
    for character in re.sub(r"\\.", "", line):
        if character == quote:
            quote = ""
        elif not quote and character in "'\"":
            quote = character
        elif (not quote and character in SHELL) or (quote == '"' and character in "$`"):
            return True
    return False


def _with_exec(line: str) -> str:
    """The line with exec before its last command, if that is a simple one after && or ;, or the only one."""
    before, last = "", line.strip()
    if match := re.fullmatch(r"(?s)(.*(?:&&|;)\s*)(.+)", last):
        before, last = match.groups()
    # exec takes neither a pipeline nor a group, nor is it wanted twice.
    compound = re.search(r"[|()`]|&\s*$|^exec\s|['\"].*(?:&&|;)|\b(?:if|for|while|case|do)\b|[{}]", line)
    if compound or not last:
        return line
    words = ["env"] if _VARIABLE.match(last) else []
    return f"{before}exec {' '.join([*words, last])}"
