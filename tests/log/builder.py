"""A world for tests: nodes, participants, rooms and what they do, as valid envelopes, the same for each seed.

Keys are made once a session (``tests.identity.nodes``). ``signed=False`` leaves the Ed25519 signatures of events
and acts zero: for tests that look at verdicts of signed events only, and for speed. All that is written stands in
``World.events`` in the order of writing; nothing is admitted anywhere until a test does so.
"""

from __future__ import annotations

from random import Random

from foedus.base.cbor import decode, encode
from foedus.base.clock import ZERO, Hlc
from foedus.base.ids import sha256
from foedus.base.limits import SECOND
from foedus.crypto.ed25519 import Ed25519Key
from foedus.identity.did import did_of
from foedus.identity.directory import IdentityDirectory
from foedus.identity.record import SignedRecord
from foedus.identity.ucan import issue_delegation, issue_revocation, parse_delegation
from foedus.log import streams
from foedus.log.checkpoints import make_checkpoint
from foedus.log.documents import scope
from foedus.log.event import (
    Act,
    Envelope,
    Event,
    Parsed,
    act_signing_bytes,
    digest_of,
    encode_event,
    event_signing_bytes,
    parse_event,
)
from foedus.log.participants import possession_bytes
from tests.identity import nodes as identity

START = 1_700_000_000 * SECOND
NO_SIGNATURE = bytes(64)
SAME = object()


class World:
    def __init__(self, seed: object = 0, *, signed: bool = True):
        self.random = Random(repr(seed))
        self.signed = signed
        self.now = START
        self.nodes: list[Node] = []
        self.events: list[Parsed] = []

    def bytes(self, count: int) -> bytes:
        return self.random.randbytes(count)

    def tick(self, step: int = SECOND) -> int:
        self.now += step
        return self.now

    def node(self, name: str = "") -> Node:
        node = Node(self, name or f"node{len(self.nodes)}")
        self.nodes.append(node)
        return node

    def records(self) -> list[SignedRecord]:
        return [record for node in self.nodes for record in node.records]

    def directory(self, *without: SignedRecord) -> IdentityDirectory:
        directory = IdentityDirectory()
        for record in self.records():
            if record not in without:
                directory.add(record)
        return directory

    def by_id(self) -> dict[bytes, Parsed]:
        return {parsed.id: parsed for parsed in self.events}


