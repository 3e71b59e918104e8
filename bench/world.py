"""Foreign nodes with participants in a room, and what they say: valid envelopes with two signatures each.

A host keeps the room; each sender node has participants whose devices sign. The same world can be fed to any number
of fresh nodes. Signing is done in threads before anything is timed.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from foedus.adapters.key_files import keys_from_seeds
from foedus.base.cbor import encode, frame
from foedus.base.ids import sha256
from foedus.base.limits import FRAME_EVENTS, HOUR, NONCE_BYTES, SALT_BYTES
from foedus.crypto.ed25519 import Ed25519Key
from foedus.identity.did import did_of
from foedus.identity.record import first_record
from foedus.identity.recovery import RecoverySecrets
from foedus.identity.ucan import issue_delegation
from foedus.log import streams
from foedus.log.admission import SignatureCheck, signature_checks
from foedus.log.event import (
    Act,
    Envelope,
    Event,
    act_signing_bytes,
    digest_of,
    encode_event,
    event_signing_bytes,
    parse_envelope,
)
from foedus.trust.border import SPEAK

SENDERS = 4
PARTICIPANTS = 2
_TEXT = "The harbour is calm and every lamp is lit; nothing moves on the water tonight. "
_STEP_US = 1_000


class Device:
    """A participant with one device, enrolled at its node. ``grants``: the events that its acts cite."""

    def __init__(self, node: ForeignNode, name: str, kind: str = "human") -> None:
        self.kind = kind
        self.grants: list[bytes] = []
        self.key = Ed25519Key(secrets.token_bytes(32))
        self.did = did_of(self.key.public)
        self.enrolment = b""
        self._stream = streams.participant(self.did)
        self.first = node.write(self._stream, "device.enrol", self._enrol(node, name), device=self)
        self.enrolment = node.ends[self._stream][1] or b""

    def grant(self, node: ForeignNode, to: Device, subject: str) -> bytes:
        """Delegate speech in rooms to a device, which cites it from now on; return the envelope."""
        ucan = issue_delegation(
            self.key, audience=to.did, subject=subject, command=SPEAK,
            policy=[["==", ".kind", "message.text"]], nonce=secrets.token_bytes(NONCE_BYTES), expires=None,
        )  # fmt: skip
        envelope = node.write(self._stream, "grant.create", {"ucan": ucan}, auth=(self.enrolment,), device=self)
        to.grants = [*self.grants, node.ends[self._stream][1] or b""]
        return envelope

    def _enrol(self, node: ForeignNode, name: str) -> dict[str, Any]:
        return {
            "did": self.did,
            "node": node.id,
            "kind": self.kind,
            "name": name,
            "custody": "device",
            "device": self.key.public,
            "possession": None,
            "recovery": None,
        }


class ForeignNode:
    """A node that exists only as its keys and the chains that it wrote."""

    def __init__(self) -> None:
        self.keys = keys_from_seeds(*(secrets.token_bytes(32) for _ in range(3)))
        self.record = first_record(
            self.keys, RecoverySecrets(secrets.token_bytes(32)).hash, salt=secrets.token_bytes(32)
        )
        self.id = self.record.node
        self.ends: dict[str, tuple[int, bytes | None]] = {}
        self._at = time.time_ns() // 1_000 - HOUR

    def write(
        self, stream: str, kind: str, body: object, *, auth: Sequence[bytes] = (), device: Device | None = None
    ) -> bytes:
        """Write the next event of a stream; return its envelope."""
        data = body if isinstance(body, bytes) else encode(body)
        salt = secrets.token_bytes(SALT_BYTES)
        self._at += _STEP_US
        act = Act(
            at=self._at,
            auth=tuple(auth),
            kind=kind,
            refs=(),
            nonce=secrets.token_bytes(NONCE_BYTES),
            author=device.did if device else self.id,
            device=device.key.public if device else None,
            digest=digest_of(salt, data),
        )
        epoch = self.record.id
        asig = device.key.sign(act_signing_bytes(act, epoch, stream)) if device else None
        seq, prev = self.ends.get(stream, (0, None))
        event = encode_event(
            Event(v=1, act=act, hlc=(self._at, 0), seq=seq + 1, asig=asig, prev=prev, epoch=epoch, stream=stream)
        )
        self.ends[stream] = (seq + 1, sha256(event))
        return Envelope(event, self.keys.ed25519.sign(event_signing_bytes(event)), salt, data).encode()


class World:
    """``prelude``: batches that make the room, its members and its participants known; feed them first.

    ``by_agents``: agents speak, by a chain of two grants from a human of their node; else humans do.
    """

    def __init__(self, *, by_agents: bool = False) -> None:
        self.host = ForeignNode()
        self.senders = [ForeignNode() for _ in range(SENDERS)]
        kind = "agent" if by_agents else "human"
        self.devices = {
            sender.id: [Device(sender, f"{kind} {number}", kind) for number in range(PARTICIPANTS)]
            for sender in self.senders
        }
        self.signers: dict[bytes, list[str]] = {}
        grants = [envelope for sender in self.senders for envelope in self._grant(sender)] if by_agents else []
        body = encode({"host": self.host.id, "name": "harbour", "random": secrets.token_bytes(32)})
        self.room = sha256(body)
        members = streams.members(self.room)
        opening = [self.host.write(members, "room.create", body)]
        self._memberships: dict[bytes, bytes] = {}
        for member in (self.host, *self.senders):
            add = {"node": member.id, "participant": None, "heads": [], "role": None, "title": None}
            opening.append(self.host.write(members, "member.add", add))
            self._memberships[member.id] = self.host.ends[members][1] or b""
        enrolments = [device.first for devices in self.devices.values() for device in devices]
        self.prelude = [b"".join(frame(envelope) for envelope in part) for part in (opening, enrolments, grants)]
        self.nodes = [self.host, *self.senders]

    def _grant(self, sender: ForeignNode) -> list[bytes]:
        """Let a human grant to a first agent, and that one to all that speak; return the envelopes."""
        human, chief = Device(sender, "human"), Device(sender, "chief", "agent")
        self.signers[sender.id] = [human.did]
        found = [human.first, chief.first, human.grant(sender, chief, human.did)]
        return [*found, *(chief.grant(sender, device, human.did) for device in self.devices[sender.id])]

    def batches(self, count: int) -> list[bytes]:
        """Return the next ``count`` batches of FRAME_EVENTS messages, each of one sender, as links carry them."""
        shares = [range(number, count, SENDERS) for number in range(SENDERS)]
        made: list[bytes] = [b""] * count
        with ThreadPoolExecutor(2) as pool:
            parts = list(pool.map(self._write, self.senders, map(len, shares)))
        for share, part in zip(shares, parts, strict=True):
            for place, batch in zip(share, part, strict=True):
                made[place] = batch
        return made

    def _write(self, sender: ForeignNode, count: int) -> list[bytes]:
        return [b"".join(frame(self._say(sender, place)) for place in range(FRAME_EVENTS)) for _ in range(count)]

    def _say(self, sender: ForeignNode, place: int) -> bytes:
        device = self.devices[sender.id][place % PARTICIPANTS]
        auth = (device.enrolment, self._memberships[sender.id], *device.grants)
        return sender.write(
            streams.room(self.room), "message.text", {"text": f"{_TEXT}{place}"}, auth=auth, device=device
        )

    def checks(self, envelopes: Sequence[bytes]) -> list[SignatureCheck]:
        """Return the signature checks that these envelopes of senders cost."""
        keys = {node.record.id: node.keys.ed25519.public for node in self.nodes}
        parsed = [parse_envelope(envelope) for envelope in envelopes]
        return [check for item in parsed for check in signature_checks(item, keys[item.event.epoch])]
