"""The log in memory: the slow, obvious twin of ``SqliteLog``, its oracle in tests, and the store of simulations.

A commit works on a copy of the state, so nothing of a failed one remains. With ``hold_back = True`` commits
are answered but not yet durable, and ``lose_uncommitted()`` is the power failure; ``sync()`` makes them durable.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass, field
from secrets import token_bytes

from foedus.adapters.log_errors import BrokenCommit, LogClosed
from foedus.base.clock import ZERO, Hlc
from foedus.log.port import Commit, Committed, Entry, Gap, Head, Proof, Row, Truncate, Value, Verdict
from foedus.log.streams import parse

_REPLAYED = "replayed_nonce"
_ChainName = tuple[bytes, str]


@dataclass
class _State:
    """Everything that is stored. ``_copy`` must copy each container."""

    last_local: int = 0
    chains: dict[_ChainName, dict[int, bytes]] = field(default_factory=dict)
    """Ids by seq, which starts at 1, in that order."""
    gaps: dict[tuple[_ChainName, int], Gap] = field(default_factory=dict)
    """By (chain, last seq)."""
    rows: dict[bytes, Row] = field(default_factory=dict)
    aside: dict[bytes, Row] = field(default_factory=dict)
    nonces: dict[tuple[bytes, str, bytes, bytes], int] = field(default_factory=dict)
    proofs: dict[_ChainName, Proof] = field(default_factory=dict)
    records: dict[bytes, bytes] = field(default_factory=dict)
    values: dict[tuple[str, bytes], bytes] = field(default_factory=dict)

    def copy(self) -> _State:
        """Return a state whose change leaves this one as it is."""
        state = copy(self)
        state.chains = {name: dict(ids) for name, ids in self.chains.items()}
        for name in ("gaps", "rows", "aside", "nonces", "proofs", "records", "values"):
            setattr(state, name, dict(getattr(self, name)))
        return state


class MemoryLog:
    """``EventLog`` in dictionaries. Not for many events: every commit copies all."""

    def __init__(self, store_id: bytes = b"") -> None:
        self._store_id = store_id or token_bytes(16)
        self._durable = _State()
        self._state = self._durable
        self._closed = False
        self.hold_back = False
        """Whether commits wait for ``sync()`` before they would survive ``lose_uncommitted()``."""

    # --- for simulations ---------------------------------------------------------------------------

    def sync(self) -> None:
        """Make everything that was committed durable."""
        self._durable = self._state

    def lose_uncommitted(self) -> None:
        """Lose power: what was held back is gone. The log is open again after."""
        self._state = self._durable
        self._closed = False

    # --- the port ------------------------------------------------------------------------------------

    @property
    def store_id(self) -> bytes:
        """16 random bytes given when the store was made."""
        return self._store_id

    @property
    def last_local(self) -> int:
        """The highest local number ever given, 0 in an empty store."""
        return self._state.last_local

    def commit(self, commit: Commit) -> Committed:
        """Store everything of ``commit`` or, raising, nothing."""
        return self.commit_many([commit])[0]

    def commit_many(self, commits: Sequence[Commit]) -> list[Committed]:
        """Apply the commits in order, all or nothing."""
        state = self._open().copy()
        results = [_apply(state, commit) for commit in commits]
        self._state = state
        if not self.hold_back:
            self.sync()
        return results

    def heads(self) -> Iterator[Head]:
        """Every chain's head."""
        state = self._open()
        ends = {name: _end(state, name) for name in state.chains}
        return iter([_head(state, name) for name, (seq, _, _) in ends.items() if seq])

    def control_rows(self) -> Iterator[Row]:
        """Return the events of all control streams, by local number."""
        return iter([row for row in self._by_local() if parse(row.stream).is_control])

    def pending_rows(self) -> Iterator[Row]:
        """Return the events whose verdict is PENDING, by local number."""
        return iter([row for row in self._by_local() if row.verdict is Verdict.PENDING])

    def erase_rows(self) -> Iterator[Row]:
        """Return the erasures that stand in their chains, by local number."""
        return iter([row for row in self._by_local() if row.kind == "event.erase"])

    def bodiless_rows(self, local: int, limit: int) -> list[Row]:
        """Rows without a body after a local number."""
        return [row for row in self._by_local() if row.local > local and row.envelope.body is None][:limit]

    def rejected_rows(self, local: int, limit: int) -> list[Row]:
        """Rejected rows with a body after a local number."""
        rows = (row for row in self._by_local() if row.local > local and row.envelope.body is not None)
        return [row for row in rows if row.verdict is Verdict.REJECTED][:limit]

    def chain(self, epoch: bytes, stream: str, after_seq: int, limit: int, max_bytes: int = 1 << 62) -> list[Row]:
        """Rows of a chain with seq > ``after_seq``; the one that reaches ``max_bytes`` is the last."""
        rows: list[Row] = []
        size = 0
        for row in self._chain_rows(epoch, stream):
            if row.seq > after_seq and len(rows) < limit and size < max_bytes:
                rows.append(row)
                size += len(row.envelope.event) + len(row.envelope.body or b"")
        return rows

    def chain_backwards(self, epoch: bytes, stream: str, before_seq: int, limit: int) -> list[Row]:
        """Rows of a chain with seq < ``before_seq``, newest first."""
        rows = [row for row in self._chain_rows(epoch, stream) if row.seq < before_seq]
        return rows[::-1][:limit]

    def by_ids(self, ids: Iterable[bytes]) -> dict[bytes, Row]:
        """Rows by id, also of events that left their chain (their local number is 0)."""
        state = self._open()
        held = state.aside | state.rows
        return {id_: held[id_] for id_ in ids if id_ in held}

    def nonce_seq(self, epoch: bytes, stream: str, device: bytes, nonce: bytes) -> int:
        """Return the lowest seq of a chain at which a (device, nonce) stands, 0 where none has it."""
        return self._open().nonces.get((epoch, stream, device, nonce), 0)

    def since(self, local: int, limit: int, stream: str = "") -> list[Row]:
        """Rows with a local number > ``local`` in that order, of one stream where it is named."""
        return [row for row in self._by_local() if row.local > local and stream in {"", row.stream}][:limit]

    def proofs(self) -> Iterator[Proof]:
        """Return the kept equivocation proofs: of each chain that of its lowest fork."""
        return iter(list(self._open().proofs.values()))

    def gaps(self) -> Iterator[Gap]:
        """Return what chains no longer hold, by chain and seq."""
        gaps = self._open().gaps
        return iter([gaps[key] for name in self._open().chains for key in sorted(gaps) if key[0] == name])

    def scrub(self) -> bool:
        """Memory keeps nothing that was dropped."""
        self._open()
        return True

    def records(self) -> Iterator[tuple[bytes, bytes]]:
        """(epoch id, signed record bytes), in the order they were stored; the first of an epoch is kept."""
        return iter(list(self._open().records.items()))

    def values(self, space: str) -> dict[bytes, bytes]:
        """All values of a space."""
        return {key: value for (held, key), value in self._open().values.items() if held == space}

    def values_between(self, space: str, after: bytes, upto: bytes) -> dict[bytes, bytes]:
        """Values of a space whose keys lie after ``after``, and not after ``upto``."""
        return {key: value for key, value in self.values(space).items() if after < key <= upto}

    def check(self) -> list[str]:
        """Memory is whole."""
        self._open()
        return []

    def close(self) -> None:
        """Later calls raise LogClosed; what is durable stays for ``lose_uncommitted``."""
        self._closed = True

    def _open(self) -> _State:
        if self._closed:
            raise LogClosed("the log is closed")
        return self._state

    def _by_local(self) -> list[Row]:
        return sorted(self._open().rows.values())

    def _chain_rows(self, epoch: bytes, stream: str) -> list[Row]:
        state = self._open()
        return [state.rows[id_] for id_ in state.chains.get((epoch, stream), {}).values()]


