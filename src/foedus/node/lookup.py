"""Finding what a person means by a name, an id, or the beginning of one."""

from __future__ import annotations

from collections.abc import Iterable

from foedus.base.errors import NotFound, UsageError

PREFIX_MIN = 8
"""Hex digits of an abbreviated id: enough that a person does not hit another by accident."""


def find(wanted: str, known: Iterable[tuple[bytes, str]], what: str, remedy: str) -> bytes:
    """Return the id that ``wanted`` names among (id, name) pairs; raise NotFound or UsageError (ambiguous)."""
    pairs = list(known)
    exact = [item for item, _ in pairs if item.hex() == wanted]
    by_name = [item for item, name in pairs if name and name == wanted]
    by_prefix = [item for item, _ in pairs if len(wanted) >= PREFIX_MIN and item.hex().startswith(wanted)]
    for found in (exact, by_name, by_prefix):
        if len(found) == 1:
            return found[0]
        if len(found) > 1:
            raise UsageError(
                f"{wanted[:80]!r} names {len(found)} {what}s",
                code="ambiguous",
                remedy="give the whole id",
            )
    raise NotFound(f"no {what} {wanted[:80]!r} is known here", code=f"unknown_{what}", remedy=remedy)
