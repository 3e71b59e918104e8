"""Checks an evidence file by the rules that nodes themselves admit by, and says what it proves.

No clock, no network, no node: the identity records prove the keys, the keys the events, the events the authority, and
the receipts that the other side took it. ``scratch`` is an empty log, which the caller provides.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from foedus.base.cbor import decode_as
from foedus.base.clock import Instant
from foedus.base.errors import PeerViolation
from foedus.crypto import ed25519
from foedus.identity.directory import Added, EpochView, IdentityDirectory, Known, Missing, Refused
from foedus.identity.record import parse_signed_record
from foedus.log import streams
from foedus.log.admission import Admission, Admitted, signature_checks
from foedus.log.bodies import AgreementSign
from foedus.log.event import Event, Parsed, digest_matches, parse_envelope
from foedus.log.port import EventLog, Verdict
from foedus.trust import agreement, border
from foedus.trust.agreements.document import Agreement, agreement_id, read
from foedus.trust.agreements.in_force import AgreementInForce
from foedus.trust.evaluator import WITHOUT_AGREEMENT, Author, Seat, Withhold, decide
from foedus.trust.proof.file import decode_proof
from foedus.trust.proof.receipt import Receipt, is_signed, read_receipt
from foedus.trust.standing import Standing

_ANY_SEAT = Seat(None, Standing.NORMAL)
"""The role is judged with the event's authority; its author's standing is each node's own and proves nothing."""


class ProofFailed(PeerViolation):
    """The file proves nothing: one of its parts does not hold, and the message names it."""

    code = "proof_failed"
    remedy = "ask whoever gave you the file for a new one; a changed file proves nothing"


class Agreed(NamedTuple):
    """An agreement that both nodes signed."""

    id: bytes
    nodes: tuple[bytes, bytes]
    document: Agreement


class Proved(NamedTuple):
    """What a file proves. ``node``: the author's; ``stands_on``: (id, kind) of each event that the act cites.

    ``humans``: the DIDs of those in whose name it crossed; empty where it crossed no border, being at home there.
    """

    id: bytes
    event: Event
    node: bytes
    stands_on: list[tuple[bytes, str]]
    humans: list[str]
    agreements: list[Agreed]
    receipts: list[Receipt]


class Case:
    """One crossing with all that it stands on, which held. Agreements and receipts are judged against it one by one.

    ``event``, ``stands_on`` and ``records`` as in a file; ``scratch``: an empty log. Each method raises ProofFailed.
    """

    def __init__(self, event: bytes, stands_on: Sequence[bytes], records: Sequence[bytes], scratch: EventLog) -> None:
        self._identities = _identities(records)
        self.crossing, self._view = _event("the crossing event", event, self._identities)
        held = [
            _event(f"event {n} that it stands on", data, self._identities)[0] for n, data in enumerate(stands_on, 1)
        ]
        self._admission = _admit(held, scratch, self._identities)
        _check_authority(self.crossing, self._view, self._admission)
        self._kinds = {parsed.id: parsed.event.act.kind for parsed in held}

    @property
    def node(self) -> bytes:
        """Return whose event it is."""
        return self._view.node

    def cited(self) -> list[tuple[bytes, str]]:
        """Return (id, kind) of each event that the act cites."""
        return [(each, self._kinds[each]) for each in self.crossing.event.act.auth if each in self._kinds]

    def agreement(self, name: str, data: bytes) -> Agreed:
        """Return the agreement that an event holds, signed by both its nodes."""
        return _agreement(name, data, self._identities)

    def receipt(self, name: str, data: bytes, agreements: Sequence[Agreed]) -> tuple[Receipt, tuple[str, ...]]:
        """Return what a receipt of the crossing says, and the humans by whom the crossing was allowed then."""
        receipt = _receipt(name, data, self._identities)
        _check_receipt(name, receipt, self.crossing, self.node, agreements)
        return receipt, _humans(self.crossing, self.node, receipt, agreements, self._admission)


