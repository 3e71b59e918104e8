"""A person with a device folder of their own: what `foedus participant add` and `foedus say` do, in this process."""

from __future__ import annotations

import os
from pathlib import Path

from msgspec import to_builtins

from foedus.adapters.device_folder import HUMAN, DeviceFolder
from foedus.base.errors import NotFound
from foedus.base.ids import parse_id
from foedus.crypto.ed25519 import SEED_BYTES, Ed25519Key
from foedus.identity.did import did_of
from foedus.log.streams import room as room_stream
from foedus.node.approvals import CARRIES
from foedus.node.knowledge_forms import PublishForm
from foedus.surfaces.cli.client import path_of
from foedus.surfaces.cli.delegating import Scope
from foedus.surfaces.cli.devices import sign
from foedus.surfaces.cli.participants import enrolment_draft, find_one
from foedus.surfaces.cli.persons import Person as Signer
from foedus.surfaces.cli.signing import Draft
from foedus.surfaces.cli.speaking import membership_of
from foedus.surfaces.demo.processes import NodeProcess
from foedus.trust.border import SPEAK
from foedus.values.consent import ApprovalView, GrantView
from foedus.values.knowledge import KnowledgePlaced
from foedus.values.node import ParticipantView, Placed, SigningContext
from foedus.values.rooms import RoomView


class Person:
    """A human at ``node``, whose key is in ``folder``, sealed by ``passphrase``."""

    def __init__(self, name: str, node: NodeProcess, folder: Path, passphrase: str) -> None:
        self.name = name
        self.node = node
        self._folder = DeviceFolder(folder)
        self._passphrase = passphrase
        self._did = ""
        self._key: Ed25519Key | None = None

    @property
    def did(self) -> str:
        """Whose words they are, once enrolled."""
        return self._did

    def enrol(self) -> None:
        """Make the key, seal it on the device, and let it enrol itself at the node."""
        own = parse_id(self.node.client.get("/signing", SigningContext).node)
        seed = os.urandom(SEED_BYTES)
        self._did = did_of(Ed25519Key(seed).public)
        self._folder.add(self.name, self._did, own, HUMAN, seed, self._passphrase)
        act = sign(self.node.client, self._unlocked(), enrolment_draft(self._unlocked(), own, HUMAN, self.name))
        self.node.client.post(path_of("participants", self._did, "acts"), Placed, act)

    def say(self, room: str, text: str) -> Placed:
        """Sign a message on the device and hand it to the node."""
        client = self.node.client
        who = find_one(client.get("/participants", list[ParticipantView], {"q": self._did}), self._did)
        view = client.get(path_of("rooms", room), RoomView)
        auth = (parse_id(_enrolment(who)), parse_id(membership_of(view, who)))
        draft = Draft(self._did, room_stream(parse_id(room)), "message.text", {"text": text}, auth)
        return client.post(path_of("rooms", room, "messages"), Placed, sign(client, self._unlocked(), draft))

    def publish(self, domain: str, title: str, content: str) -> KnowledgePlaced:
        """Sign a packet of knowledge on the device and hand it to the node."""
        client, signer = self.node.client, self._signer()
        form = PublishForm(domain=domain, title=title, content=content)
        draft = Draft(self._did, f"knowledge:{domain}", form.kind, form.body(), (signer.enrolment,))
        asked = {"domain": domain, "acts": [to_builtins(sign(client, self._unlocked(), draft))]}
        return client.post("/knowledge/acts:signed", list[KnowledgePlaced], asked)[0]

    def allow(self, waiting: ApprovalView) -> ApprovalView:
        """Allow exactly this act of an agent."""
        scope = Scope(waiting.command, [waiting.room], digest=waiting.digest, lasts=CARRIES)
        act = self._signer().signed_grant(self.node.client, waiting.agent.did, scope)
        body = {"did": self._did, "act": act.act, "asig": act.asig, "salt": act.salt, "body": act.body}
        return self.node.client.post(path_of("approvals", waiting.id, "allow"), ApprovalView, body)

    def grant(self, agent: str, room: str) -> GrantView:
        """Let an agent speak in a room until further notice."""
        return self.give(agent, Scope(SPEAK, [room]))

    def give(self, agent: str, scope: Scope) -> GrantView:
        """Let an agent of this person's node do something."""
        client = self.node.client
        found = client.get("/participants", list[ParticipantView], {"q": agent})
        audience = find_one([who for who in found if who.is_local], agent)
        placed = self._signer().give(client, audience.did, scope)
        return client.get(path_of("grants", placed.id), GrantView)

    def revoke(self, granted: GrantView) -> None:
        """Take a grant back."""
        client = self.node.client
        cuts = client.get(path_of("grants", granted.id, "cuts"), list[tuple[str, int, str]])
        self._signer().take_back(client, granted.cid, cuts)

    def _signer(self) -> Signer:
        client = self.node.client
        who = find_one(client.get("/participants", list[ParticipantView], {"q": self._did}), self._did)
        return Signer(self._did, self._unlocked(), parse_id(_enrolment(who)))

    def _unlocked(self) -> Ed25519Key:
        """Return the key; the passphrase is asked for once, as in a session at the device."""
        if self._key is None:
            self._key = self._folder.open(self.name, self._passphrase)
        return self._key


def _enrolment(who: ParticipantView) -> str:
    for device in who.devices:
        if not device.revoked:
            return device.enrolment
    raise NotFound(f"{who.name} has no device in force", code="device_not_found")
