"""What an event of ``pair:`` says about agreements, once its signatures are checked; None where it says nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from foedus.base.cbor import Malformed, NotCanonical, decode_as
from foedus.base.clock import Instant
from foedus.crypto import ed25519
from foedus.crypto.labels import signed_bytes
from foedus.log.bodies import (
    SHAPES,
    AgreementCounter,
    AgreementDecline,
    AgreementEnd,
    AgreementPropose,
    AgreementSign,
    AgreementWithdraw,
    Consent,
)
from foedus.trust.agreements.document import Agreement, agreement_id, is_starter, read

if TYPE_CHECKING:
    from collections.abc import Sequence


class Writer(NamedTuple):
    """Who wrote an event, and what its signatures are checked with.

    ``key``: Ed25519 of the event's epoch. ``other_keys``: those of all records that are held of the other node, also
    of epochs that it voided: a recovery takes no signature back. Whether a human's device is enrolled is looked at
    later (``Side``): it may come after its word.
    """

    node: bytes
    other: bytes
    key: bytes
    other_keys: Sequence[bytes]


class Proposed(NamedTuple):
    """The writer offers a document. ``answers``: the proposal in whose place it stands, or None."""

    id: bytes
    document: bytes
    agreement: Agreement
    signature: bytes
    human: Consent | None
    answers: bytes | None
    at: Instant


class Signed(NamedTuple):
    """The writer holds both signatures of a document: that of version 1 opens a line. ``signature``: the writer's."""

    id: bytes
    document: bytes
    agreement: Agreement
    signature: bytes
    human: Consent | None
    at: Instant


class Refused(NamedTuple):
    """The writer declines (``is_withdrawn``: takes back) the document of this id."""

    id: bytes
    is_withdrawn: bool
    at: Instant


class Ended(NamedTuple):
    """The writer ends the line of the starter of this id."""

    id: bytes
    at: Instant


Act: TypeAlias = Proposed | Signed | Refused | Ended


def act_of(kind: str, body: bytes, writer: Writer, at: Instant) -> Act | None:
    """Return what an accepted event says. ``at``: its clock. Nothing is raised, whatever the bytes."""
    try:
        shaped: Any = decode_as(body, SHAPES[kind])
        return _act(shaped, writer, at)
    except (NotCanonical, Malformed, KeyError):
        return None


def _act(body: Any, writer: Writer, at: Instant) -> Act | None:
    match body:
        case AgreementEnd(agreement=named):
            return Ended(named, at)
        case AgreementDecline(agreement=named):
            return Refused(named, is_withdrawn=False, at=at)
        case AgreementWithdraw(agreement=named):
            return Refused(named, is_withdrawn=True, at=at)
        case AgreementSign():
            return _signed(body, writer, at)
        case AgreementPropose() | AgreementCounter():
            return _proposed(body, writer, at)
        case _:
            return None


def _proposed(body: AgreementPropose | AgreementCounter, writer: Writer, at: Instant) -> Proposed | None:
    agreement = _between(body.agreement, writer)
    if agreement.version == 1 or not ed25519.verify(writer.key, _message(body.agreement), body.signature):
        return None
    if not _is_signed(body.human, body.agreement):
        return None
    answers = body.answers if isinstance(body, AgreementCounter) else None
    return Proposed(agreement_id(body.agreement), body.agreement, agreement, body.signature, body.human, answers, at)


def _signed(body: AgreementSign, writer: Writer, at: Instant) -> Signed | None:
    agreement = _between(body.agreement, writer)
    own = agreement.side(writer.node)
    message = _message(body.agreement)
    theirs = body.signatures[1 - own]
    if agreement.version == 1 and not is_starter(agreement):
        return None
    if not ed25519.verify(writer.key, message, body.signatures[own]) and agreement.version > 1:
        return None  # of a starter the writer repeats what it sent when it connected, be it by a former key
    if not any(ed25519.verify(key, message, theirs) for key in writer.other_keys):
        return None
    if not _is_signed(body.human, body.agreement):
        return None
    return Signed(agreement_id(body.agreement), body.agreement, agreement, body.signatures[own], body.human, at)


def _between(document: bytes, writer: Writer) -> Agreement:
    agreement = read(document)
    if set(agreement.nodes) != {writer.node, writer.other}:
        raise Malformed("the document is not between these two nodes")
    return agreement


def _is_signed(human: Consent | None, document: bytes) -> bool:
    """Tell whether a human's word, where there is one, is by the device that it names."""
    return human is None or ed25519.verify(human.device, _message(document), human.signature)


def _message(document: bytes) -> bytes:
    return signed_bytes("agreement", document)
