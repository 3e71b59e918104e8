"""Questions in a simulation: each ends by its deadline, and answers are what a plain walk of the logs gives."""

import asyncio
from collections import deque

from foedus.log.event import parse_event
from foedus.node.query_forms import Asked
from foedus.trust.peer import State
from foedus.trust.tiers import Tier
from tests.simulation.telling import current_packets
from tests.simulation.terms import is_connected

_DISKS_S = 1.0
"""Before it is shown, what an agent reads is noted on the simulated disk."""
_WAITS_MS = (300, 1_000, 4_000)
_RESULTS = 200
_ALL = 1 << 30


class Asking:
    """What the people of a scenario ask."""

    def __init__(self, scenario):
        self.scenario = scenario
        self.world = scenario.world
        self.draw = scenario.draw
        self.asked = self.ended = 0

    async def ask(self):
        """Somebody asks something, near or far."""
        place = self.draw.choice(self.world.places)
        if not place.up:
            return
        kind = self.draw.choice(["text", "causal", "topology"])
        what = self.draw.choice(["message", "packet"]) if self.scenario.plan.tellings else "message"
        about = {"text": f"{what} {self.draw.randint(1, 20)} of n"} if kind == "text" else {}
        event = self._some_event(place)
        if kind == "causal":
            if event is None:
                return
            about = {"event": event.hex()}
        scope = self.draw.choice(["local", "direct", "global", "global"])
        hops = self.draw.randint(1, 8) if scope == "global" else None
        wait_ms = self.draw.choice(_WAITS_MS)
        await self._answers(place, Asked(kind=kind, scope=scope, hops=hops, wait_ms=wait_ms, results=_RESULTS, **about))

    def _some_event(self, place):
        """Return an event that a place holds, mostly of a room."""
        rows = list(place.life.disk.log.since(0, _ALL))
        in_rooms = [row for row in rows if row.stream.startswith("room:")]
        rows = in_rooms if in_rooms and self.draw.random() < 0.8 else rows
        return self.draw.choice(rows).id if rows else None

    async def _answers(self, place, asked):
        began, life = self.scenario.now, place.life
        self.asked += 1
        view = await self.scenario.do(place, lambda service: service.answers(asked))
        lasted = self.scenario.now - began
        if not life.dead and lasted > asked.wait_ms / 1_000 + _DISKS_S:
            self.world.failed(f"{place} waited {lasted:.3f} s for answers within {asked.wait_ms} ms")
        if view is not None:
            self.ended += 1
            for merged in view.results:
                for found in merged.sources:
                    self._check_found(place, found)
        return view

    def _check_found(self, place, found):
        source = self.world.place_of(bytes.fromhex(found.node))
        if source is not place and (bytes.fromhex(found.query), source.node) not in self.world.ear.came:
            self.world.failed(f"{place} was answered by {source}, which was not asked")
        if found.kind == "event" and not self._is_related(found):
            self.world.failed(f"{source} told of {found.content[:8]} what no log has: {found.body}")
        if found.kind == "connection":
            between = tuple(sorted(self.world.place_of(bytes.fromhex(it)).number for it in found.body["between"]))
            if between not in self.scenario.edges or found.node not in found.body["between"]:
                self.world.failed(f"{source} told of a connection that never was")

    def _is_related(self, found):
        """Whether an event stands to the one it was found from as is told."""
        one, other = bytes.fromhex(found.content), bytes.fromhex(found.body["of"])
        cites, cited = (other, one) if found.body["direction"] == "before" else (one, other)
        event = self._event(cites)
        if event is None:  # a backup may have been brought back since
            return any(place.is_doubtful for place in self.world.places)
        ids = {"refs": event.act.refs, "auth": event.act.auth, "prev": (event.prev,)}
        return cited in ids.get(found.body["relation"], ())

    def _event(self, event):
        for place in self.world.places + self.world.twins:
            disk = place.life.disk if place.up else place.disk
            row = disk.log.by_ids([event]).get(event)
            if row is not None:
                return parse_event(row.envelope).event
        return None

    # --- when all is quiet -----------------------------------------------------------------------

    async def check(self):
        """Ask again, and compare with a plain walk of the log of each node that answers."""
        for place in self.draw.sample(self.world.places, min(3, len(self.world.places))) if self.asked else ():
            event = self._some_event(place)
            await self._check_causal(place, event)
            await self._check_topology(place)
            await self._check_text(place)
            await self._check_packets(place)
        self.world.trace(f"{self.ended} of {self.asked} questions were answered")

    async def _quietly(self, place, **about):
        return await self._answers(place, Asked(scope="direct", results=_RESULTS, wait_ms=20_000, **about))

    async def _check_causal(self, place, event):
        view = await self._quietly(place, kind="causal", event=event.hex())
        told = {}
        for found in [found for merged in view.results for found in merged.sources]:
            told.setdefault(found.node, set()).add((found.content, found.body["direction"], found.body["distance"]))
        for source in self._answering(place, view):
            walked = self._walk(source, place, event)
            if len(walked) < _RESULTS and walked != told.get(source.node.hex(), set()):
                self.world.failed(
                    f"{source} told {place} {len(told.get(source.node.hex(), ()))} of {len(walked)} causes"
                )

    def _answering(self, place, view):
        whole = {report.node for report in view.nodes if report.outcome == "answered"}
        near = [it for it in self.world.places if is_connected(place, it) and is_connected(it, place)]
        for source in near:
            if source.node.hex() not in {report.node for report in view.nodes}:
                self.world.failed(f"{place} was not told how its peer {source} did")
        return [it for it in [place, *near] if it.node.hex() in whole]

    def _walk(self, source, reader, start):
        """Return (event, direction, distance), of all that a reader may see, the shortest way."""
        rows = {row.id: row for row in source.life.disk.log.since(0, _ALL) if self._may_see(source, reader, row)}
        before, after = {}, {}
        for row in rows.values():
            event = parse_event(row.envelope).event
            before[row.id] = {*event.act.refs, *event.act.auth, event.prev} & rows.keys()
            for cited in {*event.act.refs} | ({event.prev} if self._is_next(rows, row, event) else set()):
                after.setdefault(cited, set()).add(row.id)
        found = set()
        for direction, links in (("before", before), ("after", after)):
            waiting, reached = deque([(start, 0)]), {start}
            while waiting and start in rows:
                event, distance = waiting.popleft()
                for other in (links.get(event, set()) & rows.keys()) - reached:
                    reached.add(other)
                    waiting.append((other, distance + 1))
                    found.add((other.hex(), direction, distance + 1))
        return found

    @staticmethod
    def _is_next(rows, row, event):
        """Whether an event follows ``prev`` in one chain; across epochs it is found as its cause alone."""
        return event.prev in rows and (rows[event.prev].epoch, rows[event.prev].seq + 1) == (row.epoch, row.seq)

    @staticmethod
    def _may_see(source, reader, row):
        origin = source.life.node.store.identities.node_of(row.epoch)
        return source is reader or source.life.node.audience.may_be_told(reader.node, row.stream, origin)

    async def _check_topology(self, place):
        view = await self._quietly(place, kind="topology")
        told = {}
        for found in [found for merged in view.results for found in merged.sources]:
            told.setdefault(found.node, set()).add(frozenset(found.body["between"]))
        for source in self._answering(place, view):
            book = source.life.node.peers.book.peers
            held = {frozenset((source.node.hex(), it.hex())) for it in book if book[it].state is State.CONNECTED}
            is_core = source is place or book[place.node].tier is Tier.CORE
            if told.get(source.node.hex(), set()) != (held if is_core else set()):
                self.world.failed(f"{source} told {place} of other connections than it has")

    async def _check_text(self, place):
        """Whatever was said and counts is found by its words, at each node that shows it to who asks."""
        view = await self._quietly(place, kind="text", text="message")
        told = {(found.node, found.content) for merged in view.results for found in merged.sources}
        for source in self._answering(place, view):
            node = source.life.node
            said = [row for row in source.life.disk.log.since(0, _ALL) if b"message" in (row.envelope.body or b"")]
            for row in [row for row in said if row.kind == "message.text" and self._may_see(source, place, row)]:
                event, writer = parse_event(row.envelope).event, node.store.identities.node_of(row.epoch)
                counts = row.verdict.name == "ACCEPTED" and not node.withholding.clause(row, event, writer)
                if counts and len(said) < _RESULTS and (source.node.hex(), row.id.hex()) not in told:
                    self.world.failed(f"{source} did not tell {place} of message {row.seq} of {row.stream[:14]}")

    async def _check_packets(self, place):
        """Each node tells of all packets that count there, and that who asks may hear of."""
        if not self.scenario.telling.placed:
            return
        view = await self._quietly(place, kind="text", text="packet")
        told = {}
        for found in [found for merged in view.results for found in merged.sources if found.kind == "packet"]:
            told.setdefault(found.node, {})[bytes.fromhex(found.body["packet"])] = found.body["title"]
        for source in self._answering(place, view):
            held = {
                packet: title for packet, title, row in current_packets(source) if self._may_see(source, place, row)
            }
            if told.get(source.node.hex(), {}) != held:
                self.world.failed(
                    f"{source} told {place} {len(told.get(source.node.hex(), ()))} of {len(held)} packets"
                )


async def pause(scenario):
    """Somebody pauses a peer for a while."""
    place = scenario.draw.choice(scenario.world.places)
    there = scenario.draw.choice(scenario._neighbours(place) or [place])
    if there is not place and place.up and is_connected(place, there):
        scenario.world.trace(f"{place} pauses {there}")
        await scenario.do(place, lambda service: service.peer_pause(there.node.hex()))
        await asyncio.sleep(scenario.draw.random() * 8.0)
        await scenario.do(place, lambda service: service.peer_resume(there.node.hex()))


async def resume(scenario, place):
    """Once the faults are over nobody stays paused."""
    for node, peer in list(place.life.node.peers.book.peers.items()):
        if peer.is_paused and peer.state is State.CONNECTED:
            await scenario.do(place, lambda service, node=node: service.peer_resume(node.hex()))
