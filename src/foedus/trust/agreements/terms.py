"""The terms of a next version, as a person writes them: only what changes, seen from their own node."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import replace

from foedus.base.cbor import Malformed
from foedus.base.errors import UsageError
from foedus.base.ids import parse_id
from foedus.trust.agreements.document import (
    COMMANDS_MAX,
    DIRECTIONS,
    RATE_MAX,
    RETENTION_DAYS_MAX,
    ROOMS_MAX,
    SIGNERS_MAX,
    VERSION_MAX,
    Agreement,
    Commands,
    Direction,
    Humans,
    Signer,
    write,
)

Count: TypeAlias = Annotated[int, Meta(ge=0, le=RATE_MAX)]


class BadTerms(UsageError):
    """The terms are not such as a document can hold."""

    code = "bad_terms"
    remedy = "see docs/protocol.md, section 6, for what each clause may say"


class SideTerms(Struct, frozen=True, forbid_unknown_fields=True):
    """What is agreed for one of the two nodes; what is not given stays. ``rate``: events a minute, 0: no limit."""

    directions: Annotated[list[Direction], Meta(max_length=len(DIRECTIONS))] | UnsetType = UNSET
    commands: Annotated[list[str], Meta(max_length=COMMANDS_MAX)] | UnsetType = UNSET
    rate: Count | UnsetType = UNSET
    signers: Annotated[list[Signer], Meta(max_length=SIGNERS_MAX)] | UnsetType = UNSET


class Terms(Struct, frozen=True, forbid_unknown_fields=True):
    """What changes. ``rooms``: "shared", or ids in hex; ``retention_days`` and ``expires`` (µs): 0 means never."""

    rooms: Literal["shared"] | Annotated[list[str], Meta(max_length=ROOMS_MAX)] | UnsetType = UNSET
    ours: SideTerms = SideTerms()
    theirs: SideTerms = SideTerms()
    retention_days: Annotated[int, Meta(ge=0, le=RETENTION_DAYS_MAX)] | UnsetType = UNSET
    expires: Annotated[int, Meta(ge=0, lt=1 << 62)] | UnsetType = UNSET
    humans: Humans | UnsetType = UNSET
    approvals: Annotated[dict[str, int], Meta(max_length=COMMANDS_MAX)] | UnsetType = UNSET


def next_version(base: Agreement, base_id: bytes, own: bytes, terms: Terms, salt: bytes) -> bytes:
    """Return the document of the version after ``base`` with these terms; raise BadTerms. ``salt``: 32 random bytes."""
    if base.version >= VERSION_MAX:
        raise BadTerms("this line of agreement has as many versions as there can be", remedy="disconnect, and ask anew")
    try:
        after = replace(
            base,
            version=base.version + 1,
            base=base_id,
            rooms=_rooms(base, terms),
            directions=_sorted_pair(base.directions, _pair(base, own, terms, "directions")),
            commands=_sorted_pair(base.commands, _pair(base, own, terms, "commands")),
            rates=tuple(_limit(old, new) for old, new in zip(base.rates, _pair(base, own, terms, "rate"), strict=True)),
            signers=tuple(
                old if new is UNSET else tuple(sorted(new, key=lambda signer: signer.did))
                for old, new in zip(base.signers, _pair(base, own, terms, "signers"), strict=True)
            ),
            retention=_limit(base.retention, terms.retention_days),
            expires=_limit(base.expires, terms.expires),
            humans=base.humans if terms.humans is UNSET else terms.humans,
            approvals=base.approvals if terms.approvals is UNSET else terms.approvals,
            salt=salt,
        )
        return write(after)
    except Malformed as error:
        raise BadTerms(str(error)) from None


def _rooms(base: Agreement, terms: Terms) -> Literal["shared"] | tuple[bytes, ...]:
    if terms.rooms is UNSET:
        return base.rooms
    if isinstance(terms.rooms, str):
        return terms.rooms
    try:
        return tuple(sorted({parse_id(room) for room in terms.rooms}))
    except UsageError as error:
        raise BadTerms(str(error)) from None


def _pair(base: Agreement, own: bytes, terms: Terms, clause: str) -> tuple[Any, Any]:
    """Return what is said of both sides of a clause, in the order of the document."""
    ours, theirs = getattr(terms.ours, clause), getattr(terms.theirs, clause)
    return (ours, theirs) if base.nodes[0] == own else (theirs, ours)


def _sorted_pair(old: tuple[Commands, Commands], new: tuple[Any, Any]) -> tuple[Commands, ...]:
    return tuple(
        before if after is UNSET else tuple(sorted(set(after))) for before, after in zip(old, new, strict=True)
    )


def _limit(old: int | None, new: int | UnsetType) -> int | None:
    """Return the new limit; 0 is none."""
    return old if new is UNSET else (new or None)
