"""Knowledge in a simulation: packets and tasks are told everywhere, and all who hold the same show the same."""

from collections import defaultdict

from foedus.log.event import parse_event
from foedus.log.knowledge import KNOWLEDGE_SHAPES, read_knowledge
from foedus.log.port import Verdict
from foedus.node.knowledge_forms import (
    ClaimForm,
    DoneForm,
    OfferForm,
    ProgressForm,
    PublishForm,
    RepublishForm,
    RetractForm,
    ReviseForm,
)
from foedus.state.knowledge.source import read_source
from foedus.surfaces.cli.delegating import Scope
from foedus.trust.border import PUBLISH
from tests.simulation.checks import heads
from tests.simulation.terms import is_connected

_DOMAINS = ("sky", "sea")
_LEASES_S = (2, 10, 600)
_ALL = 1 << 30
_PLACES_WITH_TELLERS = 3
"""Elsewhere the node itself speaks: whoever speaks of knowledge is made known to everybody, which costs most."""
_SEARCHED = 4
"""Packets that are searched for at each node once all is quiet."""


class Telling:
    """What people and agents tell. ``placed``: event → (place, when it was told that it is durable)."""

    def __init__(self, scenario):
        self.scenario = scenario
        self.world = scenario.world
        self.draw = scenario.draw
        self.placed = {}
        self._packets = {}
        """Packet → (place, who): only that author revises it."""
        self._tasks = {}
        self._told = 0

    async def tell(self):
        """Somebody publishes, revises or takes back, passes on; or offers, claims or does a task."""
        place = self.draw.choice(self.world.places)
        who = self.draw.choice(["", "human", f"teller of {place}"]) if place.number < _PLACES_WITH_TELLERS else ""
        if not place.up or (who and not await self._is_there(place, who)):
            return
        deeds = [self._publish] * 3 + [self._offer] * 2
        deeds += ([self._revise] * 3 + [self._retract, self._pass_on]) * bool(self._packets)
        deeds += ([self._claim] * 4 + [self._progress] * 2 + [self._done]) * bool(self._tasks)
        form = await self.draw.choice(deeds)(place, who)
        if form is not None:
            await self._place(place, who, form)

    async def _is_there(self, place, who):
        human = await self.scenario.enrolled_human(place)
        if who == "human" or human is None:
            return human is not None
        if not self._is_known(place, who):
            await self.scenario.do(place, lambda service: service.participant_add_custodial(who))
            await self.scenario.do(place, lambda _: self._let(place, who))
        return place.up and self._is_known(place, who)

    async def _let(self, place, who):
        return await self.scenario.human(place).give(place.life.node.agents.find(who).did, Scope(PUBLISH))

    @staticmethod
    def _is_known(place, who):
        return any(who == it.name for it in place.life.node.agents.local())

    async def _place(self, place, who, form):
        if who == "human":
            placed = await self.scenario.do(place, lambda service: self._signed(service, place, form))
        else:
            placed = await self.scenario.do(place, lambda service: service.knowledge_tell([form]))
        if placed and placed[0].id:  # else it waits for a person, who is not asked here
            event = bytes.fromhex(placed[0].id)
            self.world.trace(f"{place} tells {form.kind} {event.hex()[:8]} in {placed[0].stream}")
            self.placed[event] = (place, self.scenario.now)
            if form.kind == "knowledge.publish":
                self._packets[event] = (place, who)
            if form.kind == "task.offer":
                self._tasks[event] = placed[0].stream.partition(":")[2]

    async def _signed(self, service, place, form):
        human, body = self.scenario.human(place), form.body()
        domain = form.domain or await service._domain_of(body)
        return await service.knowledge_signed(
            domain, [human.act(f"knowledge:{domain}", form.kind, body, (human.enrolment,))]
        )

    # --- what is told ----------------------------------------------------------------------------

    def _words(self):
        self._told += 1
        return {"title": f"packet number{self._told}", "content": f"found by n{self._told}"}

    def _as(self, who):
        return {"as_": "" if who == "human" else who}

    async def _publish(self, _place, who):
        """A packet, that half the time stands on others, which need not be here."""
        others = self.draw.sample(sorted(self._packets), min(2, len(self._packets))) if self.draw.random() < 0.5 else []
        domain = self.draw.choice(_DOMAINS)
        below = [other.hex() for other in others]
        return PublishForm(domain=domain, **self._words(), dependencies=below, **self._as(who))

    async def _revise(self, place, who):
        mine = [packet for packet, by in self._packets.items() if by == (place, who)] or sorted(self._packets)
        return ReviseForm(packet=self.draw.choice(mine).hex(), **self._words(), **self._as(who))

    async def _retract(self, _place, who):
        return RetractForm(packet=self._packet(), **self._as(who))

    async def _pass_on(self, place, who):
        packet = self._packet()
        found = await self.scenario.do(place, lambda service: service.knowledge_envelope(packet))
        if not found:
            return None
        return RepublishForm(domain=self.draw.choice(_DOMAINS), source=found.envelope, **self._as(who))

    async def _offer(self, _place, who):
        lease = self.draw.choice(_LEASES_S)
        return OfferForm(domain=self.draw.choice(_DOMAINS), title="to do", lease=lease, **self._as(who))

    async def _claim(self, _place, who):
        return ClaimForm(task=self._task(), **self._as(who))

    async def _progress(self, _place, who):
        return ProgressForm(task=self._task(), done=1, **self._as(who))

    async def _done(self, _place, who):
        outcome = self.draw.choice(["done", "given_up", "cancelled"])
        return DoneForm(task=self._task(), outcome=outcome, **self._as(who))

    def _packet(self):
        return self.draw.choice(sorted(self._packets)).hex()

    def _task(self):
        """Return one of the newest: claims of it come at the same time from several nodes."""
        return self.draw.choice(list(self._tasks)[-2:]).hex()


