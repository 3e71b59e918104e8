"""Fifty desks and a seeded network on a virtual clock: what a node does around its desk, without keys and bytes."""

import heapq
import random
from dataclasses import dataclass, field
from itertools import count

from foedus.query.desk import Desk, Opening
from foedus.query.inquiry import Entry, Finish, Forward, Give, Look, Report, Stop
from foedus.query.limits import LASTS_MAX, SKEW_MAX
from foedus.query.reports import gather

SECOND = 1_000_000


@dataclass
class World:
    """``faults``: each a chance in a thousand, per frame or per search."""

    seed: int
    nodes: int = 50
    lost: int = 0
    slow: int = 0
    silent: int = 0
    crashes: int = 0
    cuts: int = 0
    is_even: bool = False
    """Every frame takes as long, so that the shortest way is the fastest."""

    def __post_init__(self):
        self.random = random.Random(self.seed)
        self.now = 0
        self.frames = 0
        self._order = count()
        self._events = []
        self.ids = [bytes([number]) * 32 for number in range(1, self.nodes + 1)]
        self.links = self._connected()
        self.deaf = {node for node in self.ids if self._chance(self.silent)}
        self.closed = {node for node in self.ids if self._chance(100)}
        """Nodes that refuse to answer anybody but themselves."""
        self.desks = {node: Desk(node) for node in self.ids}
        self.held = {}
        self.looked = []
        self.asked = {}

    def _connected(self):
        """Make a connected graph: a tree, and as many links more."""
        links = {node: set() for node in self.ids}
        pairs = [(self.ids[i], self.ids[self.random.randrange(i)]) for i in range(1, self.nodes)]
        pairs += [tuple(self.random.sample(self.ids, 2)) for _ in range(self.nodes)]
        for one, other in pairs:
            links[one].add(other)
            links[other].add(one)
        return links

    def _chance(self, per_thousand):
        return self.random.randrange(1_000) < per_thousand

    def at(self, delay, call, *arguments):
        heapq.heappush(self._events, (self.now + delay, next(self._order), call, arguments))

    # --- what a node does around its desk ----------------------------------------------------

    def ask(self, node, hops, lasts=5 * SECOND):
        query = bytes(self.random.randrange(256) for _ in range(32))
        question = Question(query, node, hops, self.now + lasts, self.now)
        self.asked[query] = question
        self._open(node, question, None, (), self.now + lasts, self.links[node])
        return question

    def _open(self, node, question, carrier, path, deadline, peers):  # an opening's parts
        self.held[node, question.query] = (question, path)
        until = question.deadline + SKEW_MAX
        opening = Opening(question.query, question.node, carrier, deadline, until, sorted(peers))
        self._run(node, self.desks[node].open(opening, self.now))

    def _arrived(self, node, carrier, question, path, left):
        desk = self.desks[node]
        if question.query in desk.seen:
            self._send(node, carrier, self._over, question.query, (Report(node, "seen"),))
        elif node in self.closed:
            self._send(node, carrier, self._over, question.query, (Report(node, "refused", "tier"),))
        else:
            further = self.links[node] - set(path) if len(path) < question.hops else set()
            self._open(node, question, carrier, path, self.now + left, further)

    def _came(self, node, carrier, query, entries):
        self._run(node, self.desks[node].came(query, carrier, entries))

    def _over(self, node, carrier, query, reports):
        self._run(node, self.desks[node].over(query, carrier, reports))

    def _cancelled(self, node, carrier, query):
        self._run(node, self.desks[node].cancel(query, carrier))

    def _found(self, node, query):
        entry = Entry(node + query, b"")
        self._run(node, self.desks[node].found(query, [entry], Report(node, "answered", "", 1)))

    def _wake(self, node):
        self._run(node, self.desks[node].on_deadline(self.now))

    def _run(self, node, effects):
        for effect in effects:
            match effect:
                case Look(query=query):
                    self.looked.append((node, query))
                    slow = self._chance(self.slow)
                    self.at(self.random.randrange(20_000) + (20 * SECOND if slow else 0), self._found, node, query)
                case Forward(query=query, peer=peer, left=left):
                    question, path = self.held[node, query]
                    self._send(node, peer, self._arrived, question, (*path, node), left)
                case Give(query=query, to=None, entries=entries):
                    self.asked[query].results += [(self.now, entry.data) for entry in entries]
                case Give(query=query, to=to, entries=entries):
                    self._send(node, to, self._came, query, entries)
                case Finish(query=query, to=None, reports=reports):
                    self.asked[query].ended.append(self.now)
                    self.asked[query].reports = gather(reports)
                case Finish(query=query, to=to, reports=reports):
                    self._send(node, to, self._over, query, reports)
                case Stop(query=query, peer=peer) if peer is not None:
                    self._send(node, peer, self._cancelled, query)
        due = self.desks[node].next_deadline()
        if due is not None:
            self.at(due - self.now, self._wake, node)

    def _send(self, sender, to, call, *arguments):
        self.frames += 1
        if to not in self.links[sender] or self._chance(self.lost):
            return
        delay = 5_000 if self.is_even else self.random.randrange(1_000, 15_000)
        self.at(delay, self._deliver, sender, to, call, arguments)

    def _deliver(self, sender, to, call, arguments):
        if sender in self.links[to] and to not in self.deaf:
            call(to, sender, *arguments)

    # --- faults ------------------------------------------------------------------------------

    def cut(self, one, other):
        """End a link: both sides notice."""
        for node, peer in ((one, other), (other, one)):
            if peer in self.links[node]:
                self.links[node].discard(peer)
                self._run(node, self.desks[node].lost(peer))

    def crash(self, node):
        for peer in list(self.links[node]):
            self.cut(node, peer)
        self.desks[node] = Desk(node)

    def trouble(self, askers, lasts):
        """Plan crashes and cuts at random times. Who asks stays."""
        for node in self.ids:
            if node not in askers and self._chance(self.crashes):
                self.at(self.random.randrange(lasts), self.crash, node)
            for peer in sorted(self.links[node]):
                if self._chance(self.cuts):
                    self.at(self.random.randrange(lasts), self.cut, node, peer)

    def run(self, lasts):
        while self._events and self._events[0][0] <= lasts:
            self.now, _, call, arguments = heapq.heappop(self._events)
            call(*arguments)

    def reach(self, node, hops):
        """Return the nodes that a question can come to, by a plain walk: those that refuse pass nothing on."""
        reached, edge = {node}, {node}
        for _ in range(hops):
            edge = {peer for one in edge if one == node or one not in self.closed for peer in self.links[one]} - reached
            reached |= edge
        return reached


@dataclass
class Question:
    """A question that somebody asks, and what came of it."""

    query: bytes
    node: bytes
    hops: int
    deadline: int
    at: int
    results: list = field(default_factory=list)
    ended: list = field(default_factory=list)
    reports: list = field(default_factory=list)

    def sources(self):
        return [data[:32] for _, data in self.results]


assert LASTS_MAX > 5 * SECOND
