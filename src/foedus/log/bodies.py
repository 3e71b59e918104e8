"""The bodies of version 1, by kind (docs/protocol.md, section 3)."""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple, TypeAlias

from msgspec import Meta, Struct

from foedus.base.cbor import learn
from foedus.base.limits import CUTS_MAX, ERASE_TARGETS_MAX, GRANT_BYTES_MAX, NAME_MAX, RECORDS_MAX, TEXT_MAX
from foedus.log.documents import DOCUMENT_SHAPES, DocumentBody
from foedus.log.event import Id, Signature
from foedus.log.knowledge import KNOWLEDGE_SHAPES, KnowledgeBody
from foedus.log.roles import GIVEN_MAX
from foedus.log.sketches import SKETCH, KnowledgeSketch

Name: TypeAlias = Annotated[str, Meta(min_length=1, max_length=NAME_MAX)]
Role: TypeAlias = Annotated[int, Meta(ge=1, le=GIVEN_MAX)]
Did: TypeAlias = Annotated[str, Meta(pattern=r"\Adid:key:z6Mk[1-9A-HJ-NP-Za-km-z]{44}\Z")]


class Cut(NamedTuple):
    """The last event of a chain that stays in force."""

    chain: Id
    seq: Annotated[int, Meta(ge=0, lt=1 << 53)]
    id: Id


Cuts: TypeAlias = Annotated[tuple[Cut, ...], Meta(max_length=CUTS_MAX)]


class _Body(Struct, frozen=True, forbid_unknown_fields=True):
    pass


class EpochOpen(_Body, frozen=True):
    """``epoch.open``: this node takes the stream up in a new epoch; the event's ``prev`` is the cut."""


class Checkpoint(_Body, frozen=True):
    """``checkpoint``: a statement under both signatures of the epoch."""

    statement: bytes
    ed25519: Signature
    mldsa65: Annotated[bytes, Meta(min_length=3309, max_length=3309)]


class NodeProfile(_Body, frozen=True):
    """``node.profile``: public facts."""

    name: Name
    endpoints: Annotated[tuple[Annotated[str, Meta(max_length=512)], ...], Meta(max_length=8)]


class DeviceEnrol(_Body, frozen=True):
    """``device.enrol``: a key speaks for a participant."""

    did: Did
    node: Id
    kind: Literal["human", "agent"]
    name: Name
    custody: Literal["device", "node"]
    device: Id
    possession: Signature | None
    recovery: Id | None


class DeviceRevoke(_Body, frozen=True):
    """``device.revoke``: a key no longer speaks; cuts for each chain that it touched."""

    device: Id
    cuts: Cuts


class GrantCreate(_Body, frozen=True):
    """``grant.create``: a UCAN delegation that the signing device issued; acts cite the event."""

    ucan: Annotated[bytes, Meta(min_length=1, max_length=GRANT_BYTES_MAX)]


class GrantRevoke(_Body, frozen=True):
    """``grant.revoke``: a UCAN revocation by the signing device; beyond ``cuts`` the delegation carries nothing."""

    ucan: Annotated[bytes, Meta(min_length=1, max_length=GRANT_BYTES_MAX)]
    cuts: Cuts


class RoomCreate(_Body, frozen=True):
    """``room.create``: SHA-256 of its bytes is the room's id."""

    host: Id
    name: Name
    random: Id


class MemberAdd(_Body, frozen=True):
    """``member.add``: a participant, or (null) all of a node's, is a member; events up to ``heads`` stay out.

    ``role`` null: by what the participant is (``roles.default_role``); ``title``: what the host calls the role.
    """

    node: Id
    participant: Did | None
    heads: Cuts
    role: Role | None
    title: Name | None


class MemberRemove(_Body, frozen=True):
    """``member.remove``: withdraws the memberships before it; beyond ``cuts`` their events are rejected."""

    node: Id
    participant: Did | None
    cuts: Cuts


class MessageText(_Body, frozen=True):
    """``message.text``: what someone said."""

    text: Annotated[str, Meta(max_length=TEXT_MAX)]


class RoomLeave(_Body, frozen=True):
    """``room.leave``: this node asks the host to remove it."""


class EventErase(_Body, frozen=True):
    """``event.erase``: takes the bodies of the events ``targets`` of the same stream away."""

    targets: Annotated[tuple[Id, ...], Meta(min_length=1, max_length=ERASE_TARGETS_MAX)]
    reason: Literal["author", "moderator", "retention"]


