"""A change of members, decided by the members themselves: whatever machine a council has, this one is around it."""

from __future__ import annotations

from typing import Annotated, Generic, Self, TypeAlias, TypeVar

from msgspec import Meta, Struct

from foedus.base.cbor import Malformed, NotCanonical, check_items, convert, decode, decode_as, encode, learn, to_plain
from foedus.base.ids import sha256
from foedus.consensus.founding import successor
from foedus.consensus.machine import StateMachine
from foedus.consensus.membership import MEMBERS_MAX, MEMBERS_MIN, Member, Membership
from foedus.consensus.updates import Update
from foedus.crypto.ed25519 import verify
from foedus.crypto.labels import signed_bytes
from foedus.log.event import Signature

M = TypeVar("M", bound=StateMachine)

_ITEMS_MAX = 16 * MEMBERS_MAX * MEMBERS_MAX
"""Values in a snapshot beside the machine's own: a wish of each member, of five values for each that it names."""


_RENEW = b"\x62op\x65renew"
"""How the canonical map of a wish goes on after its first byte: its shortest key is ``op``."""


class Renew(Struct, frozen=True, forbid_unknown_fields=True, tag_field="op", tag="renew"):
    """One member's wish to go on with these members, signed by the key that it votes by.

    ``consents``: of each that is no member with this key yet its own signature (``consent_bytes``), in their order.
    """

    members: Annotated[tuple[Member, ...], Meta(min_length=MEMBERS_MIN, max_length=MEMBERS_MAX)]
    consents: Annotated[tuple[Signature, ...], Meta(max_length=MEMBERS_MAX)]


def consent_bytes(membership: Membership, member: Member) -> bytes:
    """Return what a node signs that would take a place after this epoch (label ``council-join``)."""
    bound = [membership.council, membership.id, membership.epoch, member.node, member.ed25519]
    return signed_bytes("council-join", encode(bound))


class Governed(Generic[M]):
    """A machine whose council changes its members once a quorum of them has asked for the same change.

    The wishes of one epoch end with it. Every other command goes to the machine within.
    """

    def __init__(self, machine: M, membership: Membership) -> None:
        self.machine = machine
        self._membership = membership
        self._wishes: dict[int, tuple[Member, ...]] = {}
        self._renewal: tuple[Member, ...] | None = None

    @property
    def renewal(self) -> tuple[Member, ...] | None:
        """The members of the next epoch, once they are decided."""
        return self._renewal

    def wish(self, index: int) -> tuple[Member, ...] | None:
        """Return with whom a member asked to go on, None where it asked for no change."""
        return self._wishes.get(index)

    def index_of(self, device: bytes) -> int | None:
        """Return the member that votes by a key, None where nobody does."""
        return next((at for at, it in enumerate(self._membership.members) if it.ed25519 == device), None)

    def apply(self, sequence: int, update: Update) -> bytes:
        """Make an update. The result of a wish is [outcome, null]."""
        if not update.command.startswith(_RENEW, 1):
            return self.machine.apply(sequence, update)
        try:
            wish = decode_as(update.command, Renew)
        except (Malformed, NotCanonical):
            return encode(["malformed", None])
        return encode([self._wish(update.device, wish), None])

    def _wish(self, device: bytes, wish: Renew) -> str:
        index = self.index_of(device)
        if index is None:
            return "not_permitted"
        try:
            wanted = successor(self._membership, wish.members).members
        except Malformed:
            return "malformed"
        if self._renewal is not None or not self._have_consented(wanted, wish.consents):
            return "no_consent" if self._renewal is None else "late"
        if wanted == self._membership.members:
            self._wishes.pop(index, None)
            return "withdrawn"
        self._wishes[index] = wanted
        if sum(1 for it in self._wishes.values() if it == wanted) < self._membership.quorum:
            return "wished"
        self._renewal = wanted
        return "renewed"

    def _have_consented(self, wanted: tuple[Member, ...], consents: tuple[bytes, ...]) -> bool:
        """Whether each that is new, or has another key, signed that it takes its place in this council."""
        new = [member for member in wanted if member not in self._membership.members]
        return len(new) == len(consents) and all(
            verify(member.ed25519, consent_bytes(self._membership, member), consent)
            for member, consent in zip(new, consents, strict=True)
        )

    def root(self) -> bytes:
        """Return a hash of the machine's root and of the wishes."""
        return sha256(encode([self.machine.root(), self._plain()]))

    def snapshot(self) -> bytes:
        """Return the whole state."""
        return encode([self.machine.snapshot(), self._plain()])

    def restored(self, state: bytes) -> Self:
        """Return a machine with the state of a snapshot."""
        check_items(state, _ITEMS_MAX)
        plain: _State = convert(decode(state), _State)  # type: ignore[arg-type]  # msgspec takes any type
        machine, (wishes, renewal) = plain
        fresh = type(self)(self.machine.restored(machine), self._membership)
        fresh._wishes, fresh._renewal = dict(wishes), renewal  # noqa: SLF001  # one of us
        return fresh

    def renewed(self, membership: Membership) -> Self:
        """Return the machine for the next epoch: the same state, no wishes."""
        return type(self)(self.machine, membership)

    def _plain(self) -> list[object]:
        wishes = [[index, [to_plain(it) for it in self._wishes[index]]] for index in sorted(self._wishes)]
        return [wishes, None if self._renewal is None else [to_plain(it) for it in self._renewal]]


_State: TypeAlias = tuple[bytes, tuple[list[tuple[int, tuple[Member, ...]]], tuple[Member, ...] | None]]

learn(Renew)
