"""The port of the log: what admission hands to storage, and what reading needs from it.

A ``Commit`` is one transaction. When ``commit`` returns, all of it is durable; when it raises
Unavailable, nothing of it has happened. One contract suite (``tests/adapters/event_log_contract.py``)
holds every adapter.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from enum import IntEnum
from typing import NamedTuple, Protocol

from foedus.base.clock import Hlc
from foedus.log.event import Envelope


class Verdict(IntEnum):
    """The authority verdict of a held event."""

    ACCEPTED = 0
    PENDING = 1
    REJECTED = 2


class Entry(NamedTuple):
    """An event to store at the end of its chain.

    ``device`` and ``nonce`` are for the replay rule, which comes before all others: an entry with a device whose
    (device, nonce) stands at a lower seq of its chain, whatever the verdict there and here, is stored as REJECTED,
    reason ``replayed_nonce``. That verdict stays: a later VerdictChange of it does nothing. Only a Truncate that
    takes the lower one out of the chain frees its nonce. ``device`` None is exempt. The id may be that of an
    event which a Truncate set aside: it then stands in its chain again.
    """

    id: bytes
    epoch: bytes
    stream: str
    seq: int
    hlc: Hlc
    kind: str
    device: bytes | None
    nonce: bytes
    envelope: Envelope
    verdict: Verdict
    reason: str
    withheld: str


class Row(NamedTuple):
    """A stored event. ``local`` is this store's admission number: it grows, and is never reused."""

    local: int
    id: bytes
    epoch: bytes
    stream: str
    seq: int
    hlc: Hlc
    kind: str
    envelope: Envelope
    verdict: Verdict
    reason: str
    withheld: str


class Head(NamedTuple):
    """The end of a chain as stored. ``contested`` is the seq of its kept proof, 0 where there is none."""

    epoch: bytes
    stream: str
    seq: int
    id: bytes
    hlc: Hlc
    contested: int


class VerdictChange(NamedTuple):
    """A held event is judged anew. Does nothing to an event that is stored as ``replayed_nonce``.

    ``withheld``: the clause of the door that is stored with it from now on; '' leaves what is stored.
    """

    id: bytes
    verdict: Verdict
    reason: str
    withheld: str = ""


class BodyFill(NamedTuple):
    """The body of a held event has come."""

    id: bytes
    salt: bytes
    body: bytes


class Proof(NamedTuple):
    """Two events of one (epoch, stream, seq), as envelopes without bodies, the smaller id first.

    Of a chain the proof with the lowest seq is kept, so that all nodes end with the same one; of two with one seq
    the first. The chain itself need not be held.
    """

    epoch: bytes
    stream: str
    seq: int
    one: Envelope
    other: Envelope


class Truncate(NamedTuple):
    """The owner chose another branch: events of the chain from ``from_seq`` leave it (kept aside, by id).

    They free their nonces. Where the chain ends below ``from_seq`` nothing happens.
    """

    epoch: bytes
    stream: str
    from_seq: int


class Gap(NamedTuple):
    """Events of a chain after ``after`` up to ``seq`` are not held: retention dropped them, here or at a peer.

    ``id`` and ``hlc`` are of the last of them, which ``checkpoint`` (the body of that event, with both signatures of
    the epoch) names; ``hlc`` is ZERO where that event never was here. A gap takes the place of those inside it. The
    (device, nonce) of what it drops stay taken.
    """

    epoch: bytes
    stream: str
    after: int
    seq: int
    id: bytes
    hlc: Hlc
    checkpoint: bytes


class Value(NamedTuple):
    """A small durable value of the node (a peer, a request, a nonce). ``value`` None deletes it."""

    space: str
    key: bytes
    value: bytes | None


class Commit(NamedTuple):
    """One transaction, applied in this order: truncations, gaps, entries, asides, bodies, drops, verdicts, the rest."""

    entries: Sequence[Entry] = ()
    truncations: Sequence[Truncate] = ()
    bodies: Sequence[BodyFill] = ()
    verdicts: Sequence[VerdictChange] = ()
    proofs: Sequence[Proof] = ()
    records: Sequence[tuple[bytes, bytes]] = ()
    """(epoch id, signed record bytes)"""
    values: Sequence[Value] = ()
    drops: Sequence[bytes] = ()
    """Ids of events whose salt and body go; those that are not held are passed over."""
    gaps: Sequence[Gap] = ()
    """One that ends beyond its chain's head moves the head there."""
    asides: Sequence[Entry] = ()
    """Events of other branches than their chains hold, kept by id as if a Truncate had set them aside."""


