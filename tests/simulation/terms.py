"""People change the terms: agreements between nodes, roles in rooms, words that are erased; and what must hold then.

``Deeds`` is what people do while everything goes wrong.
"""

import asyncio

from foedus.base.base64url import from_base64url, to_base64url
from foedus.base.limits import DAY, SECOND
from foedus.crypto.labels import signed_bytes
from foedus.log import streams
from foedus.log.port import Verdict
from foedus.trust.agreements.terms import SideTerms, Terms
from foedus.trust.inputs import HumanRequest
from foedus.trust.peer import State
from foedus.trust.tiers import Tier
from foedus.values.agreements import HumanWord
from tests.simulation.world import EPOCH_US

_ROLES = (50, 300, 400, 700, 900)
_STEPS_MAX = 8
_OPEN = Terms(ours=SideTerms(directions=["room", "knowledge"]), theirs=SideTerms(directions=["room"]), expires=0)
"""Terms under which rooms flow both ways, for ever."""


def word(key, did, document):
    """Return a human's approval of a document."""
    signature = key.sign(signed_bytes("agreement", from_base64url(document)))
    return HumanWord(did=did, device=key.public.hex(), signature=to_base64url(signature))


class Deeds:
    """What the people of a scenario do about terms."""

    def __init__(self, scenario):
        self.scenario = scenario
        self.world = scenario.world
        self.draw = scenario.draw
        self._reopening = set()

    # --- agreements -----------------------------------------------------------------------------

    async def negotiate(self):
        """The people of two connected nodes propose, counter, sign, decline and withdraw, some steps long."""
        edges = list(self.scenario.edges)
        one, other = (self.world.places[number] for number in self.draw.choice(edges))
        for _ in range(self.draw.randint(2, _STEPS_MAX)):
            here, there = self.draw.sample([one, other], 2)
            await self._step(here, there)
            await asyncio.sleep(self.draw.expovariate(0.7))

    async def _step(self, here, there):
        if not here.up or not is_connected(here, there):
            return
        line = here.life.node.agreements.line(there.node)
        waits = here.life.service.agreements.show(there.node.hex()) if line is not None else None
        theirs = waits.waits_for_us if waits is not None else []
        ours = [it.id for it in waits.proposals if it.by_us] if waits is not None else []
        if theirs:
            deed = self.draw.choice([self.sign, self.sign, self.sign, self._decline, self._counter])
            await deed(here, there, self.draw.choice(theirs))
        elif ours and self.draw.random() < 0.3:
            await self._withdraw(here, there, self.draw.choice(ours))
        else:
            await self.propose(here, there, self._terms())

    def _terms(self):
        now = EPOCH_US + int(self.world.loop.time() * SECOND)
        return self.draw.choice(
            [
                _OPEN,
                Terms(retention_days=self.draw.randint(1, 900)),
                Terms(ours=SideTerms(rate=self.draw.randint(6_000, 9_000))),
                Terms(humans=self.draw.choice(["named", "enrolled"])),
                Terms(expires=now + DAY),
                Terms(expires=now + self.draw.randint(5, 40) * SECOND),
                Terms(theirs=SideTerms(directions=["knowledge"])),
                Terms(ours=SideTerms(directions=[])),
            ]
        )

    async def propose(self, here, there, terms, answers=""):
        """Propose a version with the word of the human here."""
        human = await self.scenario.enrolled_human(here)

        async def work(service):
            drafted = service.agreements.draft(there.node.hex(), terms)
            consent = word(human.key, human.did, drafted.document)
            await service.agreements.propose(there.node.hex(), drafted.document, answers=answers, human=consent)
            if not self.scenario.is_busy:
                self._reopening.add(drafted.id)
            self.world.trace(f"{here} proposes {drafted.id[:8]} to {there}{' instead' if answers else ''}")

        if human is not None:
            await self.scenario.do(here, work)

    async def sign(self, here, there, proposal):
        """Sign a proposal of the other side with the word of the human here."""
        human = await self.scenario.enrolled_human(here)

        async def work(service):
            history = service.agreements.history(there.node.hex())
            document = next(it.document for it in history if it.id == proposal)
            await service.agreements.sign(there.node.hex(), proposal, word(human.key, human.did, document))
            self.world.trace(f"{here} signs {proposal[:8]} of {there}")

        if human is not None:
            await self.scenario.do(here, work)

    async def _counter(self, here, there, proposal):
        await self.propose(here, there, self._terms(), answers=proposal)

    async def _decline(self, here, there, proposal):
        self.world.trace(f"{here} declines {proposal[:8]} of {there}")
        await self.scenario.do(here, lambda service: service.agreements.decline(there.node.hex(), proposal))

    async def _withdraw(self, here, there, proposal):
        self.world.trace(f"{here} withdraws {proposal[:8]} from {there}")
        await self.scenario.do(here, lambda service: service.agreements.withdraw(there.node.hex(), proposal))

    async def terminate(self):
        """One side ends the agreement and with it the connection."""
        one, other = (self.world.places[number] for number in self.draw.choice(list(self.scenario.edges)))
        here, there = self.draw.sample([one, other], 2)
        if here.up and is_connected(here, there):
            self.world.trace(f"{here} ends the agreement with {there}")
            await self.scenario.do(here, lambda service: service.agreements.terminate(there.node.hex()))

    async def reopen(self):
        """Once the faults are over: connect again who is apart, and let rooms flow between all who are connected."""
        for numbers in list(self.scenario.edges):
            one, other = (self.world.places[number] for number in numbers)
            if not (one.up and other.up):
                continue
            if any(is_asking(*pair) for pair in ((one, other), (other, one))):
                continue
            if not is_connected(one, other) and not is_connected(other, one):
                await self.ask(one, other)
            elif is_closed(one, other) or is_closed(other, one):
                await self._reopen(one, other)

    async def ask(self, one, other):
        """Send a request for a connection."""
        self.world.trace(f"{one} asks {other}")
        wish = HumanRequest(Tier.CORE, self.draw.randbytes(32), name=str(other), url=other.url, is_confirmed=True)
        await self.scenario.do(one, lambda service: service._node.peers.handle(other.node, wish))

    async def _reopen(self, one, other):
        """Say no to what waits from before, sign what reopens, else propose it."""
        for here, there in ((one, other), (other, one)):
            if here.life.node.agreements.line(there.node) is None:
                return
            view = here.life.service.agreements.show(there.node.hex())
            for proposal in view.waits_for_us:
                deed = self.sign if proposal in self._reopening else self._decline
                await deed(here, there, proposal)
            for proposal in view.proposals:
                if proposal.by_us and proposal.id not in self._reopening:
                    await self._withdraw(here, there, proposal.id)
        if not any(it.by_us for it in one.life.service.agreements.show(other.node.hex()).proposals):
            await self.propose(one, other, _OPEN)

    # --- rooms ----------------------------------------------------------------------------------

    async def give_role(self):
        """A host gives a guest another role."""
        rooms = [(room, host) for room, host in self.scenario.rooms.items() if host.up]
        if not rooms:
            return
        room, host = self.draw.choice(rooms)
        guests = self.scenario.guests(room)
        if guests:
            guest, role = self.draw.choice(guests), self.draw.choice(_ROLES)
            self.world.trace(f"{host} gives {guest} the role {role} in {room[:8]}")
            await self.scenario.do(host, lambda service: service.room_role(room, guest.node.hex(), role))

    async def erase(self):
        """Its author, the host, or whoever thinks they may, erases something that was said."""
        said = [it for it in self.world.acknowledged if it.id not in self.world.erasing]
        if not said:
            return
        event = self.draw.choice(said)
        room = event.stream.removeprefix("room:")
        author = self.world.place_of(event.node)
        people = [author, author, self.scenario.rooms[room], *self.scenario.guests(room)]
        place = self.draw.choice(people)
        reason = "author" if place is author else "moderator"

        async def work(service):
            placed = await service.erase(event.id.hex(), reason)
            self.world.trace(f"{place} erases {event.id.hex()[:8]} of {author} in {room[:8]}")
            self.world.erasing[bytes.fromhex(placed.id)] = event.id
            self.scenario.acknowledge(placed, place)

        await self.scenario.do(place, work)