class Node:
    """A node with all its epochs, also those that a thief opened. ``epoch`` is the one it writes in."""

    def __init__(self, world: World, name: str):
        self.world = world
        self.name = name
        self.records = [identity.first(name)]
        self.key_names = {self.records[0].id: name}
        self.epoch = self.records[0].id
        self.id = self.records[0].id
        self.heads: dict[tuple[bytes, str], Parsed] = {}

    # --- epochs ------------------------------------------------------------------------------

    @property
    def keys(self):
        return identity.keys(self.key_names[self.epoch])

    def record(self, epoch: bytes = b"") -> SignedRecord:
        return next(record for record in self.records if record.id == (epoch or self.epoch))

    def rotate(self, cause: str = "rotation", *, after: bytes = b"") -> bytes:
        previous = self.record(after)
        name = f"{self.name}/{len(self.records)}"
        return self._enter(identity.rotate(previous, self.key_names[previous.id], name, cause), name)

    def recover(self, *, after: bytes) -> bytes:
        name = f"{self.name}/{len(self.records)}"
        return self._enter(identity.recover(self.record(after), name), name)

    def _enter(self, record: SignedRecord, name: str) -> bytes:
        self.records.append(record)
        self.key_names[record.id] = name
        self.epoch = record.id
        return record.id

    # --- writing -----------------------------------------------------------------------------

    def head(self, stream: str, epoch: bytes = b"") -> Parsed | None:
        return self.heads.get((epoch or self.epoch, stream))

    def chain_id(self, stream: str) -> bytes:
        return streams.chain_id(self.epoch, stream)

    def cut(self, stream: str) -> list:
        """Return [chain id, seq, id] of where this node's chain stands: what a withdrawal names."""
        head = self.head(stream)
        return [self.chain_id(stream), head.event.seq if head else 0, head.id if head else bytes(32)]

    def write(
        self,
        stream: str,
        kind: str,
        body: object,
        *,
        device: Device | None = None,
        author: object = None,
        auth: tuple = (),
        nonce: bytes = b"",
        at: int | None = None,
        after: object = SAME,
        hlc: Hlc | None = None,
        seq: int | None = None,
    ) -> Parsed:
        """Order an act. ``after``: the event (None: no event) that it follows instead of the head: that is a fork."""
        world = self.world
        before = self.head(stream) if after is SAME else after
        in_chain = before is not None and before.event.epoch == self.epoch
        hlc = hlc or max(Hlc(world.tick(), 0), (before.hlc if before else ZERO).following())
        body_bytes, salt = body if isinstance(body, bytes) else encode(body), world.bytes(32)
        act = Act(
            at=hlc.us if at is None else at,
            auth=tuple(auth),
            kind=kind,
            refs=(),
            nonce=nonce or world.bytes(16),
            author=author if author is not None else (device.participant.did if device else self.id),
            device=device.public if device else None,
            digest=digest_of(salt, body_bytes),
        )
        asig = None
        if device is not None:
            asig = device.key.sign(act_signing_bytes(act, self.epoch, stream)) if world.signed else NO_SIGNATURE
        event = Event(
            v=1,
            act=act,
            hlc=tuple(hlc),
            seq=seq or (before.event.seq + 1 if in_chain else 1),
            asig=asig,
            prev=before.id if before else None,
            epoch=self.epoch,
            stream=stream,
        )
        return self._sign(event, salt, body_bytes)

    def _sign(self, event: Event, salt: bytes, body: bytes) -> Parsed:
        data = encode_event(event)
        sig = self.keys.ed25519.sign(event_signing_bytes(data)) if self.world.signed else NO_SIGNATURE
        parsed = parse_event(Envelope(data, sig, salt, body))
        self.heads[event.epoch, event.stream] = parsed
        self.world.events.append(parsed)
        return parsed

    def open(self, stream: str, cut: Parsed | None) -> Parsed:
        """Take a stream up in this epoch, honouring what was written up to ``cut``."""
        return self.write(stream, "epoch.open", {}, after=cut)

    def checkpoint(self, chain, stream: str) -> Parsed:
        body = make_checkpoint(chain, self.world.now, self.keys.ed25519, self.keys.mldsa65)
        return self.write(stream, "checkpoint", body)

    def participant(self, name: str, kind: str = "agent", custody: str = "device", **write: object) -> Participant:
        return Participant(self, name, kind, custody, **write)

    def room(self, name: str = "room", **write: object) -> Room:
        return Room(self, name, **write)


class Device:
    def __init__(self, participant: Participant, name: str):
        self.participant = participant
        self.name = name
        self.key = Ed25519Key(sha256(b"device", name.encode()))
        self.public = self.key.public
        self.enrolment = b""