def verify(data: bytes, scratch: EventLog) -> Proved:
    """Return what the bytes of a file prove; raise ProofFailed, which names the part that does not hold."""
    with _part("the file"):
        proof = decode_proof(data)
    case = Case(proof.event, proof.stands_on, proof.records, scratch)
    agreements = [case.agreement(f"agreement {n}", data) for n, data in enumerate(proof.agreements, 1)]
    judged = [case.receipt(f"receipt {n}", data, agreements) for n, data in enumerate(proof.receipts, 1)]
    receipts = [receipt for receipt, _ in judged]
    for n, each in enumerate(agreements, 1):
        if each.id not in {receipt.agreement for receipt in receipts}:
            raise ProofFailed(f"agreement {n} does not hold: no receipt names it")
    humans = sorted({human for _, allowed in judged for human in allowed})
    return Proved(case.crossing.id, case.crossing.event, case.node, case.cited(), humans, agreements, receipts)


@contextmanager
def _part(name: str) -> Iterator[None]:
    """Name the part of the file in which something is wrong."""
    try:
        yield
    except ProofFailed:
        raise
    except PeerViolation as error:
        raise ProofFailed(f"{name} does not hold: {error}") from None


def _identities(records: Sequence[bytes]) -> IdentityDirectory:
    identities = IdentityDirectory()
    for n, data in enumerate(records, 1):
        with _part(f"identity record {n}"):
            result = identities.add(parse_signed_record(data))
        if not isinstance(result, Added):
            raise ProofFailed(f"identity record {n} does not hold: {_why(result)}")
    return identities


def _why(result: Known | Missing | Refused) -> str:
    """Return in words why a record adds nothing."""
    if isinstance(result, Refused):
        return str(result.error)
    return "it is in the file twice" if isinstance(result, Known) else "the one before it is not in the file"


def _event(name: str, data: bytes, identities: IdentityDirectory) -> tuple[Parsed, EpochView]:
    """Return an event whose body, id and signatures hold, and the epoch of its node, which is honoured."""
    with _part(name):
        parsed = parse_envelope(data)
    view = identities.epoch(parsed.event.epoch)
    if view is None or identities.is_void(view.id):
        raise ProofFailed(f"{name} does not hold: its node's identity is not in the file, or was voided")
    if parsed.envelope.body is None or not digest_matches(parsed.envelope, parsed.event.act):
        raise ProofFailed(f"{name} does not hold: its body is missing, or is another than it names")
    if not all(ed25519.verify_many(signature_checks(parsed, view.ed25519))):
        raise ProofFailed(f"{name} does not hold: a signature of it is wrong")
    if parsed.event.act.device is None and parsed.event.act.author != view.node:
        raise ProofFailed(f"{name} does not hold: it names another node as its author")
    return parsed, view


# --- authority -------------------------------------------------------------------------------------


def _admit(held: list[Parsed], scratch: EventLog, identities: IdentityDirectory) -> Admission:
    """Admit the control streams, as a node does that reads them for the first time."""
    admission = Admission(scratch, identities)
    now: Instant = max((parsed.hlc.us for parsed in held), default=0)
    for n, parsed in enumerate(held, 1):
        if not parsed.event.stream.startswith(("participant:", "members:")):
            raise ProofFailed(f"event {n} that it stands on does not hold: nothing rests on its stream")
        _pass_over(parsed.event, admission)
        outcome = admission.admit(parsed, now)
        if not isinstance(outcome, Admitted):
            raise ProofFailed(f"event {n} that it stands on does not hold: it does not fit its chain")
    return admission


def _pass_over(event: Event, admission: Admission) -> None:
    """Let a chain go on behind what the file leaves out of it: the node that signed says what came before.

    Whoever makes a file could as well end a chain early: it shows what was, not what was withdrawn.
    """
    chain = admission.chains.get((event.epoch, event.stream))
    if chain is not None and 0 < chain.seq < event.seq - 1 and event.prev is not None:
        chain.advance(event.seq - 1, event.prev, chain.hlc)


def _check_authority(crossing: Parsed, view: EpochView, admission: Admission) -> None:
    event = crossing.event
    with _part("the crossing event"):
        streams.parse(event.stream)
    code = streams.excludes(event.stream, view.node)
    chain = admission.chains.ensure(event.epoch, event.stream, view.node)
    judged = admission.judge_own(crossing, chain)
    if code or judged.verdict is not Verdict.ACCEPTED:
        raise ProofFailed(f"the crossing event was not authorised by what it stands on: {code or judged.reason}")