def is_connected(here, there):
    peer = here.life.node.peers.book.peers.get(there.node)
    return peer is not None and peer.state is State.CONNECTED


def is_asking(here, there):
    peer = here.life.node.peers.book.peers.get(there.node)
    return peer is not None and peer.state in {State.REQUESTED, State.INCOMING, State.ACCEPTING}


def is_closed(here, there):
    """Whether the agreement that ``here`` holds to be in force lets rooms not flow both ways for ever."""
    terms = here.life.node.agreements.in_force(there.node)
    if terms is None:
        return True
    return any("room" not in directions for directions in terms.document.directions) or terms.document.expires


def is_settled(world):
    """Whether the two of each connection hold the same agreement to be in force, and rooms flow."""
    for place in world.places:
        for node, peer in place.life.node.peers.book.peers.items():
            there = world.place_of(node)
            if peer.state is State.CONNECTED and (is_closed(place, there) or not _is_same(place, there)):
                return False
    return True


def _is_same(here, there):
    mine, theirs = (one.life.node.agreements.in_force(other.node) for one, other in ((here, there), (there, here)))
    return mine is not None and theirs is not None and mine.id == theirs.id


def check(world):
    """Report what is not as it must be once all is quiet."""
    places = {place.node: place for place in world.places}
    for place in world.places:
        for node, peer in place.life.node.peers.book.peers.items():
            if peer.state is State.CONNECTED and node in places:
                _check_pair(world, place, places[node])
        _check_erased(world, place)


def _check_pair(world, here, there):
    mine = here.life.node.agreements.in_force(there.node)
    theirs = there.life.node.agreements.in_force(here.node)
    if mine is None or theirs is None or mine.id != theirs.id:
        ids = [None if it is None else f"{it.id.hex()[:8]} (version {it.document.version})" for it in (mine, theirs)]
        world.failed(f"{here} and {there} hold different agreements to be in force: {ids}")


def _check_erased(world, place):
    """No member holds the body of an event whose erasure it accepted; each that may count took effect."""
    log = place.life.disk.log
    for erase, event in world.erasing.items():
        row, target = log.by_ids([erase]).get(erase), log.by_ids([event]).get(event)
        if row is None or target is None or row.verdict is not Verdict.ACCEPTED:
            continue
        room = place.life.node.store.admission.authority.rooms.get(bytes.fromhex(streams.parse(row.stream).subject))
        if room is not None and place.node in room.present() and target.envelope.body is not None:
            world.failed(f"{place} still holds the body of {event.hex()[:8]}, which {erase.hex()[:8]} erased")
