"""What a lying member leaves behind in honest ones: a record that proves nothing, a batch that nobody else has."""

import pytest

from foedus.base.cbor import Malformed
from foedus.base.ids import sha256
from foedus.consensus import ahead, ledger, window
from foedus.consensus.ahead import AHEAD_MAX
from foedus.consensus.changing import Start, check_places
from foedus.consensus.ledger import Ledger
from foedus.consensus.machine import KeyValue
from foedus.consensus.messages import (
    Prepared,
    Proposal,
    Signed,
    Stable,
)
from foedus.consensus.records import BATCHES_MAX
from foedus.consensus.updates import Batch
from tests.consensus.saying import change, holds, new_view, vote
from tests.consensus.world import SECOND, Faults, World, update_of

FIRST, OTHER = Batch.of((update_of(1),)), Batch.of((update_of(2),))


@pytest.fixture
def world():
    return World(0, 4, Faults(delay_ms=(1, 2)), interval=2)


def proposal(world, view, sequence, batch):
    leader = world.membership.leader(view)
    return Proposal(vote(world, leader, "pre-prepare", view, sequence, batch.digest), batch)


def test_prepares_of_this_view_prove_nothing_of_a_proposal_of_an_earlier_one(world):
    host = world.hosts[3]
    host.hear(0, proposal(world, 0, 1, FIRST))
    host.hear(1, new_view(world, 1, [change(world, member, 1) for member in (0, 1, 2)]))
    for member in (1, 2):  # before the leader's proposal came; and its leader says what no leader says
        host.hear(member, vote(world, member, "prepare", 1, 1, FIRST.digest))
    host.replica._leave(2)
    assert holds(world, host.replica._change)


@pytest.mark.parametrize("kept", [BATCHES_MAX, 1])
def test_what_one_liar_alone_still_holds_is_never_decided(world, monkeypatch, kept):
    """A liar shows the certificate of a batch when the others have accepted another one since, and gives no batch."""
    monkeypatch.setattr(window, "BATCHES_MAX", kept)
    liar, *honest = world.hosts
    liar.is_liar = True
    world.filter = lambda *_: False
    for host in honest[:2]:
        host.hear(0, proposal(world, 0, 1, FIRST))
    hidden = Prepared(
        0, 1, FIRST.digest, vote(world, 0, "pre-prepare", 0, 1, FIRST.digest).signature,
        tuple(Signed(member, vote(world, member, "prepare", 0, 1, FIRST.digest).signature) for member in (1, 2)),
    )  # fmt: skip
    for host in honest:
        host.hear(1, new_view(world, 1, [change(world, member, 1) for member in (1, 2, 3)]))
        host.hear(1, proposal(world, 1, 1, OTHER))
    opening = new_view(
        world, 2, [change(world, 0, 2, [hidden]), change(world, 1, 2), change(world, 3, 2)], [(1, FIRST.digest)]
    )
    for host in honest:
        host.hear(2, opening)
    world.filter = lambda host, _other, _message: host is not liar
    for host in honest:
        world.ask(host, update_of(3))
    world.run(60 * SECOND)
    assert {host.replica.ledger.sequence > 0 for host in honest} == {True}


def test_a_member_that_began_above_a_checkpoint_does_so_again_after_a_restart(world):
    """It has accepted and prepared what lies beyond the window of its own state."""
    host = world.hosts[3]
    world.filter = lambda *_: False
    root, far = sha256(b"root"), 2 * world.membership.window
    votes = tuple(Signed(it, vote(world, it, "checkpoint", 0, far, root).signature) for it in (0, 1, 2))
    host.hear(1, new_view(world, 1, [change(world, it, 1, stable=Stable(far, root, votes)) for it in (0, 1, 2)]))
    host.hear(1, proposal(world, 1, far + 1, FIRST))
    for member in (0, 2):
        host.hear(member, vote(world, member, "prepare", 1, far + 1, FIRST.digest))
    world.run(SECOND)
    host.crash()
    host.start()
    host.replica._leave(2)
    asked = host.replica._change
    assert [it.sequence for it in asked.prepared] == [far + 1]
    assert holds(world, asked)
    check_places(asked, Start(0, world.membership.window))


def test_a_state_that_would_fill_the_memory_is_not_decoded(monkeypatch):
    """An empty list is one byte in transfer, and 64 in memory: 256 MiB of them would be more than a machine has."""
    monkeypatch.setattr(ledger, "decode", lambda _: pytest.fail("it was decoded"))
    with pytest.raises(Malformed):
        Ledger(KeyValue()).restored(b"\x9a\x00\x4c\x4b\x40" + b"\x80" * 5_000_000)


def test_words_said_again_by_others_push_out_no_word_that_waits_for_its_view(world):
    host = world.hosts[3]
    words = [vote(world, 2, "prepare", 1, place, FIRST.digest) for place in (1, 2, 3)]
    for word in words:
        host.hear(2, word)
    for _ in range(AHEAD_MAX):
        host.hear(0, words[0])
    assert list(host.replica._ahead.take()) == words


def test_batches_for_views_that_never_open_fill_no_memory(world, monkeypatch):
    """A liar leads every fourth view, and proposes in all of those to come."""
    monkeypatch.setattr(ahead, "AHEAD_BYTES_MAX", 3 * FIRST.size)
    host = world.hosts[3]
    for number in range(1, 20):
        host.hear(0, proposal(world, 4 * number, 1, FIRST))
    waiting = list(host.replica._ahead.take())
    assert [it.vote.view for it in waiting] == [68, 72, 76]


def test_who_is_always_first_to_tell_of_a_checkpoint_does_not_hold_up_the_state_for_ever(world):
    host = world.hosts[3]
    asked = []
    for place in range(2, 10, 2):
        root = sha256(bytes([place]))
        votes = tuple(Signed(it, vote(world, it, "checkpoint", 0, place, root).signature) for it in (0, 1, 2))
        host.hear(0, Stable(place, root, votes))
        asked.append(host.replica._fetch.source)
    assert asked == [0, 1, 2, 0]