def _humans(
    crossing: Parsed, node: bytes, receipt: Receipt, agreements: Sequence[Agreed], admission: Admission
) -> tuple[str, ...]:
    """Judge a border act as the receiving node did: by the agreement that it names and the grants that are cited."""
    event, authority = crossing.event, admission.authority
    kind, _, subject = event.stream.partition(":")
    room = authority.rooms.get(bytes.fromhex(subject)) if kind == "room" else None
    asked = border.in_room(event.act, subject, room.host, node) if room is not None else None
    if kind == "knowledge":
        asked = border.in_knowledge(event.act, subject, receipt.node, node)
    if asked is None:
        return ()
    named = [AgreementInForce(each.id, each.document) for each in agreements if each.id == receipt.agreement]
    terms = named[0].border_terms(node) if named else WITHOUT_AGREEMENT
    who = authority.participants.get((node, event.act.author))
    is_human = who is not None and who.kind == "human" and who.custody == "device"
    author = Author(event.act.author, is_human, authority.signer(event.act, node) or b"")
    found = decide(asked, author, authority.grants_of(event.act), terms, event.hlc.us, seat=_ANY_SEAT)
    if isinstance(found, Withhold):
        raise ProofFailed(f"the crossing event was not allowed by what it stands on: {found.code}")
    return found.humans


# --- agreements and receipts -------------------------------------------------------------------------


def _agreement(name: str, data: bytes, identities: IdentityDirectory) -> Agreed:
    parsed, view = _event(name, data, identities)
    if parsed.event.act.kind != "agreement.sign":
        raise ProofFailed(f"{name} does not hold: the event is no agreement")
    with _part(name):
        stream = streams.parse(parsed.event.stream)
        if stream.kind != "pair":
            raise ProofFailed(f"{name} does not hold: it stands in no stream of two nodes")
        one, other = (bytes.fromhex(node) for node in stream.subject.split(":"))
        body = decode_as(parsed.envelope.body or b"", AgreementSign)
        document = read(body.agreement)
        if document.nodes != (one, other):
            raise ProofFailed(f"{name} does not hold: it is between other nodes")
    for node, signature in zip((one, other), body.signatures, strict=True):
        keys = [record.record.keys.ed25519 for record in identities.history(node)]
        if view.node not in {one, other} or not any(
            agreement.is_signed(body.agreement, key, signature) for key in keys
        ):
            raise ProofFailed(f"{name} does not hold: it is not signed by node {node.hex()}")
    return Agreed(agreement_id(body.agreement), (one, other), document)


def _receipt(name: str, data: bytes, identities: IdentityDirectory) -> Receipt:
    parsed, view = _event(name, data, identities)
    with _part(name):
        signed, receipt = read_receipt(parsed.envelope.body or b"")
    keys = None if identities.is_void(receipt.epoch) else identities.epoch(receipt.epoch)
    if parsed.event.act.kind != "crossing.receipt" or keys is None or not keys.node == view.node == receipt.node:
        raise ProofFailed(f"{name} does not hold: it is not of the node that wrote it")
    if parsed.event.stream != streams.pair(receipt.node, receipt.peer):
        raise ProofFailed(f"{name} does not hold: it stands in the stream of two others")
    if not is_signed(signed, (keys.ed25519, keys.record.record.keys.mldsa65)):
        raise ProofFailed(f"{name} does not hold: it is not signed by both keys of its node")
    return receipt


def _check_receipt(name: str, receipt: Receipt, crossing: Parsed, author: bytes, agreements: Sequence[Agreed]) -> None:
    if receipt.peer != author or receipt.node == author:
        raise ProofFailed(f"{name} does not hold: it is not between the author's node and another")
    if crossing.id not in receipt.ids:
        raise ProofFailed(f"{name} does not hold: it is of other events")
    named = [each for each in agreements if each.id == receipt.agreement and author in each.nodes]
    if receipt.agreement is not None and not any(receipt.node in each.nodes for each in named):
        raise ProofFailed(f"{name} does not hold: the agreement that it names is not in the file")
