"""Commands: paths whose segments narrow what may be done (UCAN specification, "Command")."""

from __future__ import annotations

import re

from foedus.identity.ucan.errors import MalformedUcan

COMMAND_MAX = 256
"""Characters of a command: ours have at most 40; a longer one hides its end from the person who grants it."""
TOP = "/"
"""The command that covers all commands."""

_FORM = re.compile(r"/|(?:/[^/\s]+)+")


def check_command(command: object) -> str:
    """Return ``command`` if it is one: begins with a slash, lowercase, no empty segment. Raises MalformedUcan."""
    if not isinstance(command, str) or len(command) > COMMAND_MAX or _FORM.fullmatch(command) is None:
        raise MalformedUcan("a command is a path of segments, each after a slash, as /msg/send")
    if command != command.lower():
        raise MalformedUcan("a command is lowercase")
    return command


def covers(granted: str, wanted: str) -> bool:
    """Tell whether ``granted`` is ``wanted`` or a path above it; ``/msg`` covers ``/msg/send``, never ``/msgevil``."""
    return granted in (TOP, wanted) or wanted.startswith(granted + "/")
