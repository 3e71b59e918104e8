"""The UCAN commands of border acts, as agreements name them."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from msgspec import Meta

from foedus.trust.border import COMMANDS

COMMAND_MAX = 128
"""Characters of a command: the longest that there is has 25."""
Command: TypeAlias = Annotated[str, Meta(pattern=r"\A(?:/[a-z0-9_-]+)+\Z", max_length=COMMAND_MAX)]

BORDER_COMMANDS = tuple(sorted(COMMANDS))
"""What crosses from one node to another: the starter agreement allows all of it."""
