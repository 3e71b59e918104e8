"""What is said in a room, as surfaces give it."""

from __future__ import annotations

from foedus.values.node import View


class Said(View, frozen=True):
    """A message for the node to sign for a custodial agent (or, without ``as_``, as the node itself)."""

    text: str
    as_: str = ""
