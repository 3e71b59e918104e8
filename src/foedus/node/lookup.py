"""Finding what a person means by a name, an id, or the beginning of one."""

from __future__ import annotations

from collections.abc import Iterable

from foedus.base.errors import NotFound, UsageError

_ID_DIGITS = 64
PREFIX_MIN = 8
"""Hex digits of an abbreviated id: enough that a person does not hit another by accident."""


def id_of(wanted: str) -> bytes:
    """Return the id that is written out whole in ``wanted``, as ``find`` takes it first; b'' where none is."""
    if len(wanted) != _ID_DIGITS:
        return b""
    try:
        item = bytes.fromhex(wanted)
    except ValueError:
        return b""
    return item if item.hex() == wanted else b""


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
