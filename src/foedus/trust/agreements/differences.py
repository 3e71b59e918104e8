"""What a document says, and what changes from one to another, clause by clause in plain words."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from foedus.base.limits import SECOND
from foedus.trust.agreements.document import DIRECTIONS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from foedus.base.clock import Instant
    from foedus.trust.agreements.document import Agreement, Signer

_NOTHING = "nothing"


class Clause(NamedTuple):
    """A clause in words. ``name``: as refusals name it; ``about``: whom it is about ('' both, or ``us``, ``them``)."""

    name: str
    about: str
    words: str


class Difference(NamedTuple):
    """A clause that two documents have in other words."""

    name: str
    about: str
    before: str
    after: str


def clauses(agreement: Agreement, own: bytes) -> list[Clause]:
    """Return all clauses in words, seen from ``own``, one of the two nodes."""
    mine = agreement.side(own)
    sides = (("us", mine), ("them", 1 - mine))
    return [
        Clause("rooms", "", _rooms(agreement)),
        *(Clause("directions", who, _directions(agreement.directions[side])) for who, side in sides),
        *(Clause("commands", who, _listed(agreement.commands[side])) for who, side in sides),
        *(Clause("rates", who, _rate(agreement.rates[side])) for who, side in sides),
        Clause("retention", "", f"{agreement.retention} days" if agreement.retention else "for ever"),
        Clause("expires", "", _time(agreement.expires)),
        *(Clause("signers", who, _signers(agreement.signers[side])) for who, side in sides),
        Clause("humans", "", _humans(agreement)),
        Clause("approvals", "", _approvals(agreement)),
    ]


def differences(before: Agreement, after: Agreement, own: bytes) -> list[Difference]:
    """Return the clauses that change from one document to another, seen from ``own``."""
    pairs = zip(clauses(before, own), clauses(after, own), strict=True)
    return [Difference(old.name, old.about, old.words, new.words) for old, new in pairs if old.words != new.words]


def _rooms(agreement: Agreement) -> str:
    if agreement.rooms == "shared":
        return "every room that one side shares with the other"
    return _listed(f"room {room.hex()}" for room in agreement.rooms)


def _directions(kinds: tuple[str, ...]) -> str:
    words = {"room": "what is said in rooms", "knowledge": "knowledge", "council": "council matters"}
    return "everything" if kinds == DIRECTIONS else _listed(words[kind] for kind in kinds)


def _rate(rate: int | None) -> str:
    return "no limit" if rate is None else f"{rate} events a minute"


def _time(expires: Instant | None) -> str:
    if expires is None:
        return "never"
    try:
        return datetime.fromtimestamp(expires // SECOND, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (OverflowError, OSError, ValueError):
        return f"{expires} µs after 1970"


def _signers(signers: tuple[Signer, ...]) -> str:
    return _listed((f"{it.did} ({it.assurance})" for it in signers), "nobody: the operator's word counts")


def _humans(agreement: Agreement) -> str:
    if agreement.humans == "named":
        return "only the named human signers speak for themselves"
    return "every human enrolled at a node speaks for themselves"


def _approvals(agreement: Agreement) -> str:
    return _listed((f"{n} for {command}" for command, n in sorted(agreement.approvals.items())), "one for each command")


def _listed(items: Iterable[Any], nothing: str = _NOTHING) -> str:
    return ", ".join(items) or nothing