class Consent(NamedTuple):
    """A human's word for a document: the signature of a device of theirs, of ``signed("agreement", document)``."""

    did: Did
    device: Id
    signature: Signature


class AgreementPropose(_Body, frozen=True):
    """``agreement.propose``: another version, signed by the proposing node; ``human`` approved it."""

    agreement: bytes
    signature: Signature
    human: Consent | None


class AgreementCounter(_Body, frozen=True):
    """``agreement.counter``: a proposal in place of the other's, which ``answers`` names by SHA-256."""

    agreement: bytes
    signature: Signature
    human: Consent | None
    answers: Id


class AgreementSign(_Body, frozen=True):
    """``agreement.sign``: a document with the signatures of both nodes; ``human`` approved it on the writer's side."""

    agreement: bytes
    signatures: tuple[Signature, Signature]
    human: Consent | None


class AgreementDecline(_Body, frozen=True):
    """``agreement.decline``: no to the other's proposal; ``agreement`` is SHA-256 of the document."""

    agreement: Id


class AgreementWithdraw(_Body, frozen=True):
    """``agreement.withdraw``: the writer no longer stands by what it proposed or signed and is not yet in force."""

    agreement: Id


class AgreementEnd(_Body, frozen=True):
    """``agreement.end``: one side ends the connection, all its versions; ``agreement`` is SHA-256 of the starter."""

    agreement: Id


class AuditHead(_Body, frozen=True):
    """``audit.head``: how far this node's audit log goes; a seal of ``trust.audit``."""

    statement: Annotated[bytes, Meta(max_length=512)]
    ed25519: Signature
    mldsa65: Annotated[bytes, Meta(min_length=3309, max_length=3309)]


class AuditWitness(_Body, frozen=True):
    """``audit.witness``: this node was told by ``node`` that its audit log has ``count`` rows and this ``hash``."""

    node: Id
    count: Annotated[int, Meta(ge=1, lt=1 << 53)]
    hash: Id
    told: Id


RECEIPT_IDS_MAX = 1_000
"""Events in one receipt: 34 KB of a body, and a second's border acts of a busy peer in a few."""


class CrossingReceipt(_Body, frozen=True):
    """``crossing.receipt``: this node accepted border acts of the other; a statement of ``trust.proof``."""

    statement: Annotated[bytes, Meta(max_length=48 * RECEIPT_IDS_MAX)]
    ed25519: Signature
    mldsa65: Annotated[bytes, Meta(min_length=3309, max_length=3309)]


CRDT_PART_BYTES = 49_152
"""Bytes of a state in one part of a snapshot: what fits a body beside the chains that it covers."""
CRDT_PARTS_MAX = 5_462
"""Parts of one snapshot: a state of 256 MiB."""
CrdtType: TypeAlias = Annotated[str, Meta(pattern=r"\A[a-z-]{1,32}\Z")]


class CrdtDelta(_Body, frozen=True):
    """``crdt.delta``: operations on the CRDT that name and type together name in this room; ``state.crdt.deltas``."""

    name: Name
    type: CrdtType
    delta: Annotated[bytes, Meta(min_length=1)]


class Covered(NamedTuple):
    """A chain of this stream up to a seq, by its epoch."""

    epoch: Id
    seq: Annotated[int, Meta(ge=1, lt=1 << 53)]


class CrdtSnapshot(_Body, frozen=True):
    """``crdt.snapshot``: part of a state, ``digest`` its SHA-256: what this node's own ``chains`` say of a CRDT."""

    name: Name
    type: CrdtType
    chains: Annotated[tuple[Covered, ...], Meta(min_length=1, max_length=RECORDS_MAX)]
    digest: Id
    part: Annotated[int, Meta(ge=0, lt=CRDT_PARTS_MAX)]
    parts: Annotated[int, Meta(ge=1, le=CRDT_PARTS_MAX)]
    state: Annotated[bytes, Meta(min_length=1, max_length=CRDT_PART_BYTES)]


