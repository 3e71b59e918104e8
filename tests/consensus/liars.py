"""Members that lie, as far as one who cannot forge the signatures of others can."""

from foedus.consensus.messages import (
    HaveState,
    NewView,
    Proposal,
    Stable,
    Status,
    ViewChange,
    Vote,
    change_bytes,
    vote_bytes,
)
from foedus.consensus.updates import Batch
from tests.consensus.world import MS, Host, fake_sign, update_of


def silent(world, host, _random):
    """It says nothing at all."""
    host.is_liar = True
    _filter(world, host, lambda _other, _message: False)


def choosy(world, host, random):
    """It speaks with some members only, others each time."""
    host.is_liar = True
    _filter(world, host, lambda _other, _message: random.random() < 0.5)


def twin(world, host, random):
    """It runs twice with one key: both are honest by themselves, and each talks with some members."""
    host.is_liar = True
    other = Host(world, host.index, host.name + "'")
    other.is_liar = True
    world.hosts.append(other)
    first = {each.name for each in world.hosts if random.random() < 0.5}
    _filter(world, host, lambda to, _message: to.name in first or random.random() < 0.1)
    _filter(world, other, lambda to, _message: to.name not in first or random.random() < 0.1)
    for number in range(10_000, 10_020):
        world.after(random.randrange(6_000 * MS), lambda number=number: world.ask(other, update_of(number)))


def two_faced(world, host, random):
    """It proposes other batches to some, and votes for other digests there."""
    host.is_liar = True
    key = world.keys.secrets[world.membership.members[host.index].ed25519]
    fooled = {each.name for each in world.hosts if random.random() < 0.5}

    def other_vote(vote, digest):
        data = vote_bytes(world.membership, vote.phase, vote.view, vote.sequence, digest)
        return Vote(vote.phase, vote.view, vote.sequence, digest, vote.member, fake_sign(key, data))

    def twist(to, message):
        if to.name not in fooled:
            return message
        match message:
            case Proposal(vote=vote, batch=batch):
                other = Batch.of((*batch.updates[1:], update_of(20_000 + vote.sequence)))
                return Proposal(other_vote(vote, other.digest), other)
            case Vote(digest=digest) as vote:
                return other_vote(vote, digest[::-1])
        return message

    _twist(world, host, twist)


def echo(world, host, random):
    """It says old things again, its own and those of others, at any time; and claims what it cannot prove."""
    host.is_liar = True
    heard = []
    key = world.keys.secrets[world.membership.members[host.index].ed25519]
    hear = host.hear

    def listen(sender, message):
        heard.append(message)
        del heard[:-500]
        hear(sender, message)

    def babble():
        for _ in range(5):
            to = random.choice(world.hosts)
            if to is not host and heard:
                world.carry(host, to, random.choice([random.choice(heard), invented()]))
        if world.is_faulty:
            world.after(random.randrange(20 * MS, 300 * MS), babble)

    def invented():
        view = random.randrange(6)
        unsigned = ViewChange(view, None, (), host.index, bytes(64))
        change = ViewChange(view, None, (), host.index, fake_sign(key, change_bytes(world.membership, unsigned)))
        changes = [it for it in heard if isinstance(it, ViewChange)]
        return random.choice([
            change,
            Status(random.randrange(9), random.random() < 0.5, random.randrange(500), random.randrange(500)),
            Stable(8, bytes(32), ()),
            HaveState(8, 0, 1, b"\x80"),
            NewView(view, tuple(changes[:4]), (), bytes(64)),
        ])  # fmt: skip

    host.hear = listen
    world.after(50 * MS, babble)


def forger(world, host, random):
    """It says the votes of others as if they were for another phase, view, place or digest."""
    host.is_liar = True
    heard = []
    hear = host.hear

    def listen(sender, message):
        hear(sender, message)
        if isinstance(message, Vote) and message.phase in {"prepare", "commit"}:
            heard.append(message)
            del heard[:-50]
            for _ in range(2):
                to = random.choice(world.hosts)
                world.carry(host, to, forged(random.choice(heard), to))

    def forged(vote, to):
        view = to.replica.view if to.replica and random.random() < 0.8 else vote.view
        phase = random.choice((vote.phase, "prepare", "commit"))
        sequence = vote.sequence + random.choice((0, 0, 0, 1))
        return Vote(phase, view, sequence, vote.digest, vote.member, vote.signature)

    host.hear = listen


def _filter(world, host, passes):
    _twist(world, host, lambda to, message: message if passes(to, message) else None)


def _twist(world, host, twist):
    """Let everything that a host sends pass through ``twist(to, message)``: what it gives is sent, or nothing."""
    carry = world.carry

    def carried(sender, other, message):
        if sender is host:
            message = twist(other, message)
        if message is not None:
            carry(sender, other, message)

    world.carry = carried


LIARS = (silent, choosy, twin, two_faced, echo, forger)
