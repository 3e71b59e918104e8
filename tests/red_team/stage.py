"""A second node that lies, among the victim's peers: its own people and agents, whose enrolments it writes itself."""

import secrets
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from foedus.base.base64url import from_base64url
from foedus.crypto.ed25519 import Ed25519Key
from foedus.identity.did import did_of
from foedus.log import streams
from foedus.surfaces.cli.delegating import Scope, grant
from foedus.trust.agreement import in_order, sign
from foedus.trust.border import SPEAK
from tests.hostile.evil import id_of, now, villain
from tests.node.nodes import until


@dataclass
class Puppet:
    """A participant of the lying node."""

    key: Ed25519Key
    enrolment: object
    chain: list = field(default_factory=list)

    @property
    def did(self):
        return did_of(self.key.public)

    @property
    def stands_on(self):
        return id_of(self.enrolment)


@dataclass
class Stage:
    """A room that the victim hosts and the lying node is in. ``said``: what it wrote there, the last one last."""

    victim: object
    evil: object
    room: str
    said: list = field(default_factory=list)
    agreed: list = field(default_factory=list)

    @property
    def pair(self):
        return streams.pair(self.evil.node, self.victim.node.store.node)

    @property
    def stream(self):
        return streams.room(bytes.fromhex(self.room))

    @property
    def membership(self):
        return self.victim.service._rooms.find(self.room).of(self.evil.node, None).id

    async def enrol(self, name, kind="agent", custody="node"):
        key = Ed25519Key(secrets.token_bytes(32))
        did = did_of(key.public)
        body = {
            "did": did,
            "node": self.evil.node,
            "kind": kind,
            "name": name,
            "custody": custody,
            "device": key.public,
            "possession": None,
            "recovery": None,
        }
        enrolment = self.evil.write(streams.participant(did), kind="device.enrol", device=key, body=body)
        puppet = Puppet(key, enrolment, [enrolment])
        await self.evil.deliver(enrolment)
        await until(lambda: self.held(enrolment), f"{name}'s enrolment is held")
        return puppet

    async def give(self, human, agent, scope=None, ucan=None):
        """Write a grant of a puppet, valid or with bytes of one's own; return its event id."""
        ucan = ucan or grant(human.key, agent.did, scope or Scope(SPEAK), now(), secrets.token_bytes(16))
        last = human.chain[-1]
        event = self.evil.write(
            streams.participant(human.did),
            len(human.chain) + 1,
            id_of(last),
            kind="grant.create",
            device=human.key,
            auth=[human.stands_on],
            body={"ucan": ucan},
        )
        human.chain.append(event)
        await self.evil.deliver(event)
        await until(lambda: self.held(event), "the grant is held")
        return id_of(event)

    def writes(self, **changes):
        """Write the next event of the room's chain, without sending it."""
        prev = id_of(self.said[-1]) if self.said else None
        envelope = self.evil.write(self.stream, len(self.said) + 1, prev, **changes)
        self.said.append(envelope)
        return envelope

    async def says(self, text, puppet, grants=(), **changes):
        """Write what a puppet says, send it, and return its id once the victim holds it."""
        auth = changes.pop("auth", None) or (puppet.stands_on, self.membership, *grants)
        envelope = self.writes(body={"text": text}, device=puppet.key, auth=auth, **changes)
        await self.evil.deliver(envelope)
        await until(lambda: self.held(envelope), "it is held")
        return id_of(envelope).hex()

    async def tells(self, kind, body):
        """Write and send the next event about agreements."""
        prev = id_of(self.agreed[-1]) if self.agreed else None
        envelope = self.evil.write(self.pair, len(self.agreed) + 1, prev, kind=kind, body=body)
        self.agreed.append(envelope)
        await self.evil.deliver(envelope)
        await until(lambda: self.held(envelope), f"{kind} is held")

    async def agree(self, terms):
        """Let the victim propose, and the lying node sign, as its word is worth then; return (draft, what it wrote)."""
        agreements, victim = self.victim.service.agreements, self.victim.node.store
        drafted = agreements.draft(self.evil.id, terms)
        document = from_base64url(drafted.document)
        await agreements.propose(self.evil.id, drafted.document)
        signatures = (sign(keys, document) for keys in (self.evil.keys.ed25519, victim.keys.ed25519))
        both = list(in_order(self.evil.node, victim.node, *signatures))
        body = {"agreement": document, "signatures": both, "human": None}
        await self.tells("agreement.sign", body)
        await until(lambda: agreements.show(self.evil.id).in_force.id == drafted.id, "it is in force")
        return drafted, body

    def held(self, envelope):
        return self.victim.node.log.by_ids([id_of(envelope)]).get(id_of(envelope))


@asynccontextmanager
async def stage(victim, *guests):
    """Let a lying node into a room of the victim, as any peer is."""
    async with villain(victim) as evil:
        room = (await victim.service.room_create("plans")).room
        for guest in (evil, *guests):
            await victim.service.room_share(room, guest.id)
        yield Stage(victim, evil, room)