def _apply(state: _State, commit: Commit) -> Committed:
    """Apply one commit to ``state``; raise BrokenCommit with the state half changed."""
    for truncation in commit.truncations:
        _truncate(state, truncation)
    for gap in commit.gaps:
        _leave_gap(state, gap)
    first = state.last_local + 1
    replayed = [index for index, entry in enumerate(commit.entries) if _append(state, entry)]
    _set_aside(state, commit.asides)
    _change_bodies(state, commit)
    for change in commit.verdicts:
        row = _held(state, change.id)
        if row.reason != _REPLAYED:
            _replace(
                state,
                row._replace(
                    verdict=Verdict(change.verdict), reason=change.reason, withheld=change.withheld or row.withheld
                ),
            )
    for proof in commit.proofs:
        kept = state.proofs.get((proof.epoch, proof.stream))
        if kept is None or proof.seq < kept.seq:
            state.proofs[(proof.epoch, proof.stream)] = _stubs(proof)
    for epoch, record in commit.records:
        state.records.setdefault(epoch, record)
    for value in commit.values:
        _set(state, value)
    return Committed(first, tuple(replayed))


def _change_bodies(state: _State, commit: Commit) -> None:
    for fill in commit.bodies:
        row = _held(state, fill.id)
        _replace(state, row._replace(envelope=row.envelope._replace(salt=fill.salt, body=fill.body)))
    for id_ in commit.drops:
        if id_ in state.rows or id_ in state.aside:
            row = _held(state, id_)
            _replace(state, row._replace(envelope=row.envelope.without_body()))


