"""Attacks on one council of four, told step by step: each would split it if one thing were not as it is.

Member 0 leads view 0 and lies where a story says so; 1, 2 and 3 are honest. A story ends with ``world.failures``.
"""

from foedus.consensus.messages import (
    Decided,
    HaveBatch,
    Prepared,
    Proposal,
    Signed,
    Status,
    ViewChange,
    Vote,
    change_bytes,
    vote_bytes,
)
from foedus.consensus.updates import Batch
from tests.consensus.world import MS, SECOND, Faults, World, fake_sign, update_of

FIRST, OTHER, THIRD = update_of(1), update_of(2), update_of(3)


class Stage:
    """A world in which a story decides what arrives. ``heard`` are the votes of others that member 0 got."""

    def __init__(self, **made_of):
        self.world = World(0, 4, Faults(delay_ms=(1, 2)), **made_of)
        self.world.hosts[0].is_liar = True
        self.heard = []
        self.pass_all()
        liar = self.world.hosts[0]
        hear = liar.hear

        def listen(sender, message):
            if isinstance(message, Vote):
                self.heard.append(message)
            hear(sender, message)

        liar.hear = listen

    @property
    def hosts(self):
        return self.world.hosts

    def pass_all(self):
        self.world.filter = None

    def only(self, passes):
        """Let through only what ``passes(from, to, message)``."""
        self.world.filter = lambda host, other, message: passes(host.index, other.index, message)

    def sign(self, data):
        return fake_sign(self.world.keys.secrets[self.world.membership.members[0].ed25519], data)

    def vote(self, phase, view, sequence, digest):
        """Return a vote of member 0."""
        data = vote_bytes(self.world.membership, phase, view, sequence, digest)
        return Vote(phase, view, sequence, digest, 0, self.sign(data))

    def proposal(self, view, sequence, batch):
        return Proposal(self.vote("pre-prepare", view, sequence, batch.digest), batch)

    def tell(self, to, *messages):
        """Member 0 says something of its own to others, whatever the network lets through."""
        for index in to:
            for message in messages:
                self.hosts[index].hear(0, message)

    def ask(self, to, update):
        for index in to:
            self.world.ask(self.hosts[index], update)

    def go_on(self, milliseconds):
        self.world.run(self.world.now + milliseconds * MS)

    def end(self):
        self.pass_all()
        for host in self.hosts:
            if host.replica is None:
                host.start()
        self.world.run(self.world.now + 30 * SECOND)
        return self.world


def old_votes_in_a_later_view(**made_of):
    """Prepares of view 0, kept by a liar, shall prove in view 5 that its batch was prepared in view 4."""
    stage = Stage(**made_of)
    batch = Batch.of((FIRST,))
    stage.only(lambda _sender, to, message: to == 0 and isinstance(message, Vote))
    stage.tell((1, 2), stage.proposal(0, 1, batch))
    stage.go_on(20)
    kept = [vote for vote in stage.heard if vote.phase == "prepare" and vote.digest == batch.digest]
    assert {vote.member for vote in kept} == {1, 2}
    # 1 and 3 decide another batch in view 1; 2 prepares it and learns nothing more
    stage.only(
        lambda sender, to, message: (
            0 not in {sender, to}
            and not (isinstance(message, Vote) and message.view == 0)
            and not (to == 2 and (isinstance(message, Decided) or getattr(message, "phase", "") == "commit"))
        )
    )
    stage.ask((1, 2, 3), OTHER)
    stage.go_on(900)
    assert stage.hosts[1].replica.ledger.sequence == 1
    assert stage.hosts[2].replica.ledger.sequence == 0
    # all go on to view 5, which 1 leads; what 2 says of its view-change does not reach it
    stage.only(lambda sender, to, message: isinstance(message, ViewChange) and (sender, to) != (2, 1))
    for host in stage.hosts[1:]:
        host.run(_left(host.replica, 5))
    certificate = Prepared(
        4, 1, batch.digest, stage.vote("pre-prepare", 4, 1, batch.digest).signature,
        tuple(Signed(vote.member, vote.signature) for vote in kept),
    )  # fmt: skip
    unsigned = ViewChange(5, None, (certificate,), 0, bytes(64))
    signature = stage.sign(change_bytes(stage.world.membership, unsigned))
    stage.tell((1,), ViewChange(5, None, (certificate,), 0, signature))
    stage.only(lambda sender, _to, message: sender != 0 and not isinstance(message, Decided))
    stage.go_on(300)
    stage.tell((2,), HaveBatch(1, batch))
    for phase in ("prepare", "commit"):
        stage.tell((1, 2, 3), stage.vote(phase, 5, 1, batch.digest))
    return stage.end()


