"""Rows of the audit log: what was decided, about whom, by which rule (docs/terms.md, "Audit and reputation").

A row names the hash of the row before it, so the hash of one row stands for all rows up to it.
"""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple, TypeAlias

from msgspec import Meta, Struct

from foedus.base.cbor import decode_as, encode, learn
from foedus.base.clock import Instant
from foedus.base.ids import sha256
from foedus.log.event import Id, Microseconds

TEXT_MAX = 160
"""Characters of a text in a row: the longest stream name (STREAM_NAME_MAX). What is longer is cut."""
ROW_MAX = 2_048
"""Bytes of a row: five texts of 160 characters, in UTF-8, and some hundred bytes beside."""

Act: TypeAlias = Literal[
    "event",
    "fork",
    "peering",
    "federation",
    "author",
    "approval",
    "key",
    "operator",
    "link",
    "audit",
    "query",
    "call",
    "erase",
    "council",
]
"""The kind of decision: one row each in the table of docs/terms.md."""
PEERING = "peering"
"""Subject of a row about a link that was closed for what another row, about peering, says already."""
Text: TypeAlias = Annotated[str, Meta(max_length=TEXT_MAX)]
Count: TypeAlias = Annotated[int, Meta(ge=1, lt=1 << 53)]
Seq: TypeAlias = Annotated[int, Meta(ge=0, lt=1 << 53)]


class Decision(NamedTuple):
    """Something was decided. ``actor``: a node id in hex, a DID, an address, ``operator`` or ``node`` (this one).

    ``rule``: the clause or reason code by which, '' where none had to be named. ``ids``: the events concerned, which
    lie between the seqs ``first`` and ``last`` (0: none are named) of the stream ``subject``.
    """

    actor: str
    act: Act
    subject: str
    rule: str
    outcome: str
    ids: tuple[bytes, ...] = ()
    first: int = 0
    last: int = 0
    times: int = 1
    quiet: bool = False
    """It comes of the audit log itself: its row waits for others, so that a head never makes a new head due."""


class Draft(NamedTuple):
    """A row that has no place yet; its texts are ``cut``.

    ``digest``: the id of the one event that is concerned, or SHA-256 of all their ids.
    """

    at: Instant
    until: Instant
    actor: str
    act: Act
    subject: str
    rule: str
    outcome: str
    times: int
    first: int
    last: int
    digest: bytes | None
    aggregated: bool


class Row(Struct, frozen=True, forbid_unknown_fields=True):
    """A row in its place. ``at`` and ``until``: when the first and the last of ``times`` decisions fell.

    ``aggregated``: it stands for decisions that came too fast for a row each. ``prev``: the hash of row n - 1, null in
    row 1.
    """

    v: Annotated[int, Meta(ge=1, le=1)]
    n: Count
    at: Microseconds
    until: Microseconds
    actor: Text
    act: Act
    subject: Text
    rule: Text
    outcome: Text
    times: Count
    first: Seq
    last: Seq
    digest: Id | None
    aggregated: bool
    prev: Id | None


class Head(NamedTuple):
    """The end of the audit log: how many rows there ever were, and the hash of the last (None: there is none)."""

    rows: int
    hash: bytes | None


START = Head(0, None)


class Link(NamedTuple):
    """A row's place, bytes and hash, as they are stored."""

    n: int
    data: bytes
    hash: bytes


def cut(text: str) -> str:
    """Return a text as a row takes it: other nodes choose some of them."""
    return text if len(text) <= TEXT_MAX and text.isascii() else text[:TEXT_MAX].encode("utf-8", "replace").decode()


def follow(head: Head, draft: Draft) -> Link:
    """Return the row that a draft becomes after ``head``."""
    n = head.rows + 1
    data = encode({"v": 1, "n": n, "prev": head.hash, **draft._asdict()})
    return Link(n, data, sha256(data))


def parse_row(data: bytes) -> Row:
    """Return the row of these bytes; raise NotCanonical or Malformed."""
    return decode_as(data[: ROW_MAX + 1], Row)


learn(Row)
