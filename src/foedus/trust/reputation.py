"""Reputation: a number that follows from evidence rows and nothing else (docs/terms.md, "Audit and reputation").

1,000,000 is clean. Each piece of evidence takes points off, which halve every 30 days; what one day may take by one
kind is bounded, so that one bad night of a network never looks like malice. All integers, in millionths.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

from foedus.base.clock import Instant
from foedus.base.ids import ID_BYTES
from foedus.base.limits import DAY
from foedus.trust.audit.rows import PEERING, Draft, Row

CLEAN = 1_000_000
HALVING = 30 * DAY
FORGOTTEN = 10 * HALVING
"""After ten halvings a thousandth is left of what the gravest evidence took: it no longer counts."""
GRANTS_STOP = 500_000
"""Below: grants to and by the node no longer count."""
LINK_CLOSES = 200_000
"""Below: the link is closed, and a human decides."""


class Kind(StrEnum):
    """What evidence shows."""

    FORK = "fork"
    SIGNATURE = "bad_signature"
    BREACH = "breach"
    REPLAY = "replay"
    FLOOD = "flood"
    HEARTBEAT = "missed_heartbeat"


class Weight(NamedTuple):
    """Points that one piece takes, and what all pieces of its kind may take in one day (UTC)."""

    points: int
    per_day: int


WEIGHTS: dict[Kind, Weight] = {
    Kind.FORK: Weight(400_000, 800_000),
    Kind.SIGNATURE: Weight(100_000, 300_000),
    Kind.BREACH: Weight(50_000, 200_000),
    Kind.REPLAY: Weight(10_000, 50_000),
    Kind.FLOOD: Weight(20_000, 60_000),
    Kind.HEARTBEAT: Weight(1_000, 5_000),
}
"""A fork cannot be an accident of the network; a lost link nearly always is one, and a replay may be a client that
tries again."""
FALLS = frozenset({Kind.SIGNATURE, Kind.BREACH})
"""No accident shows this: all participants of the node fall to the lowest standing. After a fork they do so by its
proof, before its row is written."""

_BY_RULE: dict[str, Kind] = {
    "equivocation": Kind.FORK,
    "invalid_signature": Kind.SIGNATURE,
    "bad_checkpoint": Kind.SIGNATURE,
    "bad_proof": Kind.SIGNATURE,
    "bad_identity_record": Kind.SIGNATURE,
    "non_canonical": Kind.BREACH,
    "malformed_frame": Kind.BREACH,
    "too_large": Kind.BREACH,
    "hlc_not_growing": Kind.BREACH,
    "digest_mismatch": Kind.BREACH,
    "agreement_refused": Kind.BREACH,
    "audit_rewritten": Kind.BREACH,
    "replayed_nonce": Kind.REPLAY,
    "too_many_batches": Kind.FLOOD,
    "too_many_frames": Kind.FLOOD,
    "credit_overrun": Kind.FLOOD,
    "keepalive_timeout": Kind.HEARTBEAT,
}
"""Rule of a decision → what it shows. Only what an honest node never does stands here: a refusal such as
``not_permitted`` or ``missing_prev`` happens to every node while terms change."""
_JUDGED = frozenset({"event", "fork", "peering", "link"})
"""Acts of which the actor is proved by keys. An HTTP request with a wrong signature proves nobody's guilt."""


class Evidence(NamedTuple):
    """What one audit row shows of a node: ``times`` times, last at ``at``. ``row``: the number of that row."""

    row: int
    node: bytes
    kind: Kind
    at: Instant
    times: int


class Point(NamedTuple):
    """What a piece of evidence takes off now."""

    evidence: Evidence
    points: int


def evidence_of(n: int, row: Draft | Row) -> Evidence | None:
    """Return what row ``n`` of the audit log shows of another node, if it shows anything."""
    kind = _BY_RULE.get(row.rule) if row.act in _JUDGED and row.outcome != "accepted" else None
    if kind is None or (kind is Kind.FORK) is not (row.act == "fork"):  # who brings a fork of others is not its author
        return None
    if (row.act, row.subject) == ("link", PEERING):  # one misdeed counts once
        return None
    try:
        node = bytes.fromhex(row.actor)
    except ValueError:
        return None
    return Evidence(n, node, kind, row.until, row.times) if len(node) == ID_BYTES else None


def points(evidence: Iterable[Evidence], now: Instant) -> list[Point]:
    """Return what each piece takes off now, in the order given: its share of the day's bound, less by its age."""
    spent: dict[tuple[Kind, int], int] = {}
    found = []
    for each in evidence:
        weight = WEIGHTS[each.kind]
        day = (each.kind, each.at // DAY)
        before = spent.get(day, 0)
        full = min(weight.points * each.times, weight.per_day - before)
        spent[day] = before + full
        found.append(Point(each, decayed(full, now - each.at)))
    return found


def decayed(amount: int, age: int) -> int:
    """Return what is left of ``amount`` after ``age`` µs: half after 30 days, in a straight line between halvings."""
    if age >= FORGOTTEN:
        return 0
    periods, rest = divmod(max(0, age), HALVING)
    left = amount >> periods
    return left - (left - (left >> 1)) * rest // HALVING


def score(evidence: Iterable[Evidence], now: Instant) -> int:
    """Return a node's reputation in millionths: CLEAN less all points, at least 0."""
    return max(0, CLEAN - sum(point.points for point in points(evidence, now)))


class Ledger:
    """The evidence that counts, by node. What exceeds the bound of its day stands in the audit log alone."""

    def __init__(self, evidence: Iterable[Evidence] = ()) -> None:
        self._nodes: dict[bytes, list[Evidence]] = {}
        self.add(evidence)

    def select(self, fresh: Iterable[Evidence]) -> list[Evidence]:
        """Return those of ``fresh`` that would still take points off."""
        chosen: list[Evidence] = []
        for each in fresh:
            weight, day = WEIGHTS[each.kind], each.at // DAY
            same = (
                held
                for held in (*self._nodes.get(each.node, ()), *chosen)
                if (held.node, held.kind, held.at // DAY) == (each.node, each.kind, day)
            )
            if sum(held.times for held in same) * weight.points < weight.per_day:
                chosen.append(each)
        return chosen

    def add(self, evidence: Iterable[Evidence]) -> None:
        """Hold evidence that was stored; forget what no longer counts."""
        for each in evidence:
            held = self._nodes.setdefault(each.node, [])
            held.append(each)
            if held[0].at < each.at - FORGOTTEN:
                held[:] = [one for one in held if one.at >= each.at - FORGOTTEN]

    def of(self, node: bytes) -> list[Evidence]:
        """Return the evidence about a node, oldest first."""
        return list(self._nodes.get(node, ()))

    def all(self) -> list[Evidence]:
        """Return the evidence about all nodes."""
        return [each for held in list(self._nodes.values()) for each in held]

    def score(self, node: bytes, now: Instant) -> int:
        """Return a node's reputation in millionths."""
        held = self._nodes.get(node)
        return score(held, now) if held else CLEAN
