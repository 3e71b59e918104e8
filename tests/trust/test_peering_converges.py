"""Whatever is lost and whenever a node falls: after a link both sides agree on whether they are connected.

Each seed is a story of two nodes, their people, and a link that loses frames. A failure names its seed.
"""

from __future__ import annotations

import contextlib
from random import Random

import pytest

from foedus.base.errors import UsageError
from foedus.trust import agreement
from foedus.trust import inputs as hear
from foedus.trust.peer import State
from foedus.trust.tiers import Tier
from tests.trust.books import Link, Node, ask, pair

SEEDS = 1_000
SOAK_SEEDS = 30_000
STEPS = 40
TIERS = (Tier.CORE, Tier.SANDBOX, Tier.EXTERNAL)
WISHES = {
    "ask": 6,
    "ask_unvouched": 3,
    "confirm": 5,
    "accept": 8,
    "tier": 2,
    "decline": 2,
    "ignore": 1,
    "disconnect": 3,
    "pause": 0.5,
    "resume": 0.5,
}
MISHAPS = {"deliver": 45, "human": 18, "lose": 3, "reopen": 5, "close": 2, "crash": 2, "trust": 0.3, "rotate": 1}


class Story:
    """A seeded run of one link; every step leaves the invariant to be checked."""

    def __init__(self, seed: int, mishaps: dict[str, float]) -> None:
        self.random = Random(seed)
        self.mishaps = mishaps
        self.link = pair(*self.random.choice([(1, 2), (2, 1)]))

    def play(self) -> None:
        for _ in range(STEPS):
            node = self.random.choice((self.link.one, self.link.other))
            getattr(self, self.drawn(self.mishaps))(node)
            check_signatures(self.link)

    def drawn(self, weights: dict[str, float]) -> str:
        return self.random.choices(list(weights), list(weights.values()))[0]

    def stop(self) -> int | None:
        """After how many effects the node falls; mostly it does not."""
        return self.random.randrange(4) if self.random.random() < 0.06 else None

    def human(self, node: Node) -> None:
        tier = self.random.choice(TIERS)
        wish = {
            "ask": lambda: ask(tier=tier),
            "ask_unvouched": lambda: ask(tier=tier, vouched=False),
            "confirm": hear.HumanConfirm,
            "accept": lambda: hear.HumanAccept(tier),
            "tier": lambda: hear.HumanTier(tier),
            "decline": hear.HumanDecline,
            "ignore": hear.HumanIgnore,
            "disconnect": hear.HumanDisconnect,
            "pause": hear.HumanPause,
            "resume": hear.HumanResume,
        }[self.drawn(WISHES)]()
        stop = self.stop()
        with contextlib.suppress(UsageError):
            self.link.act(node, wish, stop)
        self.fall(node, stop)

    def deliver(self, node: Node) -> None:
        stop = self.stop()
        self.link.deliver(node, stop)
        self.fall(node, stop)

    def fall(self, node: Node, stop: int | None) -> None:
        """The link goes with the node; what it said last may have arrived, or not."""
        if stop is not None:
            other = self.link.opposite(node)
            for _ in range(self.random.choice((0, len(self.link.queues[other.id])))):
                self.link.deliver(other)
            self.link.close()

    def lose(self, node: Node) -> None:
        if self.link.queues[node.id]:
            self.link.queues[node.id].popleft()

    def reopen(self, _: Node) -> None:
        self.link.reopen()

    def close(self, _: Node) -> None:
        self.link.close()

    def crash(self, node: Node) -> None:
        node.crash()
        self.link.close()

    def rotate(self, node: Node) -> None:
        node.rotate()
        self.link.close()

    def trust(self, node: Node) -> None:
        self.link.send(node, node.trust(self.link.opposite(node).id, self.random.choice(TIERS)))

    def restore(self, node: Node) -> None:
        """Bring back what was stored a while ago, as from a backup."""
        if node.backups:
            node.stored = dict(self.random.choice(node.backups))
            node.crash()
        self.link.close()


def check_signatures(link: Link) -> None:
    """Connected, even for a moment, means both valid signatures of one document (by keys of any epoch)."""
    for node in (link.one, link.other):
        peer = link.peer_at(node)
        if peer.state is State.CONNECTED:
            other = link.opposite(node)
            assert any(agreement.is_signed(peer.agreement, key, peer.own_signature) for key in node.publics)
            assert any(agreement.is_signed(peer.agreement, key, peer.peer_signature) for key in other.publics)


def heal_and_check(link: Link) -> None:
    for _ in range(2):
        link.reopen()
        link.settle()
    here, there = link.peer_at(link.one), link.peer_at(link.other)
    assert (here.state is State.CONNECTED) == (there.state is State.CONNECTED), (here.state, there.state)
    waits = {here.state, there.state}
    assert State.ACCEPTING not in waits or waits & {State.IGNORED, State.ANSWERED}
    assert State.ANSWERED not in waits or waits & {State.ACCEPTING, State.INCOMING, State.IGNORED}
    if here.state is State.CONNECTED:
        assert here.agreement == there.agreement
        assert here.own_signature == there.peer_signature
        assert there.own_signature == here.peer_signature
        assert (here.tier, there.tier) == (there.their_tier, here.their_tier)
    link.reopen()
    link.settle()
    assert (here, there) == (link.peer_at(link.one), link.peer_at(link.other)), "a settled pair stays as it is"


def told(mishaps: dict[str, float], seeds: int = SEEDS) -> list[Link]:
    links = []
    for seed in range(seeds):
        story = Story(seed, mishaps)
        try:
            story.play()
            heal_and_check(story.link)
        except AssertionError as error:
            error.add_note(f"seed {seed}")
            raise
        links.append(story.link)
    return links


def test_after_losses_and_crashes_both_are_connected_or_neither():
    links = told(MISHAPS)
    connected = sum(link.states() == (State.CONNECTED, State.CONNECTED) for link in links)
    assert SEEDS / 10 < connected < SEEDS * 9 / 10, "the stories must end both ways to show anything"


def test_a_node_restored_from_a_backup_is_never_connected_alone():
    told({**MISHAPS, "restore": 3})


@pytest.mark.soak
def test_many_stories_end_well():
    told({**MISHAPS, "restore": 2}, SOAK_SEEDS)
    told(MISHAPS, SOAK_SEEDS)


def test_two_willing_humans_get_there_from_any_state():
    for link in told(MISHAPS)[: SEEDS // 4]:
        for _ in range(4):
            for node in (link.one, link.other):
                with contextlib.suppress(UsageError):
                    link.act(node, ask())
            link.settle()
        assert link.states() == (State.CONNECTED, State.CONNECTED)


@pytest.mark.parametrize("first", [1, 2])
@pytest.mark.parametrize("lost", range(4))
def test_a_frame_lost_at_any_place_is_made_good_by_the_next_link(first, lost):
    link = pair(first, 3 - first)
    link.act(link.one, ask())
    delivered = 0
    for _ in range(6):
        for node in (link.other, link.one):
            if link.queues[node.id]:
                if delivered == lost:
                    link.reopen()
                delivered += 1
                link.deliver(node)
            if link.peer_at(node).state is State.INCOMING:
                link.act(node, hear.HumanAccept(Tier.CORE))
    link.settle()
    assert link.states() == (State.CONNECTED, State.CONNECTED)
