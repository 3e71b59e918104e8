"""Whatever the order of arrival: the same verdicts, and those that docs/protocol.md section 4 gives."""

from __future__ import annotations

from contextlib import contextmanager
from functools import cache
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from foedus.base.ids import sha256
from foedus.base.limits import HOUR, MINUTE, SECOND
from foedus.crypto.ed25519 import Ed25519Key
from foedus.identity import directory
from foedus.identity.record import verify_record
from foedus.log import rests
from foedus.log.event import Parsed, parse_event
from foedus.log.streams import chain_id
from tests.log.builder import Device, World
from tests.log.delivery import Receiver
from tests.log.oracle import Oracle

ACTIONS = [
    *["say"] * 4,
    *["fork", "rotate", "erase"] * 2,
    *["node_says", "add", "remove", "readd", "enrol", "revoke", "leave", "recover", "steal", "go_on"],
    *["junk", "drift", "foreign", "unknown"],
    *["grant", "withdraw", "say_granted", "say_granted"],
    *["give_role", "give_role", "leave"],
    *["open_session", "edit", "edit"],
]
PAPER = Ed25519Key(bytes([0x33]) * 32)
"""The recovery key of each participant of a story."""


@pytest.fixture(autouse=True, scope="module")
def _each_record_verified_once():
    verified = cache(lambda signed_id, previous_id: verify_record(*known[signed_id, previous_id]))
    known = {}

    def verify(signed, previous):
        key = (signed.id, previous.id if previous else b"")
        known[key] = (signed, previous)
        verified(*key)

    original = directory.verify_record
    directory.verify_record = verify
    yield
    directory.verify_record = original