Body: TypeAlias = (
    EpochOpen
    | Checkpoint
    | NodeProfile
    | DeviceEnrol
    | DeviceRevoke
    | GrantCreate
    | GrantRevoke
    | RoomCreate
    | MemberAdd
    | MemberRemove
    | MessageText
    | RoomLeave
    | EventErase
    | AgreementPropose
    | AgreementCounter
    | AgreementSign
    | AgreementDecline
    | AgreementWithdraw
    | AgreementEnd
    | AuditHead
    | AuditWitness
    | CrossingReceipt
    | CrdtDelta
    | CrdtSnapshot
    | DocumentBody
    | KnowledgeBody
    | KnowledgeSketch
)

SHAPES: dict[str, type[Body]] = {
    "epoch.open": EpochOpen,
    "checkpoint": Checkpoint,
    "node.profile": NodeProfile,
    "device.enrol": DeviceEnrol,
    "device.revoke": DeviceRevoke,
    "grant.create": GrantCreate,
    "grant.revoke": GrantRevoke,
    "room.create": RoomCreate,
    "member.add": MemberAdd,
    "member.remove": MemberRemove,
    "message.text": MessageText,
    "room.leave": RoomLeave,
    "event.erase": EventErase,
    "agreement.propose": AgreementPropose,
    "agreement.counter": AgreementCounter,
    "agreement.sign": AgreementSign,
    "agreement.decline": AgreementDecline,
    "agreement.withdraw": AgreementWithdraw,
    "agreement.end": AgreementEnd,
    "audit.head": AuditHead,
    "audit.witness": AuditWitness,
    "crossing.receipt": CrossingReceipt,
    "crdt.delta": CrdtDelta,
    "crdt.snapshot": CrdtSnapshot,
    **DOCUMENT_SHAPES,
    **KNOWLEDGE_SHAPES,
    SKETCH: KnowledgeSketch,
}


class Place(NamedTuple):
    """In which kinds of streams a kind stands, and whether nodes and devices may write it."""

    streams: frozenset[str]
    by_node: bool
    by_device: bool


def _place(*streams: str, by_node: bool = True, by_device: bool = False) -> Place:
    return Place(frozenset(streams), by_node, by_device)


_ANY_STREAM = ("node", "participant", "members", "room", "pair", "knowledge", "sketch")

PLACES: dict[str, Place] = {
    "epoch.open": _place(*_ANY_STREAM),
    "checkpoint": _place(*_ANY_STREAM),
    "node.profile": _place("node"),
    "device.enrol": _place("participant", by_node=False, by_device=True),
    "device.revoke": _place("participant", by_node=False, by_device=True),
    "grant.create": _place("participant", by_node=False, by_device=True),
    "grant.revoke": _place("participant", by_node=False, by_device=True),
    "room.create": _place("members"),
    "member.add": _place("members"),
    "member.remove": _place("members"),
    "message.text": _place("room", by_device=True),
    "room.leave": _place("room"),
    "event.erase": _place("room", "knowledge", "sketch", by_device=True),
    "agreement.propose": _place("pair"),
    "agreement.counter": _place("pair"),
    "agreement.sign": _place("pair"),
    "agreement.decline": _place("pair"),
    "agreement.withdraw": _place("pair"),
    "agreement.end": _place("pair"),
    "audit.head": _place("pair"),
    "audit.witness": _place("pair"),
    "crossing.receipt": _place("pair"),
    "crdt.delta": _place("room", by_device=True),
    "crdt.snapshot": _place("room"),
    "document.update": _place("room", by_node=False, by_device=True),
    "document.upload": _place("room", by_node=False, by_device=True),
    "document.snapshot": _place("room"),
    "document.session": _place("participant", by_node=False, by_device=True),
    **{kind: _place("knowledge", by_device=True) for kind in KNOWLEDGE_SHAPES},
    SKETCH: _place("sketch"),
}
"""The table of kinds of docs/protocol.md, section 3."""

_OTHER_KINDS = {
    "node": _place("node"),
    "pair": _place("pair"),
    "members": _place("members"),
    "participant": _place("participant", by_node=False, by_device=True),
    "room": _place("room", by_device=True),
    "knowledge": _place("knowledge", by_device=True),
    "sketch": _place("sketch"),
}
"""Who may write kinds that are not in the table, by kind of stream."""


def fits_place(kind: str, stream_kind: str, *, by_device: bool) -> bool:
    """Whether the table of kinds lets a device (else: a node) write ``kind`` in such a stream."""
    place = PLACES.get(kind) or _OTHER_KINDS[stream_kind]
    return stream_kind in place.streams and (place.by_device if by_device else place.by_node)


learn(*SHAPES.values())
