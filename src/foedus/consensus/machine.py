"""What a council decides upon: a deterministic state machine, and the built-in one, keys with compare-and-set."""

from __future__ import annotations

from typing import Annotated, Literal, Protocol, Self, TypeAlias

from msgspec import Meta, Struct

from foedus.base.cbor import Malformed, NotCanonical, check_items, convert, decode, decode_as, encode, learn
from foedus.base.ids import sha256
from foedus.consensus import merkle
from foedus.consensus.membership import Member
from foedus.consensus.updates import Update

BUCKETS = 1_024
KEY_MAX, VALUE_MAX = 256, 16_384
STATE_BYTES_MAX = 64 * 1_048_576
"""What a new member has to fetch, and a checkpoint to write, at most."""

ENTRY_COST = 64
"""Bytes that each entry counts for beside its own: in memory it has more."""
_ITEMS_MAX = 1 + 3 * STATE_BYTES_MAX // ENTRY_COST


class StateMachine(Protocol):
    """Every member applies the same updates in the same order and must come to the same root and results.

    So: no clock, no randomness, nothing from outside, and no order that a set or a hash seed gives.
    """

    @property
    def renewal(self) -> tuple[Member, ...] | None:
        """The members with whom the council decided to go on, None while it stays as it is."""
        ...

    def apply(self, sequence: int, update: Update) -> bytes:
        """Make an update; return its result. What cannot be done is a result, too: nothing raises."""
        ...

    def root(self) -> bytes:
        """Return a hash (32 bytes) of the whole state."""
        ...

    def snapshot(self) -> bytes:
        """Return the whole state."""
        ...

    def restored(self, state: bytes) -> Self:
        """Return a machine with the state of a snapshot; raise Malformed or NotCanonical."""
        ...


class Put(Struct, frozen=True, forbid_unknown_fields=True, tag_field="op", tag="put"):
    """Set a key, or delete it (``value`` None); only where it has the value ``expected`` (a list of one), if given."""

    key: Annotated[str, Meta(min_length=1, max_length=KEY_MAX)]
    value: Annotated[bytes, Meta(max_length=VALUE_MAX)] | None
    expected: tuple[bytes | None] | None


class Get(Struct, frozen=True, forbid_unknown_fields=True, tag_field="op", tag="get"):
    """Read a key in the order of all updates."""

    key: Annotated[str, Meta(min_length=1, max_length=KEY_MAX)]


Command: TypeAlias = Put | Get
Outcome: TypeAlias = Literal["done", "value", "unequal", "malformed", "full"]


class KeyValue:
    """An ordered map; the members never change. Of its root, over BUCKETS of keys, only the touched are hashed anew."""

    renewal = None

    def __init__(self) -> None:
        self._values: dict[str, bytes] = {}
        self._bytes = 0
        self._buckets: list[set[str]] = [set() for _ in range(BUCKETS)]
        self._tree = merkle.Tree([sha256()] * BUCKETS)
        self._touched: set[int] = set()

    def apply(self, sequence: int, update: Update) -> bytes:  # noqa: ARG002  # the port's
        """Make a command; the result is the list [outcome, value before]."""
        try:
            command: Command = decode_as(update.command, Command)  # type: ignore[arg-type]  # msgspec takes a union
        except (Malformed, NotCanonical):
            return _result("malformed", None)
        before = self._values.get(command.key)
        if isinstance(command, Get):
            return _result("value", before)
        if command.expected is not None and command.expected[0] != before:
            return _result("unequal", before)
        return _result("done" if self._set(command.key, command.value) else "full", before)

    def get(self, key: str) -> bytes | None:
        """Return what this member holds now: a fast read, that may be behind what the council has decided."""
        return self._values.get(key)

    def _set(self, key: str, value: bytes | None) -> bool:
        before = self._values.get(key)
        size = self._bytes - _cost(key, before) + _cost(key, value)
        if size > STATE_BYTES_MAX:
            return False
        self._bytes = size
        bucket = int.from_bytes(sha256(key.encode())[:4], "big") % BUCKETS
        self._touched.add(bucket)
        if value is None:
            self._values.pop(key, None)
            self._buckets[bucket].discard(key)
        else:
            self._values[key] = value
            self._buckets[bucket].add(key)
        return True

    def root(self) -> bytes:
        """Return the Merkle root over the buckets."""
        self._tree.change({bucket: self._hash(bucket) for bucket in self._touched})
        self._touched.clear()
        return self._tree.root

    def _hash(self, bucket: int) -> bytes:
        entries = [[key, self._values[key]] for key in sorted(self._buckets[bucket])]
        return sha256(encode(entries)) if entries else sha256()

    def snapshot(self) -> bytes:
        """Return all entries, sorted by key."""
        return encode([[key, self._values[key]] for key in sorted(self._values)])

    def restored(self, state: bytes) -> KeyValue:
        """Return a map with the entries of a snapshot."""
        fresh = KeyValue()
        check_items(state, _ITEMS_MAX)
        for key, value in convert(decode(state), list[tuple[str, bytes]]):
            fresh._set(key, value)  # one of us
        return fresh


def _cost(key: str, value: bytes | None) -> int:
    return 0 if value is None else ENTRY_COST + len(key) + len(value)


def _result(outcome: Outcome, value: bytes | None) -> bytes:
    return encode([outcome, value])


learn(Command)
