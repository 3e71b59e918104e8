"""A change of members, decided by the members themselves: whatever machine a council has, this one is around it."""

from __future__ import annotations

from typing import Annotated, Generic, TypeAlias, TypeVar

from msgspec import Meta, Struct

from foedus.base.cbor import Malformed, NotCanonical, check_items, convert, decode, decode_as, encode, learn, to_plain
from foedus.base.ids import sha256
from foedus.consensus.founding import successor
from foedus.consensus.machine import StateMachine
from foedus.consensus.membership import MEMBERS_MAX, MEMBERS_MIN, Member, Membership
from foedus.consensus.updates import Update

M = TypeVar("M", bound=StateMachine)

_ITEMS_MAX = 16 * MEMBERS_MAX * MEMBERS_MAX
"""Values in a snapshot beside the machine's own: a wish of each member, of five values for each that it names."""


class Renew(Struct, frozen=True, forbid_unknown_fields=True, tag_field="op", tag="renew"):
    """One member's wish to go on with these members, signed by the key that it votes by."""

    members: Annotated[tuple[Member, ...], Meta(min_length=MEMBERS_MIN, max_length=MEMBERS_MAX)]


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

    def apply(self, sequence: int, update: Update) -> bytes:
        """Make an update. The result of a wish is [outcome, members that wish the same]."""
        try:
            wish = decode_as(update.command, Renew)
        except (Malformed, NotCanonical):
            return self.machine.apply(sequence, update)
        return self._wish(update.device, wish.members)

    def _wish(self, device: bytes, members: tuple[Member, ...]) -> bytes:
        keys = [member.ed25519 for member in self._membership.members]
        if device not in keys:
            return encode(["not_permitted", None])
        try:
            wanted = successor(self._membership, members).members
        except Malformed:
            return encode(["malformed", None])
        if self._renewal is not None:
            return encode(["late", None])
        self._wishes[keys.index(device)] = wanted
        count = sum(1 for it in self._wishes.values() if it == wanted)
        if count >= self._membership.quorum:
            self._renewal = wanted
        return encode(["done", count])

    def root(self) -> bytes:
        """Return a hash of the machine's root and of the wishes."""
        return sha256(encode([self.machine.root(), self._plain()]))

    def snapshot(self) -> bytes:
        """Return the whole state."""
        return encode([self.machine.snapshot(), self._plain()])

    def restored(self, state: bytes) -> Governed[M]:
        """Return a machine with the state of a snapshot."""
        check_items(state, _ITEMS_MAX)
        plain: _State = convert(decode(state), _State)  # type: ignore[arg-type]  # msgspec takes any type
        machine, (wishes, renewal) = plain
        fresh = Governed(self.machine.restored(machine), self._membership)
        fresh._wishes, fresh._renewal = dict(wishes), renewal  # one of us
        return fresh

    def renewed(self, membership: Membership) -> Governed[M]:
        """Return the machine for the next epoch: the same state, no wishes."""
        return Governed(self.machine, membership)

    def _plain(self) -> list[object]:
        wishes = [[index, [to_plain(it) for it in self._wishes[index]]] for index in sorted(self._wishes)]
        return [wishes, None if self._renewal is None else [to_plain(it) for it in self._renewal]]


_State: TypeAlias = tuple[bytes, tuple[list[tuple[int, tuple[Member, ...]]], tuple[Member, ...] | None]]

learn(Renew)