def _append(state: _State, entry: Entry) -> bool:
    """Append one event; return whether its nonce was taken."""
    name = (entry.epoch, entry.stream)
    ids = state.chains.setdefault(name, {})
    last = _end(state, name)[0]
    if entry.seq != last + 1 or entry.id in state.rows:
        raise BrokenCommit(f"event {entry.seq} of {entry.stream} does not follow {last}, or is held already")
    replayed = _claim(state, entry)
    state.last_local += 1
    ids[entry.seq] = entry.id
    verdict, reason = (Verdict.REJECTED, _REPLAYED) if replayed else (Verdict(entry.verdict), entry.reason)
    state.rows[entry.id] = _row(entry, state.last_local, verdict, reason)
    return replayed


def _row(entry: Entry, local: int, verdict: Verdict, reason: str) -> Row:
    return Row(
        local=local,
        id=entry.id,
        epoch=entry.epoch,
        stream=entry.stream,
        seq=entry.seq,
        hlc=Hlc(*entry.hlc),
        kind=entry.kind,
        envelope=entry.envelope,
        verdict=verdict,
        reason=reason,
        withheld=entry.withheld,
    )


def _claim(state: _State, entry: Entry) -> bool:
    """Take the entry's nonce; return whether an event before it has it."""
    if entry.device is None:
        return False
    key = (entry.epoch, entry.stream, entry.device, entry.nonce)
    return state.nonces.setdefault(key, entry.seq) != entry.seq


def _set_aside(state: _State, entries: Sequence[Entry]) -> None:
    for entry in entries:
        if entry.id not in state.rows:
            state.aside.setdefault(entry.id, _row(entry, 0, Verdict(entry.verdict), entry.reason))


def _truncate(state: _State, truncation: Truncate) -> None:
    name = (truncation.epoch, truncation.stream)
    ids = state.chains.get(name, {})
    if truncation.from_seq < 1:
        raise BrokenCommit(f"a chain cannot be cut at {truncation.from_seq}")
    for seq in [seq for seq in ids if seq >= truncation.from_seq]:
        id_ = ids.pop(seq)
        state.aside[id_] = state.rows.pop(id_)._replace(local=0)
    state.gaps = {key: gap for key, gap in state.gaps.items() if key[0] != name or gap.seq < truncation.from_seq}
    state.nonces = {key: seq for key, seq in state.nonces.items() if key[:2] != name or seq < truncation.from_seq}


def _leave_gap(state: _State, gap: Gap) -> None:
    name = (gap.epoch, gap.stream)
    if not 0 <= gap.after < gap.seq:
        raise BrokenCommit(f"no gap goes from {gap.after} to {gap.seq}")
    ids = state.chains.setdefault(name, {})
    for seq in [seq for seq in ids if gap.after < seq <= gap.seq]:
        del state.rows[ids.pop(seq)]
    inside = [key for key in state.gaps if key[0] == name and gap.after < key[1] <= gap.seq]
    for key in inside:
        del state.gaps[key]
    state.gaps[name, gap.seq] = gap


def _end(state: _State, name: _ChainName) -> tuple[int, bytes, Hlc]:
    """Return (seq, id, clock) of the end of a chain."""
    ids = state.chains.get(name, {})
    last = max(ids, default=0)
    gaps = [gap for (of, _), gap in state.gaps.items() if of == name and gap.seq > last]
    if gaps:
        gap = max(gaps, key=lambda gap: gap.seq)
        return gap.seq, gap.id, gap.hlc
    return (last, ids[last], state.rows[ids[last]].hlc) if last else (0, b"", ZERO)


def _held(state: _State, id_: bytes) -> Row:
    row = state.rows.get(id_) or state.aside.get(id_)
    if row is None:
        raise BrokenCommit(f"event {id_.hex()} is not held")
    return row


def _replace(state: _State, row: Row) -> None:
    where = state.rows if row.id in state.rows else state.aside
    where[row.id] = row


def _set(state: _State, value: Value) -> None:
    if value.value is None:
        state.values.pop((value.space, value.key), None)
    else:
        state.values[(value.space, value.key)] = value.value


def _stubs(proof: Proof) -> Proof:
    return proof._replace(one=proof.one.without_body(), other=proof.other.without_body())


def _head(state: _State, name: _ChainName) -> Head:
    proof = state.proofs.get(name)
    seq, id_, hlc = _end(state, name)
    return Head(*name, seq, id_, hlc, proof.seq if proof else 0)