def prepares_as_commits(**made_of):
    """Prepares, shown as commits to one member, shall decide what nobody else prepared."""
    stage = Stage(**made_of)
    batch = Batch.of((FIRST,))
    stage.only(lambda _sender, to, message: to == 0 and isinstance(message, Vote))
    stage.tell((1, 2, 3), stage.proposal(0, 1, batch))
    stage.go_on(20)
    for vote in stage.heard:
        stage.tell((3,), Vote("commit", 0, 1, vote.digest, vote.member, vote.signature))
    stage.tell((3,), stage.vote("commit", 0, 1, batch.digest))
    return _the_others_decide(stage)


def votes_of_another_place(**made_of):
    """Commits of place 1, shown as commits of place 2 to one member, shall decide the same batch there."""
    stage = Stage(**made_of)
    batch = Batch.of((FIRST,))
    stage.only(lambda _sender, _to, message: isinstance(message, Vote))
    stage.tell((1, 2, 3), stage.proposal(0, 1, batch))
    stage.tell((1, 2, 3), stage.vote("commit", 0, 1, batch.digest))
    stage.go_on(50)
    assert stage.hosts[3].replica.ledger.sequence == 1
    stage.only(lambda *_: False)
    for vote in stage.heard:
        if vote.phase == "commit":
            stage.tell((3,), Vote("commit", 0, 2, vote.digest, vote.member, vote.signature))
    stage.tell((3,), stage.vote("commit", 0, 2, batch.digest), HaveBatch(2, batch))
    stage.go_on(20)
    return _the_others_decide(stage)


def votes_lost_by_a_crash(**made_of):
    """Members that crash right after a decision shall forget what they voted for."""
    stage = Stage(**made_of)
    stage.hosts[0].is_liar = False
    stage.world.sync_us = (40 * MS, 41 * MS)
    stage.only(lambda _sender, _to, message: not isinstance(message, Status))
    stage.ask((0, 1, 2, 3), FIRST)
    stage.world.run(SECOND, stop=lambda: stage.hosts[3].replica.ledger.sequence == 1)
    assert stage.hosts[3].replica.ledger.sequence == 1
    stage.go_on(10)  # nothing is on its way any more
    for host in stage.hosts[:3]:
        host.crash()
        host.start()
    stage.only(lambda sender, to, _message: 3 not in {sender, to})
    stage.ask((0, 1, 2), OTHER)
    stage.go_on(300)
    return stage.end()


def _the_others_decide(stage):
    """1, 2 and the liar go on without 3."""
    stage.only(lambda sender, to, _message: 3 not in {sender, to})
    liar = stage.hosts[0]
    liar.life += 1
    liar.disk.durable.clear()
    liar.start()
    for host in stage.hosts[:3]:
        host.run(_left(host.replica, 1))
    stage.ask((1, 2), OTHER)
    stage.go_on(900)
    return stage.end()


def _left(replica, view):
    """Let a member leave all views below one, as if its patience had ended."""
    replica._leave(view)
    effects, replica._effects = replica._effects, []
    return effects
