"""What makes a message well formed, and which signatures are left to check. No message is believed by its sender.

``checks`` gives every signature that a message stands on. Who drives a replica checks them (in threads, each once)
before the replica sees the message; the replica counts on both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, assert_never

from foedus.base.cbor import Malformed, NotCanonical
from foedus.base.errors import PeerViolation
from foedus.consensus.messages import (
    Ask,
    Committed,
    Decided,
    HaveBatch,
    HaveState,
    Message,
    NewView,
    Phase,
    Prepared,
    Proposal,
    Signed,
    Stable,
    Status,
    ViewChange,
    Vote,
    WantBatch,
    WantState,
    change_bytes,
    new_view_bytes,
    vote_bytes,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from foedus.consensus.membership import Membership
    from foedus.consensus.updates import Batch, Update


class BadVote(PeerViolation):
    """A message of a council proves nothing: too few, doubled or foreign signatures, or places that cannot be."""

    code = "bad_vote"
    remedy = "the other node must be mended; see docs/council.md"


class Check(NamedTuple):
    """One signature to check: public key, bytes, signature."""

    public: bytes
    data: bytes
    signature: bytes


def checks(message: Message, membership: Membership) -> list[Check]:
    """Return the signatures that a message stands on; raise BadVote where it can prove nothing whatever they are."""
    found: list[Check] = []
    match message:
        case Vote():
            found = [_vote(message, membership)]
        case Proposal(vote=vote, batch=batch):
            found = [*_updates(batch, membership), _proposal(vote, batch, membership)]
        case Decided(certificate=certificate, batch=batch):
            found = [*_updates(batch, membership), *committed(certificate, membership)]
            _require(batch.digest == certificate.digest, "the batch is not the one that was decided")
        case Stable():
            found = stable(message, membership)
        case ViewChange():
            found = view_change(message, membership)
        case NewView():
            found = _new_view(message, membership)
        case Ask(batch=batch) | HaveBatch(batch=batch):
            found = _updates(batch, membership)
        case Status() | WantBatch() | WantState() | HaveState():
            pass  # hints and questions: what they bring proves itself
        case _:
            assert_never(message)
    return found


def committed(certificate: Committed, membership: Membership) -> list[Check]:
    """Return the signatures of a commit certificate; raise BadVote unless it has a quorum."""
    place = (certificate.view, certificate.sequence, certificate.digest)
    return _quorum("commit", place, certificate.commits, membership)


def stable(certificate: Stable, membership: Membership) -> list[Check]:
    """Return the signatures of a checkpoint's certificate; raise BadVote unless it has a quorum."""
    return _quorum("checkpoint", (0, certificate.sequence, certificate.root), certificate.votes, membership)


def prepared(certificate: Prepared, membership: Membership) -> list[Check]:
    """Return the signatures of a prepared certificate; raise BadVote unless leader and others make a quorum."""
    leader = membership.leader(certificate.view)
    place = (certificate.view, certificate.sequence, certificate.digest)
    distinct([leader, *(vote.member for vote in certificate.prepares)], membership)
    return [
        _check("pre-prepare", place, Signed(leader, certificate.proposal), membership),
        *(_check("prepare", place, vote, membership) for vote in certificate.prepares),
    ]


def view_change(change: ViewChange, membership: Membership) -> list[Check]:
    """Return the signatures of a view-change; raise BadVote where what it claims is not proved."""
    found = [Check(_key(change.member, membership), change_bytes(membership, change), change.signature)]
    if change.stable is not None:
        found += stable(change.stable, membership)
    places = [certificate.sequence for certificate in change.prepared]
    _require(places == sorted(set(places)), "a view-change names its places in order, each once")
    for certificate in change.prepared:
        _require(certificate.view < change.view, "what is prepared was so in an earlier view")
        found += prepared(certificate, membership)
    if change.stable is not None:
        _require(not places or places[0] > change.stable.sequence, "a place lies below the stable checkpoint")
    _require(not places or places[-1] - places[0] < membership.window, "places lie further apart than the watermarks")
    return found


def _new_view(message: NewView, membership: Membership) -> list[Check]:
    leader = membership.leader(message.view)
    distinct([change.member for change in message.changes], membership)
    _require(all(change.view == message.view for change in message.changes), "a view-change is for another view")
    signed = new_view_bytes(membership, message.view, message.changes, message.proposals)
    found = [Check(_key(leader, membership), signed, message.signature)]
    for change in message.changes:
        found += view_change(change, membership)
    for vote in message.proposals:
        mine = vote.phase == "pre-prepare" and vote.member == leader and vote.view == message.view
        _require(mine, "a new view proposes by its leader's pre-prepares")
        found.append(_vote(vote, membership))
    return found


def _proposal(vote: Vote, batch: Batch, membership: Membership) -> Check:
    _require(vote.phase == "pre-prepare", "a proposal is a pre-prepare")
    _require(vote.member == membership.leader(vote.view), "a proposal comes from the leader of its view")
    _require(batch.digest == vote.digest, "the batch is not the one that is proposed")
    return _vote(vote, membership)


def _updates(batch: Batch, membership: Membership) -> list[Check]:
    """Return the signatures of the updates; raise BadVote where one cannot be read. Only then a batch has a digest."""
    _require(batch.is_fit(), "a batch is too large, or holds an update twice")
    try:
        updates = batch.updates
    except (Malformed, NotCanonical) as error:
        raise BadVote(f"an update cannot be read: {error}") from None
    return [_update(update, membership) for update in updates]


def _update(update: Update, membership: Membership) -> Check:
    _require(update.council == membership.council, "an update is for another council")
    return Check(update.device, update.signed(), update.signature)


def _vote(vote: Vote, membership: Membership) -> Check:
    _require(vote.phase != "checkpoint" or vote.view == 0, "a checkpoint is of no view")
    place = (vote.view, vote.sequence, vote.digest)
    return _check(vote.phase, place, Signed(vote.member, vote.signature), membership)


def _quorum(
    phase: Phase, place: tuple[int, int, bytes], votes: Sequence[Signed], membership: Membership
) -> list[Check]:
    distinct([vote.member for vote in votes], membership)
    return [_check(phase, place, vote, membership) for vote in votes]


def _check(phase: Phase, place: tuple[int, int, bytes], vote: Signed, membership: Membership) -> Check:
    return Check(_key(vote.member, membership), vote_bytes(membership, phase, *place), vote.signature)


def _key(member: int, membership: Membership) -> bytes:
    _require(member < membership.size, "there is no such member")
    return membership.members[member].ed25519


def distinct(members: Iterable[int], membership: Membership) -> None:
    """Raise BadVote unless a quorum is named, each once: by who they are, never by the bytes of signatures."""
    named = list(members)
    _require(len(set(named)) == len(named), "one member is counted twice")
    _require(len(named) >= membership.quorum, "a quorum is missing")


def _require(holds: bool, message: str) -> None:  # noqa: FBT001  # reads as a sentence where it is used
    if not holds:
        raise BadVote(message)