class Committed(NamedTuple):
    """``first_local``: the local number of the first entry (the rest follow); ``replayed``: indexes into entries."""

    first_local: int
    replayed: Sequence[int]


class EventLog(Protocol):
    """Append-only storage of events, with the small durable state that moves with it.

    Reads see only what is durable. Methods may block; ``commit`` is called by one thread only.
    """

    @property
    def store_id(self) -> bytes:
        """16 random bytes given when the store was made: a cursor of another store is foreign."""
        ...

    @property
    def last_local(self) -> int:
        """The highest local number that is durable, 0 in an empty store."""
        ...

    def commit(self, commit: Commit) -> Committed:
        """Store everything of ``commit`` or, raising, nothing: ``commit_many([commit])[0]``.

        Raises Unavailable (the world), or UsageError ``broken_commit`` where the commit does not fit the store
        (a gap in a chain, an event held already, an unknown id).
        """
        ...

    def commit_many(self, commits: Sequence[Commit]) -> list[Committed]:
        """Apply several commits in order in one transaction, all or nothing; the same errors as ``commit``."""
        ...

    def heads(self) -> Iterator[Head]:
        """Every chain's head."""
        ...

    def control_rows(self) -> Iterator[Row]:
        """Yield the events of all control streams (all but ``room:``), by local number."""
        ...

    def pending_rows(self) -> Iterator[Row]:
        """Yield the events whose verdict is PENDING, by local number."""
        ...

    def erase_rows(self) -> Iterator[Row]:
        """Yield the events of kind ``event.erase`` that stand in their chains, by local number."""
        ...

    def bodiless_rows(self, local: int, limit: int) -> list[Row]:
        """Rows without a body that have a local number > ``local``, in that order."""
        ...

    def rejected_rows(self, local: int, limit: int) -> list[Row]:
        """Rows with a body whose verdict is REJECTED and that have a local number > ``local``, in that order."""
        ...

    def chain(self, epoch: bytes, stream: str, after_seq: int, limit: int, max_bytes: int = 1 << 62) -> list[Row]:
        """Rows of a chain with seq > ``after_seq``, at most ``limit``, stopping once ``max_bytes`` are reached."""
        ...

    def chain_backwards(self, epoch: bytes, stream: str, before_seq: int, limit: int) -> list[Row]:
        """Rows of a chain with seq < ``before_seq``, newest first."""
        ...

    def by_ids(self, ids: Iterable[bytes]) -> dict[bytes, Row]:
        """Rows by id, also of events that left their chain (their local number is 0)."""
        ...

    def nonce_seq(self, epoch: bytes, stream: str, device: bytes, nonce: bytes) -> int:
        """Return the lowest seq of a chain at which a (device, nonce) stands, 0 where none has it."""
        ...

    def since(self, local: int, limit: int, stream: str = "") -> list[Row]:
        """Rows with a local number > ``local`` in that order, of one stream where it is named."""
        ...

    def proofs(self) -> Iterator[Proof]:
        """Yield the kept equivocation proofs."""
        ...

    def gaps(self) -> Iterator[Gap]:
        """Yield what chains no longer hold, by chain and seq."""
        ...

    def scrub(self) -> bool:
        """Let nothing that was dropped remain in the files; False where someone still reads: try again."""
        ...

    def records(self) -> Iterator[tuple[bytes, bytes]]:
        """(epoch id, signed record bytes), in the order they were stored."""
        ...

    def values(self, space: str) -> dict[bytes, bytes]:
        """All values of a space."""
        ...

    def values_between(self, space: str, after: bytes, upto: bytes) -> dict[bytes, bytes]:
        """Values of a space whose keys lie after ``after``, and not after ``upto``."""
        ...

    def check(self) -> list[str]:
        """Say what is damaged, in words; empty where the store is whole."""
        ...

    def close(self) -> None:
        """Release files and threads. Later calls raise Unavailable."""
        ...
