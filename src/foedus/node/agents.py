"""Participants of this node: the agents whose keys it keeps, and the names by which local people call them."""

from __future__ import annotations

import secrets

from foedus.base.cbor import decode_as
from foedus.base.errors import NotFound, UsageError
from foedus.crypto.ed25519 import Ed25519Key
from foedus.identity.did import did_of
from foedus.log import streams
from foedus.log.bodies import DeviceEnrol
from foedus.log.participants import Device, Participant
from foedus.node.author import Author
from foedus.node.home import check_name
from foedus.node.store import Store

PARTICIPANTS_MAX = 10_000
"""Participants of one node: each has a stream that all accepted peers hold."""


class Agents:
    """Keeps custodial keys in memory (32 bytes each), read once from HOME/agents."""

    def __init__(self, store: Store, author: Author) -> None:
        self._store = store
        self._author = author
        self._folder = store.home.agent_keys()
        self._keys: dict[str, Ed25519Key] = {}

    def local(self) -> list[Participant]:
        """Return this node's enrolled participants."""
        found = self._store.admission.authority.participants
        return [who for (node, _), who in found.items() if node == self._store.node and who.is_enrolled]

    def find(self, name: str) -> Participant:
        """Return a local participant by DID or name; raise NotFound, or UsageError where two have the name."""
        node, known = self._store.node, self._store.admission.authority.participants
        exact = known.get((node, name))
        if exact is not None and exact.is_enrolled:
            return exact
        found = [who for (home, _), who in known.items() if who.name == name and home == node and who.is_enrolled]
        if not found:
            raise NotFound(
                f"this node has no participant {name[:80]!r}",
                code="unknown_participant",
                remedy="see `foedus participant list`, or make one with `foedus participant add`",
            )
        if len(found) > 1:
            raise UsageError(f"{name!r} names {len(found)} participants", code="ambiguous", remedy="give the DID")
        return found[0]

    def key(self, who: Participant) -> Ed25519Key:
        """Return the key of a custodial agent; raise UsageError where the key is on a device."""
        if who.custody != "node":
            raise UsageError(
                f"{who.name} signs on a device: this node does not have the key",
                code="not_custodial",
                remedy="sign there: `foedus say --as NAME` with the FOEDUS_DEVICE that holds the key",
            )
        if who.did not in self._keys:
            self._keys[who.did] = self._folder.open(who.did, None)
        return self._keys[who.did]

    async def add(self, name: str) -> Participant:
        """Make an agent whose key this node keeps."""
        name = check_name(name)
        self.check_free(name)
        key = self._unused_key(name) or self._new_key(name)
        did = did_of(key.public)
        body = {
            "did": did,
            "node": self._store.node,
            "kind": "agent",
            "name": name,
            "custody": "node",
            "device": key.public,
            "possession": None,
            "recovery": None,
        }
        await self._author.order(
            [self._author.custodial_act(streams.participant(did), "device.enrol", body, (), did, key)]
        )
        return self.find(did)

    def _unused_key(self, name: str) -> Ed25519Key | None:
        """Return the key of that name whose enrolment does not stand: the disk was full, say, when it was ordered."""
        known = self._store.admission.authority.participants
        for entry in self._folder.list():
            held = known.get((self._store.node, entry.did))
            if entry.name == name and (held is None or not held.devices):
                return self._folder.open(name, None)
        return None

    def _new_key(self, name: str) -> Ed25519Key:
        key = Ed25519Key(secrets.token_bytes(32))
        self._folder.add(name, did_of(key.public), self._store.node, "agent", key.seed, None)
        return key

    def check_free(self, name: str) -> None:
        """Raise UsageError where a local participant has the name, or there are too many."""
        if any(who.name == name for who in self.local()):
            raise UsageError(f"there is a participant named {name!r}", code="name_taken", remedy="choose another name")
        if len(self.local()) >= PARTICIPANTS_MAX:
            raise UsageError(f"a node has at most {PARTICIPANTS_MAX} participants", code="too_many_participants")

    def check_enrolment(self, did: str, body: bytes, kind: str) -> None:
        """Refuse what the fold would reject anyway, before it is ordered: the name, custody, node and did."""
        if kind != "device.enrol":
            return
        enrol = decode_as(body, DeviceEnrol)
        check_name(enrol.name)
        if enrol.did != did or enrol.node != self._store.node:
            raise UsageError("the enrolment names another participant or node", code="not_permitted")
        if enrol.custody != "device":
            raise UsageError("the node makes the keys of custodial agents itself", code="not_permitted")
        held = self._store.admission.authority.participants.get((self._store.node, did))
        if held is None or not held.is_enrolled:
            self.check_free(enrol.name)

    @staticmethod
    def device(who: Participant) -> Device:
        """Return a device in force."""
        for device in who.devices.values():
            if device.cuts is None:
                return device
        raise UsageError(f"every device of {who.name} is revoked", code="unknown_device", http_status=403)

    @staticmethod
    def enrolment(who: Participant) -> bytes:
        """Return the id of the enrolment of a device in force."""
        return Agents.device(who).enrolment
