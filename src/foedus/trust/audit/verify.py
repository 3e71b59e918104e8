"""Checks an audit log: a fold over its rows, against its seals and against the heads that peers remember.

What an edit leaves: a row's hash is named by the row after it, so a row that was changed alone is named by the next;
who changes all that follow contradicts the next seal; who seals anew contradicts what peers countersigned.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, groupby
from typing import NamedTuple

from foedus.base.clock import Instant
from foedus.base.errors import PeerViolation
from foedus.base.ids import sha256
from foedus.base.limits import DAY
from foedus.trust.audit.rows import START, Head, Row, parse_row
from foedus.trust.audit.seals import SEAL_ROWS, Seal, Statement, is_signed, read_statement

PRUNED = "retention"
"""The rule of the row that says up to where (``last``) older rows were let go."""

UNSEALED_MAX = 4 * SEAL_ROWS
UNSEALED_LASTS = DAY
"""More rows than this, or rows of a longer time, are never without a seal: a node seals each 1,000 rows, each minute of
decisions and when it stops; only one that is killed again and again within its first minute does not come to it."""

KeysOf = Callable[[bytes], tuple[bytes, bytes] | None]
"""Epoch → its public keys (Ed25519, ML-DSA-65), None where its identity record is not at hand."""


class Claim(NamedTuple):
    """What somebody remembers of the log: at ``rows`` rows its head was ``hash``. ``by``: who says so, in words."""

    rows: int
    hash: bytes
    by: str


class Finding(NamedTuple):
    """Something does not hold. ``row``: the row that is named, or the first of them."""

    row: int
    what: str


class Stored(NamedTuple):
    """A row as it was found: the place under which it was kept, and its bytes."""

    n: int
    data: bytes


class Summary(NamedTuple):
    """What was checked."""

    first: int
    rows: int
    seals: int
    claims: int
    unsealed: int
    unchecked: int
    """Claims about rows that retention has let go."""
    head: Head


class Audit:
    """One pass. Feed it by ``run``; ``findings`` are in the order of the rows, ``summary`` is there afterwards."""

    def __init__(self, node: bytes, keys_of: KeysOf) -> None:
        self._node = node
        self._keys_of = keys_of
        self._marks: list[tuple[int, bytes, str]] = []
        self._sealed = 0
        self._head = START
        self._first = self._rows = self._seals = self._claims = self._unchecked = 0
        self._begun = False
        self._pruned_to = 0
        self._unsealed: tuple[Instant, Instant] | None = None

    def run(self, rows: Iterable[Stored], seals: Sequence[Seal], claims: Sequence[Claim]) -> Iterator[Finding]:
        """Yield what does not hold. ``rows`` in the order in which they were kept, seals by their count."""
        yield from self._read_seals(seals)
        self._marks += [(claim.rows, claim.hash, claim.by) for claim in claims]
        self._marks.sort(key=lambda mark: mark[0])
        self._claims = len(claims)
        marks = iter(groupby(self._marks, key=lambda mark: mark[0]))
        due = next(marks, None)
        for stored in rows:
            yield from self._row(stored)
            while due is not None and due[0] <= self._head.rows:
                yield from self._compare(due[0], list(due[1]))
                due = next(marks, None)
        rest = chain([due], marks) if due is not None else ()
        yield from self._beyond([mark for _, group in rest for mark in group])
        yield from self._beginning()
        yield from self._end()

    @property
    def summary(self) -> Summary:
        """Return what was checked, after ``run`` was read to its end."""
        unsealed = max(0, self._head.rows - self._sealed)
        return Summary(self._first, self._rows, self._seals, self._claims, unsealed, self._unchecked, self._head)

    # --- seals -------------------------------------------------------------------------------

    def _read_seals(self, seals: Sequence[Seal]) -> Iterator[Finding]:
        before: Seal | None = None
        for place, seal in enumerate(seals):
            self._seals += 1
            try:
                statement = read_statement(seal)
            except PeerViolation as error:
                yield Finding(self._sealed, f"the seal after row {self._sealed} cannot be read: {error}")
                continue
            yield from self._seal(statement, seal)
            if place and before is not None and statement.prev != before.id:
                yield Finding(
                    self._sealed + 1, f"between the seals of rows {self._sealed} and {statement.count} one is missing"
                )
            before = seal
            self._sealed = max(self._sealed, statement.count)
            self._marks.append((statement.count, statement.head, f"the seal of row {statement.count}"))

    def _seal(self, statement: Statement, seal: Seal) -> Iterator[Finding]:
        keys = self._keys_of(statement.epoch)
        if statement.node != self._node:
            yield Finding(statement.count, f"the seal of row {statement.count} is of another node")
        elif keys is None:
            yield Finding(statement.count, f"the seal of row {statement.count} is by keys that nobody vouches for")
        elif not is_signed(seal, keys):
            yield Finding(statement.count, f"the seal of row {statement.count} is not signed by both keys of its node")

    # --- rows --------------------------------------------------------------------------------

    def _row(self, stored: Stored) -> Iterator[Finding]:
        self._rows += 1
        try:
            row = parse_row(stored.data)
        except PeerViolation as error:
            yield Finding(stored.n, f"row {stored.n} was edited: it is no row any more ({error})")
            self._move(Head(stored.n, None))
            return
        yield from self._place(stored, row)
        if row.n > self._sealed:
            self._unsealed = (row.at if self._unsealed is None else self._unsealed[0], row.until)
        if row.act == "audit" and row.rule == PRUNED:
            self._pruned_to = max(self._pruned_to, row.last)
        self._move(Head(row.n, sha256(stored.data)))

    def _place(self, stored: Stored, row: Row) -> Iterator[Finding]:
        expected = self._head.rows + 1
        if row.n != stored.n:
            yield Finding(stored.n, f"in the place of row {stored.n} stands row {row.n}")
        elif not self._begun:
            yield from self._opening(row)
        elif row.n > expected:
            yield Finding(expected, f"{_span(expected, row.n - 1)} missing")
        elif row.n < expected:
            yield Finding(row.n, f"row {row.n} stands after row {self._head.rows}")
        elif self._head.hash is not None and row.prev != self._head.hash:
            yield Finding(self._head.rows, f"row {self._head.rows} was edited: row {row.n} follows another")

    def _opening(self, row: Row) -> Iterator[Finding]:
        """Check the first row that is kept: row 1, or one after a seal up to which retention let rows go."""
        if (row.prev is None) is not (row.n == 1):
            yield Finding(row.n, f"row {row.n} was edited: it does not say truly whether it is the first")
        for count, hash_, by in self._marks:
            if count == row.n - 1 and hash_ != row.prev:
                yield Finding(row.n, f"row {row.n} was edited: {by} says that it follows another")

    def _move(self, head: Head) -> None:
        if not self._begun:
            self._begun, self._first = True, head.rows
        self._head = head

    # --- heads that others remember ----------------------------------------------------------

    def _compare(self, count: int, marks: list[tuple[int, bytes, str]]) -> Iterator[Finding]:
        """Compare what was said of row ``count`` with the row that was just read, or was passed over."""
        if count < self._first:
            self._unchecked += len(marks)
            return
        if count != self._head.rows or self._head.hash is None:
            return  # the row is missing or damaged, which is said already
        for _, hash_, by in marks:
            if hash_ != self._head.hash:
                yield Finding(count, f"row {count}, or one before it, was rewritten: {by} says otherwise")

    def _beyond(self, marks: list[tuple[int, bytes, str]]) -> Iterator[Finding]:
        """Name what was cut off the end: rows that a seal or a peer knew."""
        if marks:
            count, _, by = max(marks, key=lambda mark: mark[0])
            first = self._head.rows + 1
            yield Finding(first, f"{_span(first, count)} missing at the end: {by} knew of them")

    def _beginning(self) -> Iterator[Finding]:
        """Rows may be missing before the first only where the log says that retention let them go."""
        if self._first > 1 and self._pruned_to < self._first - 1:
            yield Finding(1, f"{_span(1, self._first - 1)} missing, and no row says that retention let them go")

    def _end(self) -> Iterator[Finding]:
        """Name rows without a seal that would have one: it may have been taken away, with what it contradicts."""
        first, last = max(self._sealed, self._first - 1) + 1, self._head.rows
        if self._unsealed is None:
            return
        if last - first >= UNSEALED_MAX or self._unsealed[1] - self._unsealed[0] > UNSEALED_LASTS:
            yield Finding(first, f"{_span(first, last)} without a seal, though a node seals them each minute")


def _span(first: int, last: int) -> str:
    return f"row {first} is" if first == last else f"rows {first} to {last} are"