# --- what must hold ------------------------------------------------------------------------------


def flows(world):
    """Yield (place, other, chain) where the one may send the other what it holds of a chain of knowledge."""
    for place in world.places:
        chains = [it for it in place.life.node.store.admission.chains if it.kind == "knowledge" and it.seq]
        for there in world.places if chains else ():
            if there is place or not is_connected(place, there) or not is_connected(there, place):
                continue
            for chain in chains:
                may_take = not there.life.node.audience.may_carry(place.node, chain.stream)
                if may_take and place.life.node.audience.may_see(there.node, chain):
                    yield place, there, chain


def is_settled(telling):
    """Whether each node has all that a peer may send it."""
    world = telling.world
    names = {f"knowledge:{domain}" for domain in _DOMAINS}
    held = {place: heads(place, names) for place in world.places} if telling.placed else {}
    return not held or all(
        held[place][chain.key] == held[there].get(chain.key) or held[there].get(chain.key, (0,))[0] > chain.seq
        for place, there, chain in flows(world)
    )


async def check(telling):
    """Report what was lost, what differs between nodes that hold the same, and what is not as the log has it."""
    world, plan = telling.world, telling.scenario.plan
    if not telling.placed:
        return
    for place, there, chain in flows(world):
        _check_sent(world, place, there, chain)
    _check_kept(telling)
    if not (plan.negotiations or plan.terminations or plan.restores or plan.forks):
        _check_everywhere(telling)
    shown = {place: await _checked(telling, place) for place in world.places}
    first = {}
    for place, (counted, views) in shown.items():
        other, same = first.setdefault(counted, (place, views))
        if views != same:
            world.failed(f"{other} and {place} count the same of knowledge, and show another")
    largest = max(len(counted) for counted in first)
    world.trace(f"{len(telling.placed)} acts of knowledge; {largest} count at most, {len(first)} different sets")


def _check_sent(world, place, there, chain):
    contested = {(proof.epoch, proof.stream) for at in (place, there) for proof in at.life.disk.log.proofs()}
    if chain.key in contested:
        return
    held = {row.id: row for row in there.life.disk.log.chain(*chain.key, 0, _ALL)}
    for row in place.life.disk.log.chain(*chain.key, 0, _ALL):
        other = held.get(row.id)
        if other is None or (other.verdict, other.envelope) != (row.verdict, row.envelope):
            what = "lacks" if other is None else f"judges {other.verdict.name} ({other.reason!r}) or has no body of"
            world.failed(f"{there} {what} {row.kind} {row.id.hex()[:8]}, {row.verdict.name} at its peer {place}")


def _check_kept(telling):
    """What a client was told is durable stands at its node."""
    for event, (place, at) in telling.placed.items():
        row = place.life.disk.log.by_ids([event]).get(event)
        if row is None and at < place.doubtful_since:
            telling.world.failed(f"{place} lost {event.hex()[:8]}, which it had said is durable at {at:.3f}")


def _check_everywhere(telling):
    """All are connected and nobody forbids knowledge: what a node itself told counts at each of them."""
    for place in telling.world.places:
        counted = _counted(place)
        for event in telling.placed.keys() - counted.keys():
            writer = telling.placed[event][0]
            row = writer.life.disk.log.by_ids([event])[event]
            if parse_event(row.envelope).event.act.author == writer.node:
                telling.world.failed(f"{row.kind} {event.hex()[:8]} of {writer} does not count at {place}")


async def _checked(telling, place):
    """Return what counts at a place and what it shows, once that is what a plain walk of its log gives."""
    world, service = telling.world, place.life.service
    counted = _counted(place)
    packets, tasks = _packets(counted), _tasks(counted)
    shown = {bytes.fromhex(it.id): _packet_of(it) for it in (await service.knowledge_page(limit=200)).packets}
    if shown != packets:
        world.failed(f"{place} shows other packets than its log has: {_differing(shown, packets)}")
    done = {bytes.fromhex(it.id): _task_of(it) for it in (await service.tasks(limit=200)).tasks}
    if done != tasks:
        world.failed(f"{place} shows other tasks than its log has: {_differing(done, tasks)}")
    await _check_found(telling, place, packets)
    return frozenset(counted), (shown, done)


