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

SENDERS = 4
PARTICIPANTS = 2
_TEXT = "The harbour is calm and every lamp is lit; nothing moves on the water tonight. "
_STEP_US = 1_000


class Device:
    """A participant with one device, enrolled at its node."""

    def __init__(self, node: ForeignNode, name: str) -> None:
        self.key = Ed25519Key(secrets.token_bytes(32))
        self.did = did_of(self.key.public)
        self.enrolment = b""
        self.first = node.write(streams.participant(self.did), "device.enrol", self._enrol(node, name), device=self)
        self.enrolment = node.ends[streams.participant(self.did)][1] or b""

    def _enrol(self, node: ForeignNode, name: str) -> dict[str, Any]:
        return {
            "did": self.did,
            "node": node.id,
            "kind": "agent",
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
    """``prelude``: batches that make the room, its members and its participants known; feed them first."""

    def __init__(self) -> None:
        self.host = ForeignNode()
        self.senders = [ForeignNode() for _ in range(SENDERS)]
        self.devices = {
            sender.id: [Device(sender, f"agent {number}") for number in range(PARTICIPANTS)] for sender in self.senders
        }
        body = encode({"host": self.host.id, "name": "harbour", "random": secrets.token_bytes(32)})
        self.room = sha256(body)
        members = streams.members(self.room)
        opening = [self.host.write(members, "room.create", body)]
        self._memberships: dict[bytes, bytes] = {}
        for member in (self.host, *self.senders):
            add = {"node": member.id, "participant": None, "heads": []}
            opening.append(self.host.write(members, "member.add", add))
            self._memberships[member.id] = self.host.ends[members][1] or b""
        enrolments = [device.first for devices in self.devices.values() for device in devices]
        self.prelude = [b"".join(frame(envelope) for envelope in part) for part in (opening, enrolments)]
        self.nodes = [self.host, *self.senders]

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
        auth = (device.enrolment, self._memberships[sender.id])
        return sender.write(
            streams.room(self.room), "message.text", {"text": f"{_TEXT}{place}"}, auth=auth, device=device
        )

    def checks(self, envelopes: Sequence[bytes]) -> list[SignatureCheck]:
        """Return the signature checks that these envelopes of senders cost."""
        keys = {node.record.id: node.keys.ed25519.public for node in self.nodes}
        parsed = [parse_envelope(envelope) for envelope in envelopes]
        return [check for item in parsed for check in signature_checks(item, keys[item.event.epoch])]
