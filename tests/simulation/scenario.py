"""What happens in one simulation: a seed decides the nodes, their rooms, what they say, and what goes wrong."""

import asyncio
from contextlib import suppress
from functools import partial
from typing import NamedTuple

from foedus.base.errors import FoedusError
from foedus.base.limits import SECOND
from foedus.crypto.words import to_words
from foedus.identity.did import did_of
from foedus.node.room_forms import Said
from tests.node.people import Person, enrol
from tests.simulation import asking, calling, checks, editing, peerings, telling, terms, writing
from tests.simulation.peerings import human_key
from tests.simulation.watch import described
from tests.simulation.world import EPOCH_US

_POLL_S = 5.0
_QUIET_S = 20.0


class Acknowledged(NamedTuple):
    """A message whose author was told that it is durable."""

    id: bytes
    stream: str
    seq: int
    node: bytes
    at: float


class Scenario:
    """Runs a plan in a world."""

    def __init__(self, world, plan):
        self.world = world
        self.plan = plan
        self.draw = world.draw
        self.rooms = {}
        self.is_busy = True
        self.is_over = False
        self._spoken = 0
        self._chores = set()
        self.terms = terms.Deeds(self)
        self.writing = writing.Writing(self)
        self.editing = editing.Editing(self)
        self.telling = telling.Telling(self)
        self.calling = calling.Calling(self)
        self.asking = asking.Asking(self)
        world.acknowledged = []
        world.on_crash = self._crashed

    @property
    def now(self):
        return self.world.loop.time()

    async def run(self):
        self._build()
        await asyncio.gather(*(self._start_soon(place, 1.0) for place in self.world.places))
        await asyncio.sleep(2.0)
        for _ in range(self.plan.rooms):
            await self._make_room()
        for place in self.draw.sample(self.world.places, 3) if self.plan.calls else ():
            await self.calling.offer(place)
        self.world.faults = self._fault
        await self._be_busy()
        await self._heal()
        await self._settle()
        checks.check(self.world)
        terms.check(self.world)
        await writing.check(self.world)
        await editing.check(self.editing)
        await telling.check(self.telling)
        calling.check(self.calling)
        await self.asking.check()

    # --- building -------------------------------------------------------------------------------

    def _build(self):
        """A random tree, and half as many edges again."""
        places = [self.world.add_place() for _ in range(self.plan.nodes)]
        self.edges = {}
        for place in places:
            self.world.skew_us[place.url] = int(self.draw.uniform(-1, 1) * self.plan.skew_s * SECOND)
        for place in places[1:]:
            self._edge(place, self.draw.choice(places[: place.number]))
        for _ in range(len(places) // 2):
            one, other = self.draw.sample(places, 2)
            self._edge(one, other)

    def _edge(self, one, other):
        pair = tuple(sorted((one.number, other.number)))
        if pair not in self.edges:
            self.edges[pair] = None
            peerings.connect(one, other, EPOCH_US)

    def _neighbours(self, place):
        numbers = [it for pair in self.edges if place.number in pair for it in pair if it != place.number]
        return [self.world.places[number] for number in numbers]

    async def _start_soon(self, place, within_s):
        await asyncio.sleep(self.draw.random() * within_s)
        if not place.up:
            await self.world.start(place)

    # --- people ---------------------------------------------------------------------------------

    async def do(self, place, work):
        """Let a client of a running node do something; return what it was answered, None where it failed."""
        if not place.up:
            return None
        life = place.life

        async def guarded():
            try:
                return await work(life.service)
            except FoedusError as error:
                self.world.trace(f"{place} refuses: {error.code}: {error}")
            except Exception as error:  # noqa: BLE001  # a mistake of the node, whatever it is
                if not life.dead:
                    self.world.failed(f"{place}: a client got {described(error)}")
            return None

        with suppress(asyncio.CancelledError):
            return await life.spawn(guarded())
        return None

    async def _make_room(self):
        host = self.draw.choice(self.world.places)
        name = f"room {len(self.rooms)}"
        view = await self.do(host, lambda service: service.room_create(name))
        if view is None:
            return
        self.rooms[view.room] = host
        self.world.wire.let_in(view.room, host.node)
        self.world.trace(f"{host} makes {name} {view.room[:8]}")
        guests = self._neighbours(host)
        for guest in self.draw.sample(guests, self.draw.randint(1, len(guests))):
            await self._share(view.room, guest)

    async def _share(self, room, guest):
        self.world.wire.let_in(room, guest.node)
        self.world.trace(f"{self.rooms[room]} shares {room[:8]} with {guest}")
        await self.do(self.rooms[room], lambda service: service.room_share(room, guest.node.hex()))

    async def _say(self):
        """Someone says something in a room that it holds, itself or by an agent."""
        here = [(place, room) for place in self.world.places if place.up for room in self._rooms_of(place)]
        if not here:
            return
        place, room = self.draw.choice(here)
        self._spoken += 1
        said = Said(text=f"message {self._spoken} of {place}", as_=await self._agent(place))
        placed = await self.do(place, lambda service: service.say(room, said))
        if placed is not None and placed.approval:
            self.world.trace(f"{place} asks for a human in {room[:8]}")
        elif placed is not None:
            self.world.trace(f"{place} said {placed.seq} in {room[:8]}")
            self.acknowledge(placed, place)

    def acknowledge(self, placed, place):
        """Remember that a client was told that its message is durable."""
        event_id = bytes.fromhex(placed.id)
        self.world.acknowledged.append(Acknowledged(event_id, placed.stream, placed.seq, place.node, self.now))

    def _rooms_of(self, place):
        held = place.life.node.store.admission.authority.rooms
        return [room_id.hex() for room_id, room in held.items() if room.host and place.node in room.present()]

    async def _agent(self, place):
        """Half of what is said is said by an agent, made when it is first needed."""
        if self.draw.random() < 0.5:
            return ""
        name = f"agent of {place}"
        if not any(who.name == name for who in place.life.node.agents.local()):
            await self.trusted_agent(place, name)
        elif self.draw.random() < 0.1:
            await self._change_mind(place, name)
        return name if any(who.name == name for who in place.life.node.agents.local()) else ""

    async def trusted_agent(self, place, name):
        """Make an agent, the human of its place, and a grant between them."""
        await self.enrolled_human(place)
        await self.do(place, lambda service: service.participant_add_custodial(name))
        if place.up and {name, "human"} <= {who.name for who in place.life.node.agents.local()}:
            await self._give(place, name)

    def human(self, place):
        """Return the human of a place, at whichever node runs there now."""
        key = human_key(place)
        return Person(place.life, "human", key, did_of(key.public))

    async def enrolled_human(self, place):
        """Return the human of a place, enrolled; None where that cannot be now."""
        human = self.human(place)
        if place.up and not self._is_enrolled(place):
            await self.do(place, lambda _: enrol(place.life, "human", key=human.key))
        return self.human(place) if place.up and self._is_enrolled(place) else None

    def _is_enrolled(self, place):
        return self.human(place).did in {who.did for who in place.life.node.agents.local()}

    async def _give(self, place, name):
        async def give(_service):
            human = self.human(place)
            agent = place.life.node.agents.find(name)
            return await human.give(agent.did)

        return await self.do(place, give)

    async def _change_mind(self, place, name):
        """A human takes all grants back, and half the time gives a new one."""
        for view in place.life.service.grants():
            if view.state == "in_force":
                self.world.trace(f"{place} revokes {view.id[:8]}")
                await self.do(place, lambda _, view=view: self.human(place).take_back(view.id))
        if self.draw.random() < 0.5 and place.up:
            await self._give(place, name)

    def guests(self, room):
        """Return who else its host holds to be in a room."""
        host = self.rooms[room]
        present = host.life.node.store.admission.authority.rooms[bytes.fromhex(room)].present()
        return [place for place in self.world.places if place.node in present and place is not host]

    async def _remove(self):
        """A host takes a member out, or a member leaves; now and then it comes back."""
        rooms = [room for room, host in self.rooms.items() if host.up]
        if not rooms:
            return
        room = self.draw.choice(rooms)
        host = self.rooms[room]
        guests = self.guests(room)
        if not guests:
            return
        guest = self.draw.choice(guests)
        if self.draw.random() < 0.5:
            self.world.trace(f"{host} removes {guest} from {room[:8]}")
            await self.do(host, lambda service: service.room_unshare(room, guest.node.hex()))
        else:
            self.world.trace(f"{guest} leaves {room[:8]}")
            await self.do(guest, lambda service: service.room_leave(room))
        if self.draw.random() < 0.5:
            await asyncio.sleep(self.draw.random() * 10.0)
            await self._share(room, guest)

    async def _rotate(self):
        place = self.draw.choice(self.world.places)
        self.world.trace(f"{place} rotates its keys")
        await self.do(place, lambda service: service.key_rotate())

    async def _restart(self):
        """An operator stops a node in order, and starts it again a while later."""
        place = self.draw.choice(self.world.places)
        if place.up:
            with suppress(asyncio.CancelledError):
                await place.life.stop()
            if not place.up:
                self._chore(self._start_soon(place, 5.0))

    async def _introduce(self):
        """Two strangers connect: a request, a human who accepts."""
        one, other = self.draw.sample(self.world.places, 2)
        if not (one.up and other.up) or tuple(sorted((one.number, other.number))) in self.edges:
            return
        self.edges[tuple(sorted((one.number, other.number)))] = None
        await self.terms.ask(one, other)

    # --- backups --------------------------------------------------------------------------------

    async def _restore(self):
        """A node dies, and its home folder is that of some time ago: what it alone held is lost."""
        place = self.draw.choice(self.world.places)
        backup = place.life.disk.copy() if place.up else place.disk.copy()
        began = self.now
        await asyncio.sleep(self.draw.random() * 15.0)
        if place.up:
            place.life.crash()
        self.world.trace(f"{place} is restored from {self.now - began:.1f} s ago")
        place.disk = backup
        place.doubtful_since = min(place.doubtful_since, began)

    async def _fork(self):
        """Somebody starts a copy of a home where it reaches only some peers, while the node goes on with the others."""
        place = self.draw.choice(self.world.places)
        near = [it for it in self._neighbours(place) if it.up]
        if not place.up or not near or self.world.network.is_parted:
            return
        began = self.now
        there = set(self.draw.sample(near, self.draw.randint(1, len(near))))
        twin = self.world.add_twin(place)
        self.world.trace(f"{place} runs twice, the copy {twin} reaches {[str(it) for it in there]}")
        self.world.network.part(dict.fromkeys([*there, twin], 1))
        place.doubtful_since = min(place.doubtful_since, began)
        await self.world.start(twin)
        await asyncio.sleep(5.0)
        for number in range(self.draw.randint(1, 4)):
            for speaker in (twin, place):
                for room in self._rooms_of(speaker) if speaker.up else []:
                    said = Said(text=f"{number} by {speaker}")
                    await self.do(speaker, lambda service, room=room, said=said: service.say(room, said))
        await asyncio.sleep(self.draw.random() * 5.0)
        self.world.trace(f"the copy {twin} is stopped")
        if twin.up:
            twin.life.crash()
        self.world.network.heal()

    # --- what goes wrong ------------------------------------------------------------------------

    def _fault(self, life, what):
        if not self.is_busy:
            return ""
        if self.draw.random() < self.plan.crashes:
            return self.draw.choice(["crash before", "crash after"] if what == "log" else ["crash before"])
        if what == "log" and self.draw.random() < self.plan.refusals:
            self.world.trace(f"{life.place} has no space left")
            return "refuse"
        return ""

    def _crashed(self, place):
        if place in self.world.places:
            self._chore(self._start_soon(place, 8.0))

    def _chore(self, work):
        task = self.world.loop.create_task(work)
        self._chores.add(task)
        task.add_done_callback(self._chores.discard)

    async def _partition(self):
        if self.world.network.is_parted:
            return
        sides = {place: self.draw.randint(0, 1) for place in self.world.places}
        self.world.trace(f"partition: {[str(place) for place, side in sides.items() if side]} are apart")
        self.world.network.part(sides)
        await asyncio.sleep(self.draw.random() * 60.0)
        self.world.trace("the partition ends")
        self.world.network.heal()

    async def _break(self):
        connections = self.world.network.connections()
        if connections:
            connection = self.draw.choice(connections)
            connection.break_off()

    # --- the course -----------------------------------------------------------------------------

    async def _be_busy(self):
        plan = self.plan
        deeds = [self._say] * plan.messages + [self._break] * int(plan.breaks * plan.busy_s)
        deeds += [self._partition] * plan.partitions + [self._remove] * plan.removals
        deeds += [self._rotate] * plan.rotations + [self._introduce] * plan.introductions
        deeds += [self._restart] * plan.restarts + [self._restore] * plan.restores + [self._fork] * plan.forks
        deeds += [self.terms.negotiate] * plan.negotiations + [self.terms.terminate] * plan.terminations
        deeds += [self.terms.give_role] * plan.roles + [self.terms.erase] * plan.erasures
        deeds += [self.writing.write] * plan.deltas + [self.editing.edit] * plan.edits
        deeds += [self.calling.call] * plan.calls + [self.asking.ask] * plan.questions
        deeds += [partial(asking.pause, self)] * plan.pauses
        deeds += [self.telling.tell] * plan.tellings
        begun = [self.world.loop.create_task(self._later(deed)) for deed in deeds]
        human = self.world.loop.create_task(self._decide())
        await asyncio.gather(*begun)
        self._human = human

    async def _later(self, deed):
        await asyncio.sleep(self.draw.random() * self.plan.busy_s)
        await deed()

    async def _decide(self):
        """Let the people of each node look at what waits for them."""
        while True:
            await asyncio.sleep(5.0)
            for place in self.world.places:
                if place.up:
                    await self._answer(place, place.life.node)
            if not self.is_busy:
                for place in self.world.places if self.plan.pauses else ():
                    await asking.resume(self, place)
                await self.terms.reopen()

    async def _answer(self, place, node):
        """Accept who asks, follow epochs that wait, and bring out the recovery words where the keys are lost."""
        for pending in node.peers.book.pending():
            await self.do(place, lambda service, who=pending.peer.node: service.peer_accept(who.hex(), "CORE"))
        for who in list(node.records.held):
            await self.do(place, lambda service, who=who: service.peer_follow(who.hex()))
        if "key recover" in node.author.remedy and node.author.stopped:
            self.world.trace(f"{place} recovers its identity")
            await self.do(place, lambda service: service.key_recover(" ".join(to_words(place.words))))

    async def _heal(self):
        self.is_busy = False
        self.world.trace("the faults end")
        self.world.network.heal()
        while self._chores:
            await asyncio.gather(*self._chores)
        for place in self.world.places:
            if not place.up:
                await self.world.start(place)

    async def _settle(self):
        """Wait until all agree, and see that they still do a while later and have nothing more to say."""
        end = self.now + self.plan.patience_s
        while self.now < end:
            await asyncio.sleep(_POLL_S)
            if (
                checks.is_converged(self.world)
                and terms.is_settled(self.world)
                and self.editing.is_settled
                and calling.is_settled(self.calling)
                and telling.is_settled(self.telling)
                and self.now - self.world.wire.last_events > _QUIET_S
            ):
                self.world.trace("all agree")
                break
        else:
            self.world.failed(f"no agreement {self.plan.patience_s:.0f} s after the last fault")
        self._human.cancel()
