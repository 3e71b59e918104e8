"""People and agents with keys of their own, for tests that drive a node's service in one process."""

import secrets
from dataclasses import dataclass

from foedus.base.errors import NotFound
from foedus.base.ids import parse_id
from foedus.base.limits import MINUTE
from foedus.crypto.ed25519 import Ed25519Key
from foedus.identity.did import did_of
from foedus.log import streams
from foedus.surfaces.cli.delegating import Scope, grant, grant_draft, revocation_draft
from foedus.surfaces.cli.participants import enrolment_draft
from foedus.surfaces.cli.signing import Draft, Moment, signed_act
from foedus.trust.border import SPEAK


@dataclass
class Person:
    """A participant whose device key the test holds."""

    running: object
    name: str
    key: Ed25519Key
    did: str

    @property
    def enrolment(self):
        """Of the device; raise NotFound where the log does not hold it (a commit failed)."""
        store = self.running.node.store
        who = store.admission.authority.participants.get((store.node, self.did))
        if who is None or self.key.public not in who.devices:
            raise NotFound(f"{self.name} is not enrolled", code="unknown_participant", remedy="enrol again")
        return who.devices[self.key.public].enrolment

    def sign(self, draft, salt=b""):
        context = self.running.service.signing_context()
        moment = Moment(
            parse_id(context.epoch),
            self.running.node.store.now(),
            secrets.token_bytes(16),
            salt or secrets.token_bytes(32),
        )
        return signed_act(self.key, draft, moment)

    def act(self, stream, kind, body, auth=(), refs=()):
        return self.sign(Draft(self.did, stream, kind, body, tuple(auth), tuple(refs)))

    def membership(self, room="plans"):
        found = self.running.service._rooms.find(room)
        return found.of(self.running.node.store.node, self.did).id

    async def say(self, text, room="plans", grants=(), salt=b""):
        found = self.running.service._rooms.find(room)
        auth = (self.enrolment, self.membership(room), *grants)
        act = self.sign(Draft(self.did, streams.room(found.id), "message.text", {"text": text}, auth), salt)
        return await self.running.service.say_signed(room, act)

    def signed_grant(self, audience, scope=None, *, key=None):
        ucan = grant(
            key or self.key, audience, scope or Scope(SPEAK), self.running.node.store.now(), secrets.token_bytes(16)
        )
        return self.sign(grant_draft(self.did, self.enrolment, ucan))

    async def give(self, audience, scope=None):
        """Grant to a device (did:key); return the event's id in hex."""
        placed = await self.running.service.participant_act(self.did, self.signed_grant(audience, scope))
        return placed.id

    async def take_back(self, grant_id):
        service = self.running.service
        held = service._grant(grant_id)
        cuts = [(parse_id(chain), seq, parse_id(last)) for chain, seq, last in service.grant_cuts(grant_id)]
        draft = revocation_draft(self.key, self.did, self.enrolment, held.delegation.cid, cuts)
        return await service.participant_act(self.did, self.sign(draft))

    async def allow(self, approval, scope=None):
        view = await self.running.service.approval(approval)
        scope = scope or Scope(view.command, [view.room], digest=view.digest, lasts=10 * MINUTE)
        return await self.running.service.approval_allow(view.id, self.did, self.signed_grant(view.agent.did, scope))


async def enrol(running, name, kind="human", key=None):
    """Make a participant with a key of its own at a running node."""
    key = key or Ed25519Key(secrets.token_bytes(32))
    it = Person(running, name, key, did_of(key.public))
    draft = enrolment_draft(key, running.node.store.node, kind, name)
    await running.service.participant_act(it.did, it.sign(draft))
    return it


async def trusted_agent(running, name):
    """Make a human and a custodial agent that may speak anywhere in the human's name. Do so before connecting."""
    human = await enrol(running, f"{name}'s human")
    did = await agent(running, name)
    await human.give(did)
    return did


async def agent(running, name):
    """Make a custodial agent; return the did:key of its device, which is its DID."""
    return (await running.service.participant_add_custodial(name)).did
