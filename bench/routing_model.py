"""A federation of many nodes with skewed interests: what flooding finds, what routing finds, and what each costs.

Nodes are joined by a random graph of degree 6 to 8. Topics are directions; how many nodes follow a topic falls with its
rank (Zipf). A node follows one to three topics, has a focus of its own in each, and its packets lie around that focus.
Questions are of three sorts: like a packet that somebody has, about a topic as such, and (a few) like nothing there.
Sketches, ways and choices are made by ``foedus.query.routing`` itself; only delivery is simulated: questions travel in
rounds, and a node answers and passes on the first that comes.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from heapq import nlargest
from math import sqrt
from typing import Literal, NamedTuple, TypeAlias

from foedus.base.ids import sha256
from foedus.query.routing.choice import Arrival, choose
from foedus.query.routing.known import Known, Ranked
from foedus.query.routing.limits import TARGETS_MAX
from foedus.query.routing.routes import Routes
from foedus.query.routing.sketch import make_sketch
from foedus.query.routing.vectors import Vector, similarity, unit

DIMENSION = 32
TOPICS = 60
ZIPF = 1.0
"""Exponent: the second topic is followed by half as many as the first."""
PACKETS = 64
"""Of each node, shared among its topics: eight times as many as its sketch has centroids."""
FOCUS_NOISE, PACKET_NOISE, QUESTION_NOISE = 0.6, 0.5, 0.4
STRANGE = 0.02
"""Share of questions that are like nothing there."""
HOPS = 5
BEST = 10
MODEL = "simulated"

Sort: TypeAlias = Literal["like a packet", "about a topic", "like nothing"]
Pass: TypeAlias = Callable[[int, "int | None", int], Iterable[int]]


class Question(NamedTuple):
    """What is asked where; ``best``: the nodes of the ten packets that are most like it, of all that there are."""

    sort: Sort
    asker: int
    best: list[int]
    ranked: list[Ranked]


class Sent(NamedTuple):
    """How many of the ten best packets came, how often the question was sent, and why so (the asker's choice)."""

    found: int
    messages: int
    why: str = ""


class Asked(NamedTuple):
    """One question, both ways."""

    sort: Sort
    flooded: Sent
    routed: Sent


class Total(NamedTuple):
    """Many questions as parts of flooding: of the packets that it found, and of the messages that it sent."""

    recall: float
    messages: float


def total(asked: Sequence[Asked]) -> Total:
    """Return what routing found and sent of what flooding did."""
    return Total(
        sum(one.routed.found for one in asked) / sum(one.flooded.found for one in asked),
        sum(one.routed.messages for one in asked) / sum(one.flooded.messages for one in asked),
    )


class Federation:
    """``size`` nodes, all of it by ``seed``."""

    def __init__(self, size: int, seed: int) -> None:
        self._draw = random.Random(seed)
        self.size = size
        self.names = [sha256(b"node", str(number).encode()) for number in range(size)]
        self._number = {name: number for number, name in enumerate(self.names)}
        self.peers = _graph(size, self._draw)
        self._topics = [self._around(None, 1.0) for _ in range(TOPICS)]
        self._weights = [1 / (rank + 1) ** ZIPF for rank in range(TOPICS)]
        self.packets = [self._packets() for _ in range(size)]
        self.known = Known()
        for name, packets in zip(self.names, self.packets, strict=True):
            assert self.known.learn(name, make_sketch("notes", MODEL, DIMENSION, packets))
        self.rounds = 0
        self.routes = self._learn_routes()

    def _around(self, centre: Vector | None, noise: float) -> Vector:
        """Return a direction near ``centre``: noise of this length is added to it (all is noise without a centre)."""
        drawn = [self._draw.gauss(0, noise / sqrt(DIMENSION)) for _ in range(DIMENSION)]
        return unit(drawn if centre is None else map(sum, zip(centre, drawn, strict=True)))

    def _topic(self) -> Vector:
        return self._draw.choices(self._topics, self._weights)[0]

    def _packets(self) -> list[Vector]:
        foci = [self._around(self._topic(), FOCUS_NOISE) for _ in range(self._draw.randint(1, 3))]
        return [self._around(foci[number % len(foci)], PACKET_NOISE) for number in range(PACKETS)]

    def _learn_routes(self) -> list[Routes]:
        """Let every node tell its peers what it reaches until nobody learns anything new, HOPS rounds at most."""
        routes = [Routes(name) for name in self.names]
        before: list[dict[bytes, int]] = []
        while (told := [table.reach() for table in routes]) != before and self.rounds < HOPS:
            before = told
            self.rounds += 1
            for number, peers in enumerate(self.peers):
                for peer in peers:
                    routes[number].hear(self.names[peer], told[peer])
        return routes

    # --- one question ------------------------------------------------------------------------

    def ask(self) -> Asked:
        """Ask one question both ways."""
        question = self.question()
        return Asked(question.sort, self.flood(question), self.route(question))

    def question(self) -> Question:
        """Draw a question and who asks it."""
        vector, sort = self._about()
        asker = self._draw.randrange(self.size)
        likes = ((similarity(vector, packet), node) for node, held in enumerate(self.packets) for packet in held)
        return Question(sort, asker, [node for _, node in nlargest(BEST, likes)], self.known.rank(vector, MODEL))

    def flood(self, question: Question, hops: int = HOPS) -> Sent:
        """Send it to every peer but the one that brought it."""
        return self._send(question, hops, lambda node, by, _: (peer for peer in self.peers[node] if peer != by))

    def route(self, question: Question, most: int = TARGETS_MAX) -> Sent:
        """Send it to the peers that are chosen; ``most``: nodes that are meant to hear it."""
        whys: list[str] = []

        def chosen(node: int, by: int | None, left: int) -> list[int]:
            peers = [self.names[peer] for peer in self.peers[node] if peer != by]
            arrival = Arrival(peers, None if by is None else self.names[by], left)
            choice = choose(question.ranked, self.routes[node], arrival, most)
            whys.append(choice.why)
            return [self._number[name] for name in choice.peers]

        return self._send(question, HOPS, chosen)._replace(why=whys[0])

    def _about(self) -> tuple[Vector, Sort]:
        kind = self._draw.random()
        if kind < STRANGE:
            return self._around(None, 1.0), "like nothing"
        if kind < (1 + STRANGE) / 2:
            packet = self._draw.choice(self._draw.choice(self.packets))
            return self._around(packet, QUESTION_NOISE), "like a packet"
        return self._around(self._topic(), QUESTION_NOISE), "about a topic"

    def _send(self, question: Question, hops: int, pass_on: Pass) -> Sent:
        """Count also what comes to a node a second time."""
        reached, messages = {question.asker}, 0
        arrivals: list[tuple[int, int | None]] = [(question.asker, None)]
        for left in range(hops, 0, -1):
            sent = [(peer, node) for node, by in arrivals for peer in pass_on(node, by, left)]
            messages += len(sent)
            arrivals = []
            for peer, node in sent:
                if peer not in reached:
                    reached.add(peer)
                    arrivals.append((peer, node))
        return Sent(sum(node in reached for node in question.best), messages)


def _graph(size: int, draw: random.Random) -> list[list[int]]:
    """Return each node's peers: a ring, so that all are connected, and random links up to a degree of 6 to 8."""
    peers: list[set[int]] = [{(number - 1) % size, (number + 1) % size} for number in range(size)]
    wanted = [draw.randint(6, 8) for _ in range(size)]
    ends = [number for number in range(size) for _ in range(wanted[number] - 2)]
    draw.shuffle(ends)
    for one, other in zip(ends[::2], ends[1::2], strict=False):
        if one != other:
            peers[one].add(other)
            peers[other].add(one)
    return [sorted(some) for some in peers]