class Story:
    """A host, two nodes in its room, and whatever the drawn actions make of them."""

    def __init__(self, seed: int):
        self.random = Random(seed)
        self.world = World(seed, signed=False)
        self.nodes = [self.world.node(name) for name in ("host", "anna", "bert")]
        recovery = {"recovery": sha256(PAPER.public)}
        self.people = [self.nodes[i].participant(f"p{i}", fields=recovery) for i in (1, 2)]
        self.room = self.nodes[0].room()
        self.adds = [
            (self.room.add(self.nodes[1]), self.nodes[1]),
            (self.room.add(self.nodes[2], self.people[1]), self.nodes[2]),
        ]
        self.past: dict = {}
        self.grants: list = []
        self.sessions: list = []
        self.other = self.nodes[0].room("another")
        self.genuine: set = set()

    def act(self, name: str):
        getattr(self, name)()

    def pick(self, values):
        return self.random.choice(list(values))

    def chains(self, node):
        return [key for key in node.heads if key[0] == node.epoch]

    def signers(self, who):
        """Return what may sign for a participant in its own stream: its devices and its recovery key."""
        paper = Device(who, "paper")
        paper.key, paper.public, paper.enrolment = PAPER, PAPER.public, bytes(32)
        return [*who.devices, paper]

    def device(self):
        return self.pick(self.pick(self.people).devices)

    def cuts(self, node):
        """Cuts of a node's chains in the room: where they stand, or earlier, or unnamed."""
        mine = {(e.event.epoch, e.event.stream): e for e in self.world.events if e.event.stream == self.room.stream}
        found = []
        for (epoch, stream), event in mine.items():
            if epoch in node.key_names and self.random.random() < 0.8:
                seq = event.event.seq if self.random.random() < 0.6 else self.random.randint(0, event.event.seq)
                found.append([chain_id(epoch, stream), seq, event.id])
        return found

    def say(self):
        device = self.device()
        add, _ = self.pick(self.adds)
        nonce = self.pick([b"", b"", b"", b"n" * 16])
        self.room.say(device, add, nonce=nonce)

    def node_says(self):
        add, node = self.pick(self.adds)
        self.room.say_as_node(node, add)

    def erase(self):
        """Erase some events of the room: mostly one's own, as author or not, some that never were."""
        add, node = self.pick(self.adds)
        device = self.pick([None, self.device()])
        own = [e for e in self.world.events if e.event.act.device == (device.public if device else None)]
        others = [e for e in self.world.events if e.event.stream in {self.room.stream, self.room.members}]
        pool = self.pick([own, own, others]) or others
        targets = [self.pick(pool).id for _ in range(self.random.randint(1, 3))]
        targets += self.pick([[], [], [self.world.bytes(32)]])
        reason = self.pick(["author", "author", "moderator", "retention"])
        self.room.erase(device or node, add, targets, reason, nonce=self.pick([b"", b"", b"n" * 16]))

    def add(self):
        node = self.pick(self.nodes)
        who = self.pick([None, *self.people])
        self.adds.append((self.room.add(node, who), node))

    def give_role(self):
        node = self.pick(self.nodes)
        mine = [who for who in self.people if who.node is node]
        role = self.pick([50, 50, 300, 700, None])
        heads = self.cuts(node) if self.random.random() < 0.8 else None
        self.adds.append((self.room.add(node, self.pick([None, *mine]), heads, role), node))

    def readd(self):
        node = self.pick(self.nodes[1:])
        self.adds.append((self.room.add(node, None, heads=self.cuts(node)), node))

    def remove(self):
        node = self.pick(self.nodes[1:])
        self.room.remove(node, self.pick([None, *self.people]), self.cuts(node))

    def enrol(self):
        who = self.pick(self.people)
        if len(who.devices) < 3:
            who.device(self.pick(self.signers(who)))

    def revoke(self):
        who = self.pick(self.people)
        who.revoke(self.pick(who.devices), self.cuts(who.node), by=self.pick(self.signers(who)))

    def _take_up(self, node, former):
        streams = dict.fromkeys(stream for epoch, stream in node.heads if epoch in former)
        for stream in streams:
            events = [e for e in self.world.events if e.event.stream == stream and e.event.epoch in former]
            roll = self.random.random()
            if roll < 0.15:
                continue
            cut = events[-1] if roll < 0.6 else self.pick(events) if roll < 0.95 else None
            node.open(stream, cut)

    def rotate(self):
        node = self.pick(self.nodes)
        if len(node.records) < 4:
            former = self.lineage(node, node.epoch)
            node.rotate(self.pick(["rotation", "restored"]), after=node.epoch)
            self._take_up(node, former)

    def recover(self):
        node = self.pick(self.nodes)
        if len(node.records) < 4:
            after = self.pick(node.records).id
            former = self.lineage(node, after)
            node.recover(after=after)
            if self.random.random() < 0.7:
                self._take_up(node, former)

    def steal(self):
        """Go on in any epoch of a node: a thief has its keys; or open a sibling of one."""
        node = self.pick(self.nodes)
        if self.random.random() < 0.3 and len(node.records) < 4:
            after = self.pick(node.records).id
            former = self.lineage(node, after)
            node.rotate(after=after)
            self._take_up(node, former)
        else:
            node.epoch = self.pick(node.records).id

    def lineage(self, node, epoch):
        found = []
        while epoch:
            found.append(epoch)
            epoch = node.record(epoch).record.prev
        return found

    def grant(self):
        who = self.pick(self.people)
        now_s = self.world.now // SECOND
        times = [{"expires": None}] * 3 + [{"expires": now_s + 5}, {"expires": None, "not_before": now_s + 5}]
        fields = self.pick([*times, {"key": self.device().key}])
        self.grants.append(who.grant(self.device(), self.pick(who.devices), **fields))

    def withdraw(self):
        if self.grants:
            who = self.pick(self.people)
            who.withdraw(self.pick(self.grants), self.cuts(who.node), self.pick(who.devices))

    def say_granted(self):
        device = self.device()
        add, _ = self.pick(self.adds)
        cited = [self.pick(self.grants).id for _ in range(self.random.randint(1, 2)) if self.grants]
        self.room.say(device, add, auth=(device.enrolment, add.id, *cited))

    def open_session(self):
        """Let a key sign for a while, now and then one that signs already, for too long, or in another room."""
        who = self.pick(self.people)
        key = Device(who, f"session {len(self.sessions)}")
        if self.sessions and self.random.random() < 0.2:
            key = self.pick([*self.sessions, self.device()])
        until = self.world.now + self.pick([HOUR, HOUR, 2 * SECOND, 25 * HOUR])
        session = Device(who, key.name)
        room = self.pick([self.room, self.room, self.room, self.other])
        session.enrolment = who.session(
            key.public, room, until, self.pick([*who.devices[:1] * 3, *self.signers(who)])
        ).id
        self.sessions.append(session)

    def edit(self):
        """Write in a document by a session key, or by a device; a session key may try to say something."""
        key = self.pick([*self.sessions, *self.sessions, self.device()])
        self.room.edit(key, self.pick(self.adds)[0], self.pick(["document.update"] * 4 + ["message.text"]))

    def fork(self):
        """Write another event after one that has a successor, or another opening."""
        node = self.pick(self.nodes)
        if not self.chains(node):
            return
        epoch, stream = self.pick(self.chains(node))
        events = [e for e in self.world.events if (e.event.epoch, e.event.stream) == (epoch, stream)]
        after = self.pick(events[-4:])
        if self.random.random() < 0.15:
            before = self.world.by_id().get(events[0].event.prev)
            node.write(stream, "epoch.open", {}, after=before, seq=1)
            return
        node.write(stream, *self.something(stream), after=after)

    def something(self, stream):
        if stream.startswith("members:"):
            node = self.pick(self.nodes)
            return "member.add", {"node": node.id, "participant": None, "heads": [], "role": None, "title": None}
        return "epoch.open", {}

    def go_on(self):
        """Go on after any event without successor."""
        node = self.pick(self.nodes)
        named = {e.event.prev for e in self.world.events}
        tips = [e for e in self.world.events if e.event.epoch == node.epoch and e.id not in named]
        if tips:
            tip = self.pick(tips)
            node.heads[node.epoch, tip.event.stream] = tip

    def junk(self):
        device = self.device()
        auth = [self.pick(self.world.events).id for _ in range(2)] + self.pick([[], [self.world.bytes(32)]])
        self.room.say(device, self.adds[0][0], auth=tuple(auth))

    def drift(self):
        device = self.device()
        self.room.say(device, self.pick(self.adds)[0], at=self.world.now - 11 * MINUTE)

    def foreign(self):
        node = self.pick(self.nodes)
        node.write(
            self.room.members,
            "member.add",
            {"node": node.id, "participant": None, "heads": [], "role": None, "title": None},
        )

    def leave(self):
        add, node = self.pick(self.adds)
        node.write(self.room.stream, "room.leave", {}, auth=(add.id,))

    def unknown(self):
        device = self.device()
        stream = self.pick([self.room.stream, device.participant.stream])
        device.participant.node.write(
            stream, "x.unknown", {"x": 1}, device=device, auth=(device.enrolment, self.adds[0][0].id)
        )