async def _check_found(telling, place, packets):
    titles = {title for state, title, *_ in packets.values() if state == "current"}
    found = {it.title for it in await place.life.service.knowledge_search("packet", limit=100)}
    if found != titles:
        telling.world.failed(f"{place} finds {sorted(found - titles)} too much, and not {sorted(titles - found)}")
    for title in telling.draw.sample(sorted(titles), min(_SEARCHED, len(titles))):
        first, *_ = await place.life.service.knowledge_search(title.removeprefix("packet "), limit=1) or [None]
        if first is None or first.title != title:
            telling.world.failed(f"{place} does not find {title!r} by its number")


def _differing(one, other):
    both = sorted(it for it in one.keys() | other.keys() if one.get(it) != other.get(it))
    return [(it.hex()[:8], one.get(it), other.get(it)) for it in both[:3]]


def _packet_of(view):
    return view.state, view.title, view.revision, view.who.node, view.who.author


def _task_of(view):
    holder = (view.holder.node, view.holder.author) if view.holder is not None else None
    return view.state, holder, view.until, view.note, view.done


def current_packets(place):
    """Yield (packet, title, row that began it) of those that stand at a place, by its log."""
    for packet, (state, title, *_) in _packets(_counted(place)).items():
        if state == "current":
            yield packet, title, place.life.disk.log.by_ids([packet])[packet]


# --- by a plain walk of the log ------------------------------------------------------------------


def _counted(place):
    """Return event → (clock, node, id, author, kind, body, domain) of all that counts."""
    node, found = place.life.node, {}
    for row in place.life.disk.log.since(0, _ALL):
        if row.kind not in KNOWLEDGE_SHAPES or row.verdict is not Verdict.ACCEPTED:
            continue
        event, writer = parse_event(row.envelope).event, node.store.identities.node_of(row.epoch)
        if row.envelope.body is None or node.withholding.clause(row, event, writer):
            continue
        body, author = read_knowledge(row.kind, row.envelope.body), event.act.author
        found[row.id] = (row.hlc, writer, row.id, author, row.kind, body, row.stream)
    return found


def _about(counted, begins, field):
    """Return what began something → what was told of it in its domain, by (clock, node, id)."""
    about = defaultdict(list)
    for told in sorted(counted.values(), key=lambda told: told[:3]):
        first = counted.get(getattr(told[5], field, None))
        if first is not None and first[4] in begins and first[6] == told[6]:
            about[first[2]].append(told)
    return {told[2]: (told, about[told[2]]) for told in counted.values() if told[4] in begins}


def _packets(counted):
    found = {}
    for packet, (first, later) in _about(counted, {"knowledge.publish", "knowledge.republish"}, "packet").items():
        _, node, _, author, kind, body, _ = first
        title = read_source(body.source).content.title if kind == "knowledge.republish" else body.title
        state, revision = "current", 0
        for _, by_node, _, by, what, says, _ in later:
            if by_node == node and by == author and what == "knowledge.revise" and kind == "knowledge.publish":
                title, revision = says.title, revision + 1
            if by_node == node and by in {author, node} and what == "knowledge.retract":
                state = "retracted"
        who = author if isinstance(author, str) else author.hex()
        found[packet] = (state, title if state == "current" else "", revision, node.hex(), who)
    return found


def _tasks(counted):
    found = {}
    for task, (first, later) in _about(counted, {"task.offer"}, "task").items():
        state, holder, until, note, done = "offered", None, 0, "", 0
        for hlc, node, _, author, kind, says, _ in later:
            by = (node.hex(), author if isinstance(author, str) else author.hex())
            if hlc < first[0] or state in {"done", "cancelled"}:
                continue
            lapses = hlc.us + first[5].lease * 1_000_000
            if kind == "task.claim" and (holder is None or hlc.us > until):
                state, holder, until, note, done = "claimed", by, lapses, "", 0
            elif kind == "task.progress" and by == holder:
                until, note, done = lapses, says.note, says.done
            elif kind == "task.done" and says.outcome == "cancelled":
                offered = (first[1].hex(), first[3] if isinstance(first[3], str) else first[3].hex())
                state = "cancelled" if by in {offered, (first[1].hex(),) * 2} else state
            elif kind == "task.done" and by == holder:
                state = "done" if says.outcome == "done" else "offered"
                holder, until = (holder, until) if state == "done" else (None, 0)
                note, done = (note, done) if state == "done" else ("", 0)
        found[task] = (state, holder, until, note, done)
    return found
