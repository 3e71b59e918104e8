"""Frames of questions and what is found, and who can be reached with one."""

from __future__ import annotations

from typing import Annotated, NamedTuple, TypeAlias

from msgspec import Meta, Struct

from foedus.log.event import Id, Signature
from foedus.sync.frames.fields import Code, EnvelopeBytes, Seq

QUERY_BYTES_MAX = 24_576
"""Bytes of a question (docs/query.md); a result has fewer."""
EVIDENCE_MAX = 16
"""Events that go with a question: an enrolment, and a chain of grants with those of its issuers."""
PATH_MAX = 9
"""Nodes that a question came through: who asks, and 8 hops."""
QUERY_LASTS_MAX = 60_000_000
"""Microseconds that a question may still have."""
RESULTS_PER_FRAME = 64
"""A frame of so many small ones has 50 KB; large ones fill it before (a sender stops at 256 KiB)."""
REPORTS_PER_FRAME = 1_024
"""Nodes that a node names are 1,000 at most."""

REACHED_MAX = 1_024
"""Nodes that a node says it reaches (docs/routing.md)."""
REACHED_HOPS_MAX = 7
"""A question passes 8 links, and the first leads to who says so."""
QuestionBytes: TypeAlias = Annotated[bytes, Meta(min_length=1, max_length=QUERY_BYTES_MAX)]


class QueryReport(NamedTuple):
    """How a node did with a question; ``node`` None: ``results`` nodes that are not named."""

    node: Id | None
    outcome: Code
    code: Annotated[str, Meta(max_length=64)]
    results: Seq


class Reached(NamedTuple):
    """A node, and how many links it is to it."""

    node: Id
    hops: Annotated[int, Meta(ge=0, le=REACHED_HOPS_MAX)]


class SignedResult(NamedTuple):
    """A result, and its source node's signature of it."""

    data: QuestionBytes
    sig: Signature


class Query(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="query"):
    """A question: as it was signed, by the asker's device (null: the node asks) and its node.

    ``evidence``: envelopes of events that it stands on, for nodes that do not hold them. ``path``: who passed it on,
    the asking node first, the sender last. ``left``: µs that the receiver has.
    """

    question: QuestionBytes
    asig: Signature | None
    sig: Signature
    evidence: Annotated[tuple[EnvelopeBytes, ...], Meta(max_length=EVIDENCE_MAX)]
    path: Annotated[tuple[Id, ...], Meta(min_length=1, max_length=PATH_MAX)]
    left: Annotated[int, Meta(ge=1, le=QUERY_LASTS_MAX)]


class Results(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="results"):
    """Results for a question of the receiver, its own or passed on."""

    query: Id
    results: Annotated[tuple[SignedResult, ...], Meta(max_length=RESULTS_PER_FRAME)]


class Answered(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="answered"):
    """Nothing more comes for a question: how the sender did, and those that it asked."""

    query: Id
    reports: Annotated[tuple[QueryReport, ...], Meta(max_length=REPORTS_PER_FRAME)]


class Cancel(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="cancel"):
    """Nobody waits for a question any more."""

    query: Id


class Reach(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="reach"):
    """How many links it is from the sender to which nodes, itself at 0. Takes the place of the last; empty: untold."""

    nodes: Annotated[tuple[Reached, ...], Meta(max_length=REACHED_MAX)]