@contextmanager
def resting(*, eagerly: bool):
    """Let what ended rest at once, in place of ten minutes later, now and then."""
    kept = rests.REST_AFTER, rests.REST_EVERY
    rests.REST_AFTER, rests.REST_EVERY = (0, 1) if eagerly else kept
    try:
        yield
    finally:
        rests.REST_AFTER, rests.REST_EVERY = kept


def tell(seed, actions) -> Story:
    story = Story(seed)
    for action in actions:
        story.act(action)
    return story


def receive(story: Story, order: int) -> Receiver:
    """Deliver the story in an order of its own. Some bodies come late; those of a few events never."""
    random, everything = Random(order), story.world.by_id()
    for event_id in Random(story.world.now).sample(list(everything), len(everything) // 20):
        everything[event_id] = stub(everything[event_id])
    parts = []
    for parsed in everything.values():
        if random.random() < 0.15:
            parts.append(stub(parsed))
        parts.append(parsed)
    receiver = Receiver()
    receiver.feed(story.world.records(), parts, everything, random, story.world.now + HOUR)
    return receiver


def stub(parsed: Parsed) -> Parsed:
    return parsed._replace(envelope=parsed.envelope.without_body())


def check_against_oracle(receiver: Receiver):
    oracle = Oracle(receiver.held(), receiver.forks(), receiver.identities, receiver.known(), receiver.aside())
    told, found = oracle.verdicts(), receiver.verdicts()
    wrong = {i.hex()[:8]: (found[i], told[i], oracle.by_id[i].event) for i in found if found[i] != told[i]}
    assert not wrong
    gone, erasures = oracle.erased(), receiver.admission.erasures
    assert not [held.id for held in receiver.held() if held.id in gone and held.envelope.body is not None]
    assert gone & set(told) == {held.id for held in receiver.held() if erasures.erased_by(held.id, held.event)}


def check_against_load(receiver: Receiver):
    again = receiver.loaded()
    assert again.folds() == receiver.folds()
    limits = {chain.key: (chain.limit, chain.contested, chain.position) for chain in receiver.admission.chains}
    assert limits == {chain.key: (chain.limit, chain.contested, chain.position) for chain in again.admission.chains}
    for row in receiver.log.since(0, 1 << 30):
        chain = again.admission.chains.get((row.epoch, row.stream))
        control = again.admission.authority.control(row.id)
        if control is not None:
            assert (control.verdict, control.reason) == (row.verdict, row.reason)
        elif row.reason != "replayed_nonce":
            judged = again.admission.authority.judge(parse_event(row.envelope).event, chain, row.seq)
            if row.kind == "event.erase":
                judged = again.admission.erasures.judge_again(row, judged)
            assert judged == (row.verdict, row.reason)


def decided(receiver: Receiver) -> set:
    """Return the chains of which every node ends with the same events: those without a fork."""
    return {chain.key for chain in receiver.admission.chains if not chain.contested}


def check_same(one: Receiver, other: Receiver):
    assert one.forks() == other.forks()
    mine, theirs = one.verdicts(), other.verdicts()
    assert {i: v for i, v in mine.items() if i in theirs} == {i: v for i, v in theirs.items() if i in mine}
    heads = {key: head for key, head in one.heads().items() if key in decided(one)}
    assert heads == {key: head for key, head in other.heads().items() if key in decided(other)}
    for chain in one.admission.chains:
        if chain.contested and chain.limit.reason == "superseded" and chain.limit.seq:
            ids = [row.id for row in one.log.chain(*chain.key, 0, chain.limit.seq)]
            assert ids == [row.id for row in other.log.chain(*chain.key, 0, chain.limit.seq)]
    assert {i for i, v in mine.items() if v[0] == "accepted"} == {i for i, v in theirs.items() if v[0] == "accepted"}
    assert one.folds()[1].keys() == other.folds()[1].keys()
    assert one.folds() == other.folds()


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 10_000), st.lists(st.sampled_from(ACTIONS), min_size=10, max_size=60), st.integers(0, 1000))
def test_every_order_gives_the_verdicts_of_the_protocol(seed, actions, order):
    story = tell(seed, actions)
    receivers = []
    for number in range(3):
        with resting(eagerly=number != 1):
            receivers.append(receive(story, order + number))
            check_against_oracle(receivers[-1])
            check_against_load(receivers[-1])
    for receiver in receivers[1:]:
        check_same(receivers[0], receiver)