class Participant:
    """A participant, enrolled at its node by its first device."""

    def __init__(self, node: Node, name: str, kind: str, custody: str, **write: object):
        self.node = node
        self.name = name
        self.kind = kind
        self.custody = custody
        first = Device(self, f"{node.name}.{name}.0")
        self.devices = [first]
        self.did = did_of(first.public)
        self.stream = streams.participant(self.did)
        self.first = self._enrol(first, None, first, **write)

    def device(self, by: Device | None = None, **write: object) -> Device:
        """Enrol a further device."""
        device = Device(self, f"{self.node.name}.{self.name}.{len(self.devices)}")
        self.devices.append(device)
        possession = device.key.sign(possession_bytes(self.did, device.public, self.node.id))
        signer = by or self.devices[0]
        self._enrol(device, possession, signer, auth=(signer.enrolment,), **write)
        return device

    def body(self, device: Device, possession: bytes | None) -> dict:
        return {
            "did": self.did,
            "node": self.node.id,
            "kind": self.kind,
            "name": self.name,
            "custody": self.custody,
            "device": device.public,
            "possession": possession,
            "recovery": None,
        }

    def _enrol(self, device: Device, possession: bytes | None, signer: Device, **write: object) -> Parsed:
        body = self.body(device, possession) | write.pop("fields", {})
        parsed = self.node.write(self.stream, "device.enrol", body, device=signer, **write)
        device.enrolment = parsed.id
        return parsed

    def revoke(self, device: Device, cuts: list, by: Device | None = None) -> Parsed:
        signer = by or self.devices[0]
        body = {"device": device.public, "cuts": cuts}
        return self.node.write(self.stream, "device.revoke", body, device=signer, auth=(signer.enrolment,))

    def grant(self, audience: Device, by: Device | None = None, **fields: object) -> Parsed:
        """Delegate to a device; ``fields`` replace what ``issue_delegation`` takes."""
        signer = by or self.devices[0]
        own = did_of(signer.public)
        token = {
            "audience": did_of(audience.public),
            "subject": own,
            "command": "/foedus/room/speak",
            "policy": [],
            "nonce": self.node.world.bytes(12),
            "expires": None,
        }
        ucan = issue_delegation(fields.pop("key", signer.key), **(token | fields))
        return self.node.write(self.stream, "grant.create", {"ucan": ucan}, device=signer, auth=(signer.enrolment,))

    def session(self, key: bytes, room: Room, until: int, by: Device | None = None) -> Parsed:
        """Let a key sign updates of the document ``page`` of a room."""
        signer = by or self.devices[0]
        body = {"key": key, "room": scope(room.id), "document": scope(room.id, "page"), "until": until}
        return self.node.write(self.stream, "document.session", body, device=signer, auth=(signer.enrolment,))

    def withdraw(self, grant: Parsed, cuts: list, by: Device | None = None) -> Parsed:
        """Take a delegation back, whoever issued it."""
        signer = by or self.devices[0]
        cid = parse_delegation(decode(grant.envelope.body)["ucan"]).cid
        body = {"ucan": issue_revocation(signer.key, revoked=cid, nonce=b""), "cuts": cuts}
        return self.node.write(self.stream, "grant.revoke", body, device=signer, auth=(signer.enrolment,))


class Room:
    def __init__(self, host: Node, name: str, **write: object):
        self.host = host
        body = encode({"host": host.id, "name": name, "random": host.world.bytes(32)})
        self.id = sha256(body)
        self.stream = streams.room(self.id)
        self.members = streams.members(self.id)
        self.create = host.write(self.members, "room.create", body, **write)

    def add(
        self, node: Node, who: Participant | None = None, heads: list | None = None, role: int | None = None
    ) -> Parsed:
        body = {"node": node.id, "participant": who.did if who else None, "heads": heads or []}
        body |= {"role": role, "title": None}
        return self.host.write(self.members, "member.add", body)

    def remove(self, node: Node, who: Participant | None = None, cuts: list | None = None) -> Parsed:
        body = {"node": node.id, "participant": who.did if who else None, "cuts": cuts or []}
        return self.host.write(self.members, "member.remove", body)

    def say(self, who: Participant | Device, membership: Parsed, text: str = "hello", **write: object) -> Parsed:
        device = who if isinstance(who, Device) else who.devices[0]
        write.setdefault("auth", (device.enrolment, membership.id))
        node = write.pop("node", device.participant.node)
        return node.write(self.stream, "message.text", {"text": text}, device=device, **write)

    def edit(self, device: Device, membership: Parsed, kind: str = "document.update") -> Parsed:
        """Sign with a device, or a session key in place of one (``enrolment``: the session)."""
        body = {"document": "page", "part": 0, "parts": 1, "update": b"\0\0"}
        body = body if kind == "document.update" else {"text": "by a session key"}
        auth = (device.enrolment, membership.id)
        return device.participant.node.write(self.stream, kind, body, device=device, auth=auth)

    def say_as_node(self, node: Node, membership: Parsed, text: str = "hello", **write: object) -> Parsed:
        write.setdefault("auth", (membership.id,))
        return node.write(self.stream, "message.text", {"text": text}, **write)

    def erase(self, who: Device | Node, membership: Parsed, targets: list, reason: str = "author", **write: object):
        body = {"targets": targets, "reason": reason}
        if isinstance(who, Device):
            write.setdefault("auth", (who.enrolment, membership.id))
            return who.participant.node.write(self.stream, "event.erase", body, device=who, **write)
        write.setdefault("auth", (membership.id,))
        return who.write(self.stream, "event.erase", body, **write)
