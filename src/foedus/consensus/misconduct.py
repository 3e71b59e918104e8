"""What convicts a member: two statements of one place that it signed, in a file that a stranger can check."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, TypeAlias

from msgspec import Meta, Struct

from foedus.base.cbor import Malformed, NotCanonical, convert, decode, encode, learn, to_plain
from foedus.consensus.founding import Founding
from foedus.consensus.line import Line
from foedus.consensus.membership import MEMBERS_MAX, Membership
from foedus.consensus.messages import Index, NewView, Phase, Vote, new_view_bytes, vote_bytes
from foedus.consensus.proof import EPOCHS_MAX, PROOF_BYTES_MAX, ProofFailed, Renewal, founded
from foedus.crypto.ed25519 import verify
from foedus.crypto.labels import signed_bytes
from foedus.log.event import Id, Signature

if TYPE_CHECKING:
    from collections.abc import Sequence

    from foedus.consensus.effects import Exposed

STATEMENT_MAX = 65_536
"""Bytes of what is signed: of a new view with 31 members and 256 places some 11 KB."""

_Vote: TypeAlias = tuple[Id, Id, int, int, int, Id, Phase]
_NewView: TypeAlias = tuple[Id, Id, int, int, list[Any], list[Any]]


class Stated(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What a member signed: the bytes under the label, and its signature."""

    data: Annotated[bytes, Meta(max_length=STATEMENT_MAX)]
    signature: Signature


class Contradiction(Struct, frozen=True, forbid_unknown_fields=True):
    """Two things that a member said of one place in one epoch."""

    epoch: Annotated[int, Meta(ge=0, lt=1 << 32)]
    member: Index
    label: Literal["vote", "new-view"]
    first: Stated
    second: Stated


class Misconduct(Struct, frozen=True, forbid_unknown_fields=True):
    """The file: who the members were, and the contradiction. ``signatures``: of the founders, in their order."""

    v: Annotated[int, Meta(ge=1, le=1)]
    founding: Founding
    signatures: Annotated[tuple[Signature, ...], Meta(max_length=MEMBERS_MAX)]
    renewals: Annotated[tuple[Renewal, ...], Meta(max_length=EPOCHS_MAX)]
    contradiction: Contradiction

    def encode(self) -> bytes:
        """Return the file."""
        return encode(to_plain(self))


class Convicted(NamedTuple):
    """Whom a file convicts, and of what: ``said`` names the kind of statement."""

    council: bytes
    name: str
    node: bytes
    epoch: int
    view: int
    sequence: int | None
    said: str


class _Place(NamedTuple):
    view: int
    sequence: int | None
    said: str


def contradiction_of(exposed: Exposed, membership: Membership) -> Contradiction | None:
    """Return what an exposed member signed, None where its statements are of a kind that is not kept."""
    one, other = exposed.first, exposed.second
    if isinstance(one, Vote) and isinstance(other, Vote):
        return Contradiction(
            membership.epoch, other.member, "vote", _stated_vote(one, membership), _stated_vote(other, membership)
        )
    if isinstance(one, NewView) and isinstance(other, NewView):
        leader = membership.leader(other.view)
        return Contradiction(
            membership.epoch, leader, "new-view", _stated_view(one, membership), _stated_view(other, membership)
        )
    return None


def make_misconduct(
    founding: Founding, signatures: Sequence[bytes], renewals: Sequence[Renewal], contradiction: Contradiction
) -> Misconduct:
    """Return the file. ``renewals``: those that led to the epoch of the contradiction, or more."""
    return Misconduct(1, founding, tuple(signatures), tuple(renewals[: contradiction.epoch]), contradiction)


def verify_misconduct(data: bytes, council: bytes | None = None) -> Convicted:
    """Return whom a file convicts; raise ProofFailed, naming the part, where it convicts nobody."""
    if len(data) > PROOF_BYTES_MAX:
        raise ProofFailed("the file is larger than any proof")
    try:
        file = convert(decode(data), Misconduct)
    except (NotCanonical, Malformed) as error:
        raise ProofFailed(f"the file shows no misconduct: {error}") from None
    if council is not None and file.founding.id != council:
        raise ProofFailed("it is of another council")
    founded(file.founding, file.signatures)
    membership = Line(file.founding, file.renewals).current
    return _convict(file.contradiction, membership, file.founding.name)


def _convict(shown: Contradiction, membership: Membership, name: str) -> Convicted:
    if shown.epoch != membership.epoch or shown.member >= membership.size:
        raise ProofFailed("it is of an epoch or a member that the file does not show")
    if shown.first.data == shown.second.data:
        raise ProofFailed("the two statements are one")
    one, other = (_place(shown.label, stated.data, membership) for stated in (shown.first, shown.second))
    if one != other:
        raise ProofFailed("the statements are of two places, and so do not contradict each other")
    member = membership.members[shown.member]
    for stated in (shown.first, shown.second):
        if not verify(member.ed25519, signed_bytes(shown.label, stated.data), stated.signature):
            raise ProofFailed("a statement is not signed by that member")
    view, sequence, said = one
    return Convicted(membership.council, name, member.node, membership.epoch, view, sequence, said)


def _place(label: str, data: bytes, membership: Membership) -> _Place:
    """Return what two statements must have in common to contradict each other."""
    try:
        plain = decode(data)
        if label == "vote":
            vote: _Vote = convert(plain, _Vote)  # type: ignore[arg-type]  # msgspec takes any type
            bound, place = vote[:3], _Place(vote[3], vote[4], vote[6])
        else:
            opened: _NewView = convert(plain, _NewView)  # type: ignore[arg-type]  # as above
            bound, place = opened[:3], _Place(opened[3], None, "new-view")
    except (NotCanonical, Malformed) as error:
        raise ProofFailed(f"a statement is none: {error}") from None
    if bound != (membership.council, membership.id, membership.epoch):
        raise ProofFailed("a statement is of another council or epoch")
    return place


def _stated_vote(vote: Vote, membership: Membership) -> Stated:
    data = vote_bytes(membership, vote.phase, vote.view, vote.sequence, vote.digest)
    return Stated(_unlabelled("vote", data), vote.signature)


def _stated_view(opened: NewView, membership: Membership) -> Stated:
    data = new_view_bytes(membership, opened.view, opened.changes, opened.proposals)
    return Stated(_unlabelled("new-view", data), opened.signature)


def _unlabelled(label: str, data: bytes) -> bytes:
    return data.removeprefix(signed_bytes(label, b""))


learn(Misconduct)
