"""The fold of a participant's stream: which devices speak for a participant, and until where."""

from __future__ import annotations

from typing import Literal, NamedTuple

from foedus.base.cbor import encode
from foedus.base.ids import sha256
from foedus.crypto import ed25519
from foedus.crypto.labels import signed_bytes
from foedus.identity.did import did_of
from foedus.log.bodies import PLACES, DeviceEnrol, DeviceRevoke, GrantCreate, GrantRevoke, fits_place
from foedus.log.control import ControlEvent
from foedus.log.documents import EDITS, SESSION_US, DocumentSession, scope
from foedus.log.event import Event
from foedus.log.grants import Grant, Withdrawal, delegation_of, revoked_by
from foedus.log.port import Verdict
from foedus.log.resting import Resting, withdrawal_of


class Judgement(NamedTuple):
    """An authority verdict with its reason ('' where accepted)."""

    verdict: Verdict
    reason: str


ACCEPTED = Judgement(Verdict.ACCEPTED, "")


def rejected(reason: str) -> Judgement:
    """Return a rejection."""
    return Judgement(Verdict.REJECTED, reason)


def pending(reason: str) -> Judgement:
    """Return a verdict that waits."""
    return Judgement(Verdict.PENDING, reason)


class Device:
    """An enrolled device. ``cuts`` is None while it is in force, else chain id → last seq that counts."""

    __slots__ = ("cuts", "enrolment", "key", "name")

    def __init__(self, key: bytes, enrolment: bytes, name: str) -> None:
        self.key = key
        self.enrolment = enrolment
        self.name = name
        self.cuts: dict[bytes, int] | None = None

    def speaks_at(self, chain_id: bytes, seq: int) -> bool:
        """Whether its signature counts at this place."""
        return self.cuts is None or seq <= self.cuts.get(chain_id, 0)


class Session(Device):
    """A key that signs updates of one document for a device, until a time. It ends with that device."""

    __slots__ = ("document", "issuer", "room", "until")

    def __init__(self, body: DocumentSession, enrolment: bytes, issuer: Device) -> None:
        super().__init__(body.key, enrolment, issuer.name)
        self.room, self.document, self.until = body.room, body.document, body.until
        self.issuer = issuer

    def speaks_at(self, chain_id: bytes, seq: int) -> bool:
        """Whether its signature counts at this place."""
        return self.issuer.speaks_at(chain_id, seq)

    def covers(self, event: Event) -> bool:
        """Whether it may sign this event; which document that is of, only the body says."""
        kind, _, room = event.stream.partition(":")
        in_room = kind == "room" and scope(bytes.fromhex(room)) == self.room
        return event.act.kind in EDITS and in_room and event.hlc[0] < self.until


