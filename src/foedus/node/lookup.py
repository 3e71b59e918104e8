"""Finding what a person means by a name, an id, or the beginning of one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from foedus.base.errors import NotFound, UsageError
from foedus.identity.lookalikes import looks_alike

_ID_DIGITS = 64
PREFIX_MIN = 8
"""Hex digits of an abbreviated id: enough that a person does not hit another by accident."""


_SHOWN_MAX = 8
"""Ids that an error names: whoever asks for connections under one name makes it no longer."""


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


class Known(NamedTuple):
    """A node in the book: its id, the name given to it here (or ''), what it calls itself, and where it stands."""

    id: bytes
    known_as: str
    claims: str
    is_connected: bool


def find_to_give(wanted: str, book: Iterable[Known]) -> bytes:
    """Return the id of the connected peer to which a person gives something by ``wanted``.

    Its whole id or the name given here decide. What it calls itself, or the beginning of its id, does so only where no
    other, be it a stranger whose request waits, can be meant. Raises NotFound, or UsageError (``ambiguous``,
    ``not_connected``).
    """
    known = list(book)
    sure = [it for it in known if it.id.hex() == wanted or (it.known_as and it.known_as == wanted)]
    found = sure or [it for it in known if _is_called(it, wanted)]
    if found and not sure:
        found += [it for it in known if it not in found and it.claims and looks_alike(it.claims, wanted)]
    if not found:
        raise NotFound(f"no peer {wanted[:80]!r} is known here", code="unknown_peer", remedy="see `foedus peer list`")
    if len(found) > 1:
        ids = ", ".join(sorted(it.id.hex() for it in found[:_SHOWN_MAX]))
        raise UsageError(
            f"{wanted[:80]!r} may be any of {ids}",
            code="ambiguous",
            remedy="give the whole id, or name it: `foedus name set ID NAME`",
        )
    if not found[0].is_connected:
        raise UsageError(
            f"{wanted[:80]!r} is {found[0].id.hex()}, which is not connected",
            code="not_connected",
            remedy="connect first: `foedus peer list` says where it stands",
        )
    return found[0].id


def _is_called(it: Known, wanted: str) -> bool:
    return (len(wanted) >= PREFIX_MIN and it.id.hex().startswith(wanted)) or bool(wanted and it.claims == wanted)