GRANTING = [*["say_granted"] * 8, *["grant"] * 4, *["withdraw"] * 2, "revoke", "enrol", "say", "add", "rotate"]


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 10_000), st.lists(st.sampled_from(GRANTING), min_size=20, max_size=50), st.integers(0, 1000))
def test_every_order_gives_the_verdicts_of_grants(seed, actions, order):
    story = tell(seed, actions)
    with resting(eagerly=True):
        one = receive(story, order)
        check_against_oracle(one)
        check_against_load(one)
    other = receive(story, order + 1)
    check_against_oracle(other)
    check_against_load(other)
    check_same(one, other)


EDITING = [*["edit"] * 8, *["open_session"] * 4]
EDITING += ["revoke", "enrol", "say", "add", "remove", "rotate", "steal", "fork", "recover", "go_on", "erase", "leave"]


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 10_000), st.lists(st.sampled_from(EDITING), min_size=10, max_size=50), st.integers(0, 1000))
def test_every_order_gives_the_verdicts_of_sessions(seed, actions, order):
    story = tell(seed, actions)
    receivers = []
    for number in range(2):
        with resting(eagerly=bool(number)):
            receivers.append(receive(story, order + number))
            check_against_oracle(receivers[-1])
            check_against_load(receivers[-1])
    check_same(*receivers)


FORKING = [*["say_granted"] * 8, *["grant"] * 8, *["withdraw"] * 4]
FORKING += ["revoke", "enrol", "say", "add", "rotate", "steal", "fork", "fork", "recover", "go_on"]


ERASING = [*ACTIONS, *["erase"] * 8]
FOUND = [(FORKING, 89), (FORKING, 164), (FORKING, 262), (FORKING, 270), (FORKING, 467), (ERASING, 123)]
"""Grants on branches that were left; a membership whose body came late beside one that gives another role."""


@pytest.mark.parametrize(("kinds", "seed"), FOUND)
def test_stories_found_by_seeds(kinds, seed):
    random = Random(seed)
    story = tell(seed, random.choices(kinds, k=random.randint(5, 80)))
    with resting(eagerly=True):
        for number in range(2):
            receiver = receive(story, seed + number)
            check_against_oracle(receiver)
            check_against_load(receiver)


@pytest.mark.soak
def test_every_order_gives_the_verdicts_of_the_protocol_in_many_long_stories():
    for seed in range(5_000):
        random = Random(seed)
        story = tell(seed, random.choices([ACTIONS, GRANTING, EDITING][seed % 3], k=random.randint(5, 80)))
        receivers = []
        for number in range(3):
            with resting(eagerly=number != 1):
                receivers.append(receive(story, seed + number))
                check_against_oracle(receivers[-1])
                check_against_load(receivers[-1])
            check_same(receivers[0], receivers[-1])