class Participant:
    """A participant at a node, as the held events of its stream say. Fold with ``apply``, in order.

    ``grants``: what its devices delegated, by event id; ``withdrawals``: what it took back, by CID. What of them and of
    the sessions ended some time ago is in ``resting`` instead.
    """

    def __init__(self, did: str, node: bytes, resting: Resting | None = None) -> None:
        self.did = did
        self.node = node
        self.kind: Literal["human", "agent"] = "agent"
        self.custody: Literal["device", "node"] = "device"
        self.name = ""
        self.recovery: bytes | None = None
        """SHA-256 of the recovery key, as the first enrolment names it."""
        self.devices: dict[bytes, Device] = {}
        self.sessions: dict[bytes, Session] = {}
        self.grants: dict[bytes, Grant] = {}
        self.withdrawals: dict[bytes, Withdrawal] = {}
        self.resting = resting

    def withdrawal(self, cid: bytes) -> Withdrawal | None:
        """Return how it took a delegation back, None where it did not."""
        held = self.withdrawals.get(cid)
        return held if held is not None or self.resting is None else self.resting.withdrawal(cid)

    def has_withdrawn(self, cid: bytes) -> bool:
        """Whether it took a delegation back."""
        return cid in self.withdrawals or (self.resting is not None and cid in self.resting.withdrawals)

    def session(self, key: bytes) -> Session | None:
        """Return what a session key may sign, also where its time is over."""
        held = self.sessions.get(key)
        event = self.resting.session(key) if held is None and self.resting is not None else None
        if event is None or not isinstance(event.body, DocumentSession):
            return held
        return Session(event.body, event.id, self.devices[event.act.device or b""])

    def has_session(self, key: bytes) -> bool:
        """Whether a session key was opened."""
        return key in self.sessions or (self.resting is not None and key in self.resting.sessions)

    def granted(self, event: ControlEvent) -> Grant | None:
        """Return what an accepted ``grant.create`` of its stream gave, also where that rests."""
        held = self.grants.get(event.id)
        if held is not None or self.resting is None:
            return held
        delegation, device = delegation_of(event), self.devices.get(event.act.device or b"")
        if isinstance(delegation, str) or device is None:
            return None
        return Grant(event.id, delegation, self, device)

    @property
    def is_enrolled(self) -> bool:
        """Whether a first enrolment was accepted."""
        return bool(self.devices)

    def apply(self, event: ControlEvent) -> Judgement:
        """Judge the next event of the stream and, if it is accepted, let it take effect."""
        act = event.act
        if not fits_place(act.kind, "participant", by_device=act.device is not None):
            return rejected("not_permitted")
        if not event.has_body:
            return pending("body")
        return ACCEPTED if act.device is None else self._by_device(event, act.device)

    def _by_device(self, event: ControlEvent, device: bytes) -> Judgement:
        if event.act.author != self.did:
            return rejected("not_permitted")
        if isinstance(event.body, DeviceEnrol) and not self.devices:
            return self._first(event, event.body)
        signer = self.devices.get(device)
        in_force = signer is not None and signer.cuts is None and signer.enrolment in event.act.auth
        if not in_force and not self._is_recovery(event, device):
            return rejected("unknown_device")
        return self._take(event, signer)

    def _is_recovery(self, event: ControlEvent, key: bytes) -> bool:
        """Whether the offline recovery key signs: it enrols and revokes devices, and says nothing else."""
        may = isinstance(event.body, DeviceEnrol | DeviceRevoke)
        return may and self.recovery is not None and sha256(key) == self.recovery

    def _take(self, event: ControlEvent, signer: Device | None) -> Judgement:
        """Let an act take effect; without a ``signer`` the recovery key signed it, and it is one of the first two."""
        body = event.body
        if isinstance(body, DeviceEnrol):
            return self._enrol(event, body)
        if isinstance(body, DeviceRevoke):
            return self._revoke(body)
        if isinstance(body, GrantRevoke):
            return self._withdraw(event, body)
        if signer is not None and isinstance(body, GrantCreate | DocumentSession):
            return self._grant(event, signer) if isinstance(body, GrantCreate) else self._open(event, body, signer)
        return rejected("malformed_event") if event.act.kind in PLACES else ACCEPTED

    def _first(self, event: ControlEvent, body: DeviceEnrol) -> Judgement:
        fits = body.device == event.act.device and body.possession is None and did_of(body.device) == self.did
        if not fits or not self._is_ours(body):
            return rejected("unknown_device")
        self.kind, self.custody, self.name, self.recovery = body.kind, body.custody, body.name, body.recovery
        self.devices[body.device] = Device(body.device, event.id, body.name)
        return ACCEPTED

    def _enrol(self, event: ControlEvent, body: DeviceEnrol) -> Judgement:
        hides_a_human = self.kind == "human" and body.custody == "node"
        if not self._is_ours(body) or hides_a_human or body.device in self.devices or body.possession is None:
            return rejected("not_permitted")
        if event.possession_holds is None:
            claim = possession_bytes(body.did, body.device, body.node)
            event.possession_holds = ed25519.verify(body.device, claim, body.possession)
        if not event.possession_holds:
            return rejected("invalid_signature")
        self.devices[body.device] = Device(body.device, event.id, body.name)
        return ACCEPTED

    def _revoke(self, body: DeviceRevoke) -> Judgement:
        device = self.devices.get(body.device)
        if device is None or device.cuts is not None:
            return rejected("unknown_device")
        device.cuts = {cut.chain: cut.seq for cut in body.cuts}
        return ACCEPTED

    def _grant(self, event: ControlEvent, signer: Device) -> Judgement:
        delegation = delegation_of(event)
        if isinstance(delegation, str):
            return rejected(delegation)
        self.grants[event.id] = Grant(event.id, delegation, self, signer)
        return ACCEPTED

    def _open(self, event: ControlEvent, body: DocumentSession, signer: Device) -> Judgement:
        """Let a key sign for a document. Naming a key of another's gives nothing: acts name their author."""
        if body.key in self.devices or self.has_session(body.key) or body.until - event.hlc_us > SESSION_US:
            return rejected("not_permitted")
        self.sessions[body.key] = Session(body, event.id, signer)
        return ACCEPTED

    def _withdraw(self, event: ControlEvent, body: GrantRevoke) -> Judgement:
        """Take a delegation back; one that was taken back already keeps its first cuts."""
        revoked = revoked_by(event)
        if isinstance(revoked, str):
            return rejected(revoked)
        if not self.has_withdrawn(revoked):
            self.withdrawals[revoked] = withdrawal_of(event.id, body)
        return ACCEPTED

    def _is_ours(self, body: DeviceEnrol) -> bool:
        """Whether node and did are those of the stream. A human's key is never in the node's custody."""
        honest_custody = body.custody == "device" or body.kind == "agent"
        return honest_custody and body.node == self.node and body.did == self.did


def possession_bytes(did: str, device: bytes, node: bytes) -> bytes:
    """Return what a further device signs to prove that its key agrees to be enrolled."""
    return signed_bytes("body", encode({"did": did, "device": device, "node": node}))
